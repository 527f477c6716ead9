"""The fake host, watched."""

from typing import Any

from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.engine_run import EngineRun
from tests.simulation.oracle import Oracle
from tests.support.fake_host import FakeHost

__all__ = ["SimHost"]


class SimHost(FakeHost):
    """Tells the oracle before an engine is stopped, and after one was started."""

    # Any: the options of FakeHost.
    def __init__(self, clock: Clock, oracle: Oracle, *, hostname: str, **options: Any) -> None:
        super().__init__(clock, hostname=hostname, **options)
        self._oracle = oracle
        self._hostname = hostname
        oracle.watch(hostname, self.running)

    async def stop(self, run: EngineRun, reason: Reason) -> None:
        if run.replica_id in self.running():
            is_healthy = (await self.health(run)).is_ready
            silent_s = min(self.clock.monotonic() - self.contact_at, self.clock.now() - run.started_at)
            self._oracle.engine_stopped(self._hostname, run, reason, is_healthy=is_healthy, silent_s=silent_s)
        await super().stop(run, reason)

    async def launch(self, assignment: Assignment, model_path: str, *, epoch: int, launch: int) -> EngineRun:
        run = await super().launch(assignment, model_path, epoch=epoch, launch=launch)
        self._oracle.engine_started(self._hostname, (await self.inventory()).memory_total_bytes, self.running())
        return run

"""The fake host, watched, and with devices that are as full as what runs on them makes them."""

from typing import Any

import msgspec

from roundhouse_common.contracts.node import NodeInventory
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
        oracle.ground.watch(hostname, self)

    def capacity(self) -> NodeInventory:
        """Return what it has, whatever runs on it."""
        return self._inventory

    async def inventory(self) -> NodeInventory:
        """What is free is what the engines that run have left."""
        has, assignments = self._inventory, [run.assignment for run in self.running().values()]
        taken = sum(item.version.resources.memory_bytes for item in assignments if not item.device_uuids)
        devices = []
        for device in has.devices:
            held = (item for item in assignments if device.uuid in item.device_uuids)
            used = sum(item.version.resources.memory_bytes for item in held)
            devices.append(msgspec.structs.replace(device, memory_free_bytes=device.memory_total_bytes - used))
        left = has.memory_total_bytes - taken
        return msgspec.structs.replace(has, memory_available_bytes=left, devices=tuple(devices))

    async def stop(self, run: EngineRun, reason: Reason) -> None:
        if run.replica_id in self.running():
            is_healthy = (await self.health(run)).is_ready
            self._oracle.engine_stopped(self._hostname, run, reason, is_healthy=is_healthy)
        await super().stop(run, reason)

    async def launch(self, assignment: Assignment, model_path: str, *, epoch: int, launch: int) -> EngineRun:
        run = await super().launch(assignment, model_path, epoch=epoch, launch=launch)
        self._oracle.ground.started(self._hostname, run)
        return run

    def ended_by_guard(self, run: EngineRun) -> None:
        self._oracle.ground.fenced(self._hostname, run)

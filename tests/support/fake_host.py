"""A machine that exists only in memory: the node agent's `Host` on any clock, without processes or files.

It outlives agents: give the same FakeHost to the next NodeAgent and it adopts what the former one left.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.models import ModelFacts, ModelInspected
from roundhouse_common.contracts.node import (
    DeviceInfo,
    DeviceSample,
    EngineCounters,
    LogChunk,
    LogQuery,
    NodeInventory,
)
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineExit, EngineRun, EngineSample, Health
from roundhouse_node_agent.domain.errors import EngineUnavailable, LaunchFailed, ModelUnavailable
from roundhouse_node_agent.domain.usage import Counters, EngineUsage, HostUsage

__all__ = ["FakeHost"]

_GIB = 1024**3
_SIGTERM, _SIGKILL = 15, 9


@dataclass(slots=True, kw_only=True)
class _Engine:
    run: EngineRun
    ready_after: float
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    is_hung: bool = False
    sample: EngineSample = field(default_factory=lambda: EngineSample(running=0, waiting=0))


class FakeHost:
    """One machine. The public attributes are what a test turns to make things happen."""

    def __init__(
        self,
        clock: Clock,
        *,
        hostname: str = "fake",
        memory_bytes: int = 64 * _GIB,
        load_s: float = 1.0,
        stop_s: float = 0.05,
        region: str = "",
        labels: dict[str, str] | None = None,
        devices: tuple[DeviceInfo, ...] = (),
    ) -> None:
        self.clock = clock
        self.load_s = load_s
        """How long an engine takes to become ready."""
        self.stop_s = stop_s
        self.missing_models: set[str] = set()
        """Model names that `fetch` does not find."""
        self.model_facts: dict[str, ModelFacts] = {}
        """What `inspect` finds, by the source's uri."""
        self.installs_s: dict[str, float] = {}
        """How long engines that are not there take to be installed, by kind; infinite: it fails at once."""
        self.unlaunchable: set[str] = set()
        """Replicas whose engines cannot be started."""
        self.features: tuple[str, ...] = ("chat", "completions")
        """Which endpoints its engines have."""
        self.epoch = 0
        self.counters: tuple[EngineCounters, ...] = ()
        """What engines that ended had counted."""
        self.contact_at = float("-inf")
        """When the agent last noted that it heard the scheduler."""
        self.launched: list[tuple[str, int]] = []
        """(replica id, attempt) of every engine ever started."""
        self.stopped: list[tuple[str, Reason]] = []
        """(replica id, reason) of every engine that an agent told to end."""
        self._engines: dict[str, _Engine] = {}
        self._next_pid = 1000
        self._inventory = NodeInventory(
            hostname=hostname,
            address="127.0.0.1",
            cpu_cores=8,
            memory_total_bytes=memory_bytes,
            memory_available_bytes=memory_bytes,
            os="linux",
            arch="x86_64",
            agent_version="test",
            region=region,
            labels=labels or {},
            engines=("llama.cpp",),
            devices=devices,
        )

    def running(self) -> dict[str, EngineRun]:
        """Return the engines that run, by replica."""
        return {replica_id: engine.run for replica_id, engine in self._engines.items() if engine.run.ended is None}

    def kill(self, replica_id: str, *, signal: int = _SIGKILL) -> None:
        """End an engine from outside."""
        diagnosis = Diagnosis(kind="killed", summary=f"the engine was ended by signal {signal}")
        self._end(
            self._engines[replica_id], EngineExit(at=self.clock.now(), code=None, signal=signal, diagnosis=diagnosis)
        )

    def exit(self, replica_id: str, *, code: int, kind: str = "unknown") -> None:
        """Let an engine end by itself."""
        diagnosis = Diagnosis(kind=kind, summary=f"the engine ended with code {code}")
        self._end(self._engines[replica_id], EngineExit(at=self.clock.now(), code=code, diagnosis=diagnosis))

    def hang(self, replica_id: str, *, is_hung: bool = True) -> None:
        """Make an engine silent and idle, or wake it again."""
        self._engines[replica_id].is_hung = is_hung

    def set_load(self, replica_id: str, *, running: int, waiting: int = 0) -> None:
        """Set what an engine's own metrics say."""
        self._engines[replica_id].sample = EngineSample(running=running, waiting=waiting)

    async def highest_epoch(self) -> int:
        return self.epoch

    async def keep_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    async def kept_counters(self) -> Sequence[EngineCounters]:
        return self.counters

    async def keep_counters(self, ended: Sequence[EngineCounters]) -> None:
        self.counters = tuple(ended)

    async def inventory(self) -> NodeInventory:
        return self._inventory

    async def inspect(self, source: ModelSource) -> ModelInspected:
        if source.uri in self.missing_models:
            return ModelInspected(error=f"{source.uri} does not exist on {self._inventory.hostname}")
        facts = self.model_facts.get(source.uri)
        return ModelInspected(facts=facts, error="" if facts is not None else f"{source.uri} is no model")

    async def preview(self, query: RenderCommand) -> CommandRendered:
        """One word per thing that was asked for: there is no driver here."""
        return CommandRendered(argv=(query.version.engine.value, query.deployment_name), port=1, has_engine=True)

    async def usage(self, runs: Sequence[EngineRun]) -> HostUsage:
        """Every engine that runs keeps half a core busy, in user mode."""
        now, running = self.clock.monotonic(), self.running()
        engines = tuple(
            EngineUsage(
                run=run,
                cpu=Counters(user_s=(self.clock.now() - run.started_at) / 2, system_s=0.0),
                memory_bytes=run.assignment.version.resources.memory_bytes,
            )
            for run in runs
            if run.replica_id in running
        )
        return HostUsage(
            measured_at=now,
            cpu_cores=self._inventory.cpu_cores,
            cpu=Counters(user_s=now / 2, system_s=now / 4),
            memory_used_bytes=sum(engine.memory_bytes for engine in engines),
            memory_total_bytes=self._inventory.memory_total_bytes,
            devices=tuple(
                DeviceSample(uuid=device.uuid, utilization=0.5, memory_total_bytes=device.memory_total_bytes)
                for device in self._inventory.devices
            ),
            engines=engines,
        )

    async def adopt(self) -> Sequence[EngineRun]:
        return [engine.run for engine in self._engines.values()]

    def cannot_run(self, assignment: Assignment) -> str | None:
        return None

    def lacks_engine(self, assignment: Assignment) -> bool:
        return assignment.version.engine.value in self.installs_s

    async def ensure_engine(self, assignment: Assignment) -> None:
        kind = assignment.version.engine.value
        takes_s = self.installs_s[kind]
        if takes_s == float("inf"):
            raise EngineUnavailable(f"{kind} cannot be installed here", ("error: no such version",))
        await asyncio.sleep(takes_s)
        self.installs_s.pop(kind, None)

    async def fetch(self, assignment: Assignment) -> str:
        if assignment.version.model_name in self.missing_models:
            raise ModelUnavailable(f"{assignment.version.model_name} is not here")
        return f"/models/{assignment.version.model_name}"

    async def launch(self, assignment: Assignment, model_path: str, *, epoch: int, launch: int) -> EngineRun:
        replica_id = assignment.replica_id
        if replica_id in self.unlaunchable:
            raise LaunchFailed("no process could be started")
        if replica_id in self.running():
            raise AssertionError(f"{replica_id} was started twice")
        self._next_pid += 1
        port = 9000 + self._next_pid % 1000
        run = EngineRun(
            replica_id=replica_id,
            attempt=assignment.attempt,
            launch=launch,
            assignment=assignment,
            epoch=epoch,
            pid=self._next_pid,
            port=port,
            base_url=f"http://127.0.0.1:{port}",
            started_at=self.clock.now(),
            features=self.features,
        )
        self.launched.append((replica_id, assignment.attempt))
        engine = _Engine(run=run, ready_after=self.clock.monotonic() + self.load_s)
        self._engines[replica_id] = engine
        if assignment.fence_after_s > 0:
            self._guard(engine)
        return run

    async def wait(self, run: EngineRun) -> EngineExit:
        engine = self._engines[run.replica_id]
        await engine.gone.wait()
        assert engine.run.ended is not None
        return engine.run.ended

    async def health(self, run: EngineRun) -> Health:
        engine = self._engines[run.replica_id]
        if engine.run.ended is not None or engine.is_hung:
            return Health(is_ready=False, detail="no answer")
        is_ready = self.clock.monotonic() >= engine.ready_after
        return Health(is_ready=is_ready, detail="" if is_ready else "loading model")

    async def is_working(self, run: EngineRun) -> bool:
        return not self._engines[run.replica_id].is_hung

    async def sample(self, run: EngineRun) -> EngineSample | None:
        engine = self._engines[run.replica_id]
        return engine.sample if (await self.health(run)).is_ready else None

    async def is_connected(self, run: EngineRun) -> bool | None:
        return None

    async def mark_ready(self, run: EngineRun, at: UnixTime) -> None:
        engine = self._engines[run.replica_id]
        engine.run = replace(engine.run, ready_at=at)

    async def stop(self, run: EngineRun, reason: Reason) -> None:
        engine = self._engines[run.replica_id]
        if engine.run.ended is not None or engine.run.stop_reason is not None:
            return
        self.stopped.append((run.replica_id, reason))
        engine.run = replace(engine.run, stop_reason=reason)
        delay_s = 10.0 if engine.is_hung else self.stop_s
        asyncio.get_running_loop().call_later(delay_s, self._end_as_asked, engine, reason)

    async def note_contact(self, age_s: float) -> None:
        self.contact_at = self.clock.monotonic() - age_s

    def _guard(self, engine: _Engine) -> None:
        """What a fenced engine's guard does, agent or not."""
        fence_s = engine.run.assignment.fence_after_s + 10.0
        if engine.run.ended is not None:
            return
        silent_s = self.clock.monotonic() - max(self.contact_at, engine.ready_after - self.load_s)
        if silent_s > fence_s:
            self.ended_by_guard(engine.run)
            self.kill(engine.run.replica_id)
        else:
            asyncio.get_running_loop().call_later(fence_s - silent_s + 0.1, self._guard, engine)

    def ended_by_guard(self, run: EngineRun) -> None:
        """For who watches: the guard of an engine is about to end it."""

    async def forget(self, replica_id: str) -> None:
        engine = self._engines.get(replica_id)
        if engine is not None and engine.run.ended is not None:
            del self._engines[replica_id]

    async def read_log(self, query: LogQuery) -> LogChunk:
        text = f"log of {query.replica_id}\n"
        return LogChunk(replica_id=query.replica_id, offset=0, next_offset=len(text), text=text)

    def _end_as_asked(self, engine: _Engine, reason: Reason) -> None:
        diagnosis = Diagnosis(kind="stopped", summary="it was stopped")
        self._end(engine, EngineExit(at=self.clock.now(), code=0, stop_reason=reason, diagnosis=diagnosis))

    def _end(self, engine: _Engine, ended: EngineExit) -> None:
        if engine.run.ended is None:
            engine.run = replace(engine.run, ended=ended)
            engine.gone.set()

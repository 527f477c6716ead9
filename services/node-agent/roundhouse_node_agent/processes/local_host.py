"""The machine for real: `Host` on processes, files and HTTP."""

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.contracts.node import EngineCounters, LogChunk, LogQuery, NodeInventory
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import Clock, Ids, UnixTime
from roundhouse_node_agent.devices.inventory import Inventory
from roundhouse_node_agent.domain.engine_run import EngineExit, EngineRun, EngineSample, Health
from roundhouse_node_agent.domain.engine_source import EngineSource
from roundhouse_node_agent.domain.errors import LaunchFailed, StateDirUnusable
from roundhouse_node_agent.domain.usage import HostUsage
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.engine import Command, Engine
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.containers import client_environment, writable
from roundhouse_node_agent.models.inspection import ModelInspector
from roundhouse_node_agent.models.provision import ModelFiles
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.processes.connections import is_connected
from roundhouse_node_agent.processes.ending import wait_for_end
from roundhouse_node_agent.processes.exits import exit_of
from roundhouse_node_agent.processes.host_meter import HostMeter
from roundhouse_node_agent.processes.launcher import ShimOrder, start_shim
from roundhouse_node_agent.processes.log_files import end_offset
from roundhouse_node_agent.processes.log_queries import LogFeed, answer
from roundhouse_node_agent.processes.ports import pick_port
from roundhouse_node_agent.processes.previews import Places, Previews, chosen_devices
from roundhouse_node_agent.processes.records import LaunchFile, ReadyFile, write_file
from roundhouse_node_agent.processes.run_store import RunStore, StoredRun
from roundhouse_node_agent.processes.runtimes import Runtimes
from roundhouse_node_agent.processes.state_dir import StateDir
from roundhouse_node_agent.sources.source import SourceOptions

__all__ = ["HostOptions", "LocalHost"]

_log = structlog.get_logger(__name__)
_KILL_MARGIN_S = 5.0
_GUARD_WAITS_S = 10.0
"""How much longer than the agent an engine's guard waits before it fences: the agent lets the engine end properly."""
_DEVICES_FREE_WITHIN_S = 15.0
_RETURNED_SHARE = 0.95
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME")
"""What an engine gets of the agent's environment: no secrets, no settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    engine_host: str
    """Where engines bind."""
    address: str
    """Where routers reach them."""
    port_first: int
    port_last: int
    stop_grace_s: float
    log_segment_bytes: int
    log_segments: int
    kept_histories: int


class LocalHost:
    """This machine. Blocking work goes to threads; ends of processes are noticed by pidfd."""

    def __init__(
        self,
        *,
        state_dir: StateDir,
        store: RunStore,
        inventory: Inventory,
        meter: HostMeter,
        engines: Mapping[str, Engine],
        environments: EngineSource,
        containers: ContainerTool | None = None,
        resolvers: Mapping[SourceKind, ModelResolver],
        client: EngineClient,
        clock: Clock,
        ids: Ids,
        rng: random.Random,
        options: HostOptions,
        files: ModelFiles | None = None,
        sources: SourceOptions | None = None,
    ) -> None:
        """Without `files` only models that are on this machine already can be run."""
        self._state_dir = state_dir
        self._store = store
        self._inventory = inventory
        self._meter = meter
        self._engines = engines
        self._runtimes = Runtimes(
            engines=engines,
            source=environments,
            containers=containers or ContainerTool(),
            node_id=state_dir.node_id,
        )
        self._resolvers = resolvers
        self._files = files
        self._inspector = (
            ModelInspector(resolvers, find=files.here.peek, options=sources)
            if files is not None
            else ModelInspector(resolvers, options=sources)
        )
        self._client = client
        self._clock = clock
        self._ids = ids
        self._rng = rng
        self._options = options
        self._runs: dict[str, StoredRun] = {}
        self._shims: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._cpu_ticks: dict[str, int] = {}
        self._feeds: dict[str, LogFeed] = {}
        self._free_before: dict[str, dict[str, int]] = {}

    async def highest_epoch(self) -> int:
        return self._state_dir.highest_epoch

    async def keep_epoch(self, epoch: int) -> None:
        await asyncio.to_thread(self._state_dir.keep_epoch, epoch)

    async def kept_counters(self) -> Sequence[EngineCounters]:
        return await asyncio.to_thread(self._state_dir.kept_counters)

    async def keep_counters(self, ended: Sequence[EngineCounters]) -> None:
        await asyncio.to_thread(self._state_dir.keep_counters, ended)

    async def inventory(self) -> NodeInventory:
        return self._runtimes.described(await self._inventory.read())

    def environments_in_use(self) -> frozenset[str]:
        """Return the ids of the installed engines that replicas run in."""
        return self._runtimes.in_use()

    async def usage(self, runs: Sequence[EngineRun]) -> HostUsage:
        held = ((run, self._runs.get(run.replica_id)) for run in runs)
        guards = [(run, guard) for run, stored in held if stored is not None and (guard := stored.shim()) is not None]
        return await self._meter.read(guards)

    async def inspect(self, source: ModelSource) -> ModelInspected:
        return await self._inspector.inspect(source)

    async def preview(self, query: RenderCommand) -> CommandRendered:
        places = Places(
            host=self._options.engine_host,
            address=self._options.address,
            find_model=self._find_model,
            pick_port=self._pick_port,
            run_directory=lambda assignment: str(self._store.run_of(assignment, 1).path),
        )
        return await Previews(self._runtimes, places).render(query, (await self.inventory()).devices)

    async def adopt(self) -> Sequence[EngineRun]:
        adopted = []
        for stored in await asyncio.to_thread(self._store.newest):
            if stored.process is None:
                await asyncio.to_thread(self._store.kill, stored)
            run = self._as_run(stored)
            self._hold(run, stored)
            if not self._store.is_running(stored):
                run = replace(run, ended=await self._end_of(run, stored))
                self._runtimes.release(run.replica_id)
            adopted.append(run)
        kept = {stored.launch.container for stored in self._runs.values() if self._store.is_running(stored)}
        await asyncio.to_thread(self._runtimes.end_strays, kept)
        return adopted

    def cannot_run(self, assignment: Assignment) -> str | None:
        return self._runtimes.cannot_run(assignment)

    def lacks_engine(self, assignment: Assignment) -> bool:
        return self._runtimes.lacks(assignment)

    async def ensure_engine(self, assignment: Assignment) -> None:
        await self._runtimes.ensure(assignment)

    async def fetch(self, assignment: Assignment) -> str:
        version = assignment.version
        if self._files is not None:
            return await self._files.ensure(version.source, version.model_name)
        return await asyncio.to_thread(resolve, self._resolvers, version.source)

    async def launch(self, assignment: Assignment, model_path: str, *, epoch: int, launch: int) -> EngineRun:
        devices = chosen_devices(assignment, (await self.inventory()).devices) if assignment.device_uuids else ()
        options = self._options
        port = self._pick_port()
        seat = self._runtimes.seat(assignment, launch)
        command = self._runtimes.command(
            assignment,
            seat,
            model_path=model_path,
            devices=devices,
            host=options.engine_host,
            port=port,
            address=options.address,
            directory=str(self._store.run_of(assignment, launch).path),
        )
        self._ports[assignment.replica_id] = port
        base_url = f"http://{options.address}:{port}"
        cookie = self._ids.new("run")
        order = LaunchFile(
            assignment=assignment,
            epoch=epoch,
            cookie=cookie,
            port=port,
            base_url=base_url,
            environment_id=seat.runtime.environment_id,
            container=seat.container,
        )
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        if seat.container:
            inherited |= client_environment(os.environ)
        shim_order = ShimOrder(
            argv=command.argv,
            env={**inherited, **seat.runtime.environment, **command.env},
            segment_bytes=options.log_segment_bytes,
            segments=options.log_segments,
            grace_s=options.stop_grace_s,
            cookie=cookie,
            attempt=assignment.attempt,
            contact_file=str(self._state_dir.contact_file),
            fence_s=assignment.fence_after_s + _GUARD_WAITS_S if assignment.fence_after_s > 0 else 0.0,
        )
        log_dir = self._store.log_dir(assignment.replica_id)
        self._feeds.setdefault(assignment.replica_id, LogFeed(directory=log_dir, offset=end_offset(log_dir)))
        self._free_before[assignment.replica_id] = {device.uuid: device.memory_free_bytes for device in devices}
        try:
            stored, shim = await asyncio.to_thread(self._start, assignment, launch, order, shim_order, command)
        except LaunchFailed:
            del self._ports[assignment.replica_id]
            self._runtimes.release(assignment.replica_id)
            raise
        self._shims[assignment.replica_id] = shim
        run = self._as_run(stored)
        self._hold(run, stored)
        return run

    async def wait(self, run: EngineRun) -> EngineExit:
        stored = self._runs[run.replica_id]
        shim = stored.shim()
        if shim is not None and self._store.is_running(stored):
            await wait_for_end(shim.pid)
        child = self._shims.pop(run.replica_id, None)
        if child is not None:
            child.poll()
        again = await asyncio.to_thread(self._store.load, stored.directory)
        ended = await self._end_of(run, again or stored)
        await asyncio.to_thread(self._runtimes.end_container, stored.launch.container)
        self._runtimes.release(run.replica_id)
        await self._until_devices_are_free(run)
        self._ports.pop(run.replica_id, None)
        self._cpu_ticks.pop(run.replica_id, None)
        return ended

    async def health(self, run: EngineRun) -> Health:
        return await self._client.health(self._engine_of(run), run)

    async def is_working(self, run: EngineRun) -> bool:
        cookie = self._runs[run.replica_id].launch.cookie
        ticks = await asyncio.to_thread(self._store.table.cpu_ticks_of, cookie)
        before = self._cpu_ticks.get(run.replica_id)
        if ticks is not None:
            self._cpu_ticks[run.replica_id] = ticks
        return ticks is not None and (before is None or ticks > before)

    async def sample(self, run: EngineRun) -> EngineSample | None:
        return await self._client.sample(self._engine_of(run), run)

    async def is_connected(self, run: EngineRun) -> bool | None:
        cookie = self._runs[run.replica_id].launch.cookie
        return await asyncio.to_thread(lambda: is_connected(self._store.table.with_cookie(cookie), run.port))

    async def mark_ready(self, run: EngineRun, at: UnixTime) -> None:
        path = self._runs[run.replica_id].directory.ready_file
        with contextlib.suppress(StateDirUnusable):  # only the next agent's first report would be less exact
            await asyncio.to_thread(write_file, path, ReadyFile(at=at))

    async def stop(self, run: EngineRun, reason: Reason) -> None:
        stored = self._runs[run.replica_id]
        await asyncio.to_thread(self._store.ask_to_end, stored, reason)
        shim = stored.shim()
        if shim is None:
            return
        try:
            async with asyncio.timeout(self._options.stop_grace_s + _KILL_MARGIN_S):
                if self._store.table.is_running(shim):
                    await wait_for_end(shim.pid)
        except TimeoutError:
            _log.warning("engine_guard_stuck", replica_id=run.replica_id, shim_pid=shim.pid)
            await asyncio.to_thread(self._store.kill, stored)

    async def note_contact(self, age_s: float) -> None:
        await asyncio.to_thread(self._state_dir.note_contact, age_s)

    async def forget(self, replica_id: str) -> None:
        for known in (self._runs, self._feeds, self._ports, self._cpu_ticks):
            known.pop(replica_id, None)
        self._runtimes.release(replica_id)
        await asyncio.to_thread(partial(self._store.forget, replica_id, keep=self._options.kept_histories))

    async def read_log(self, query: LogQuery) -> LogChunk:
        try:
            directory = self._runtimes.log_dir(query.replica_id) or self._store.log_dir(query.replica_id)
        except ValueError as error:
            return LogChunk(replica_id=query.replica_id, offset=0, next_offset=0, text="", error=str(error))
        return await asyncio.to_thread(answer, directory, query)

    def log_feeds(self) -> Mapping[str, LogFeed]:
        """Return where each replica's live log lines are read from."""
        return dict(self._feeds)

    def _start(
        self,
        assignment: Assignment,
        launch: int,
        order: LaunchFile,
        shim_order: ShimOrder,
        command: Command,
    ) -> tuple[StoredRun, "subprocess.Popen[bytes]"]:
        directory = self._store.create(assignment, launch, order)
        directory.keep(command.files, command.links)
        if order.container:  # else whoever runs containers makes them, as another user
            for path in writable(command, str(directory.path)):
                Path(path).mkdir(mode=0o700, exist_ok=True)
        shim = start_shim(directory, shim_order)
        stored = self._store.load(directory)
        assert stored is not None  # both files were written before the shim answered
        return stored, shim

    def _hold(self, run: EngineRun, stored: StoredRun) -> None:
        self._runs[run.replica_id] = stored
        self._ports[run.replica_id] = run.port
        self._runtimes.hold(run.replica_id, stored.launch.environment_id)
        log_dir = stored.directory.log_dir
        self._feeds.setdefault(run.replica_id, LogFeed(directory=log_dir, offset=end_offset(log_dir)))

    def _engine_of(self, run: EngineRun) -> Engine:
        return self._engines[run.assignment.version.engine.value]

    async def _end_of(self, run: EngineRun, stored: StoredRun) -> EngineExit:
        engine = self._engines.get(run.assignment.version.engine.value)
        return await asyncio.to_thread(exit_of, self._store, stored, engine, self._clock.now())

    def _pick_port(self) -> int:
        options = self._options
        taken = set(self._ports.values())
        return pick_port(options.engine_host, options.port_first, options.port_last, taken, self._rng)

    def _find_model(self, source: ModelSource) -> str | None:
        """Return where a model's files are on this machine, whole; None when they would have to be fetched."""
        if source.kind in self._resolvers:
            return resolve(self._resolvers, source)
        found = self._files.here.peek(source) if self._files is not None else None
        return None if found is None else found[0]

    async def _until_devices_are_free(self, run: EngineRun) -> None:
        """A device is free only when its memory is back: the driver returns it some time after the process ended."""
        before = self._free_before.pop(run.replica_id, {})
        if not before:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DEVICES_FREE_WITHIN_S):
                while True:
                    now = {device.uuid: device.memory_free_bytes for device in (await self.inventory()).devices}
                    if all(now.get(uuid, 0) >= free * _RETURNED_SHARE for uuid, free in before.items()):
                        return
                    await asyncio.sleep(0.2)

    def _as_run(self, stored: StoredRun) -> EngineRun:
        directory, launch, process = stored.directory, stored.launch, stored.process
        version = launch.assignment.version
        engine = self._engines.get(version.engine.value)
        features = engine.capabilities(version) if engine is not None else ()
        return EngineRun(
            replica_id=directory.replica_id,
            attempt=directory.attempt,
            launch=directory.launch,
            assignment=launch.assignment,
            epoch=launch.epoch,
            pid=process.pid if process is not None else 0,
            port=launch.port,
            base_url=launch.base_url,
            started_at=UnixTime(process.started_at if process is not None else 0.0),
            ready_at=UnixTime(stored.ready.at) if stored.ready is not None else None,
            stop_reason=stored.stop.reason if stored.stop is not None else None,
            features=tuple(sorted(feature.value for feature in features)),
        )

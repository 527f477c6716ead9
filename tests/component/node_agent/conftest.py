"""A node agent in this process, on a memory bus, with real shims and real engines in a directory of its own."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_node_agent.devices.inventory import Inventory
from roundhouse_node_agent.devices.meter import DeviceMeters
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.engine_source import EngineSource
from roundhouse_node_agent.domain.keeper import NoEnvironments
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.custom import Custom
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.manager import EngineEnvironments
from roundhouse_node_agent.models.adoption import DiskFinder
from roundhouse_node_agent.models.cleaning import Cleaning
from roundhouse_node_agent.models.keeper import LocalKeeper
from roundhouse_node_agent.models.path import PathResolver
from roundhouse_node_agent.models.peers import FileServer
from roundhouse_node_agent.models.provision import ModelFiles, ProvisionOptions
from roundhouse_node_agent.models.python_package import PythonPackageResolver
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.processes.host_meter import HostMeter
from roundhouse_node_agent.processes.identity import ProcessTable
from roundhouse_node_agent.processes.local_host import HostOptions, LocalHost
from roundhouse_node_agent.processes.run_store import RunStore
from roundhouse_node_agent.processes.state_dir import StateDir
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.stop_engines import stop_engines
from roundhouse_node_agent.transfers import runner
from roundhouse_node_agent.transfers.messages import TransferLimits
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.fixed_engines import FixedEngines
from tests.support.ports import engine_ports
from tests.support.scheduler_stub import SchedulerStub

NODE = "nod_test"
OPTIONS = AgentOptions(
    probe_interval_s=0.2,
    drain_settle_s=0.1,
    drain_poll_s=0.05,
    confirm_interval_s=1.0,
    store_look_s=0.05,
    progress_interval_s=0.05,
)


class Node:
    """A machine whose agent can be started, and can die, again and again."""

    def __init__(self, path: Path, broker: MemoryBroker, node_id: str = NODE) -> None:
        self.path = path
        self.node_id = node_id
        self.sources = SourceOptions()
        """Where remote models come from."""
        self.limits = TransferLimits(part_bytes=1024 * 1024, headroom_bytes=0, retry_s=0.05, patience_s=2.0)
        self.model_directories: list[Path] = []
        self.files: ModelFiles | None = None
        self.file_server: FileServer | None = None
        self.port_first, self.port_last = engine_ports()
        self.table = ProcessTable()
        self.host: LocalHost | None = None
        self.agent: NodeAgent | None = None
        self.make_environments: Callable[[Node], EngineEnvironments] | None = None
        """Makes the engines of each life of the agent: installed ones instead of those that are always there."""
        self.environments: EngineEnvironments | None = None
        self.find_containers: Callable[[str], str | None] = lambda _name: None
        """Finds Docker or Podman."""
        self.containers = ContainerTool(self.find_containers)
        self._broker = broker
        self._task: asyncio.Task[None] | None = None
        self._open = contextlib.AsyncExitStack()

    @property
    def store(self) -> FileStore:
        """Its model files, also while no agent runs."""
        return FileStore(self.path / "models")

    async def start(self, options: AgentOptions = OPTIONS) -> NodeAgent:
        """Start an agent on what the directory remembers."""
        clock, ids, rng = SystemClock(), SystemIds(), random.Random(7)
        state_dir = self._open.enter_context(
            contextlib.closing(StateDir.open(self.path, node_id=self.node_id, ids=ids))
        )
        inventory = self._open.enter_context(
            contextlib.closing(Inventory([], address="127.0.0.1", agent_version="test", region="", labels={}))
        )
        meters = self._open.enter_context(contextlib.closing(DeviceMeters([])))
        client = await self._open.enter_async_context(EngineClient())
        bus = MemoryBus(self._broker, Service.NODE_AGENT, clock=clock, node_id=self.node_id)
        await bus.connect()
        self._open.push_async_callback(bus.close)
        resolvers: dict[SourceKind, ModelResolver] = {
            SourceKind.PATH: PathResolver(),
            SourceKind.PYTHON_PACKAGE: PythonPackageResolver(),
        }
        self.files = files = ModelFiles(
            store=self.store,
            fetch=runner.fetch,
            local=resolvers,
            clock=clock,
            options=ProvisionOptions(sources=self.sources, limits=self.limits),
            find_on_disk=DiskFinder(model_directories=self.model_directories),
        )
        self.file_server = await self._open.enter_async_context(
            FileServer(files.store, host="127.0.0.1", port=0, address="127.0.0.1")
        )
        self.containers = ContainerTool(self.find_containers)
        environments: EngineSource = FixedEngines(
            EngineRuntime(kind=LlamaCpp.kind, python=sys.executable), EngineRuntime(kind=Custom.kind)
        )
        if self.make_environments is not None:
            environments = self.environments = self.make_environments(self)
            await environments.open(())
            tasks = await self._open.enter_async_context(asyncio.TaskGroup())
            installing = tasks.create_task(environments.run(), name="engine-environments")
            self._open.callback(installing.cancel)
        self.host = LocalHost(
            state_dir=state_dir,
            store=RunStore(self.path, self.table),
            inventory=inventory,
            meter=HostMeter(meters, clock),
            engines=all_engines(),
            environments=environments,
            containers=self.containers,
            resolvers=resolvers,
            files=files,
            sources=self.sources,
            client=client,
            clock=clock,
            ids=ids,
            rng=rng,
            options=HostOptions(
                engine_host="127.0.0.1",
                address="127.0.0.1",
                port_first=self.port_first,
                port_last=self.port_last,
                stop_grace_s=3.0,
                log_segment_bytes=1_000_000,
                log_segments=3,
                kept_histories=10,
            ),
        )
        self.agent = NodeAgent(
            node_id=NodeId(self.node_id),
            bus=bus,
            host=self.host,
            clock=clock,
            ids=ids,
            rng=rng,
            options=options,
            keeper=LocalKeeper(
                state_dir=self.path,
                files=files,
                cleaning=Cleaning(files, clock),
                environments=self.environments or NoEnvironments(),
                address=self.file_server,
            ),
        )
        self._task = asyncio.create_task(self.agent.run(), name="agent")
        return self.agent

    async def die(self) -> None:
        """The agent is gone; engines stay."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._open.aclose()
        self._open = contextlib.AsyncExitStack()

    async def leave_nothing(self) -> None:
        """The agent is gone, and its engines with it."""
        await self.die()
        stop_engines(self.path, within_s=3.0, clock=SystemClock(), say=lambda _line: None, containers=self.containers)
        assert self.processes() == []

    def processes(self) -> list[int]:
        """Return every process that belongs to any run of this machine."""
        cookies = [stored.launch.cookie for stored in RunStore(self.path, self.table).newest()]
        return [pid for cookie in cookies for pid in self.table.with_cookie(cookie)]


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(SystemClock())


@pytest.fixture
async def scheduler(broker: MemoryBroker) -> AsyncIterator[SchedulerStub]:
    stub = SchedulerStub(MemoryBus(broker, Service.SCHEDULER, clock=SystemClock()))
    await stub.start()
    yield stub
    await stub.bus.close()


@pytest.fixture
async def node(tmp_path: Path, broker: MemoryBroker, scheduler: SchedulerStub) -> AsyncIterator[Node]:
    """A machine without an agent yet; afterwards nothing of it is left."""
    machine = Node(tmp_path / "state", broker)
    yield machine
    await machine.leave_nothing()

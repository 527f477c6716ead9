"""One cluster in one process: the real scheduler, agents and routing table on a memory bus with faults."""

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import Delivery
from roundhouse_common.bus.codec import encode
from roundhouse_common.bus.memory import Faults, MemoryBroker, MemoryBus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.bus.wire import NoSuchStream
from roundhouse_common.contracts.base import Bucket, Message, Service
from roundhouse_common.contracts.catalog import DeploymentDesired, DeploymentSpec, VersionSpec
from roundhouse_common.contracts.generate.subjects import bucket_subject
from roundhouse_common.contracts.registry import SPECS, VERSION_FAILED
from roundhouse_common.contracts.scheduler import Reason, VersionFailed
from roundhouse_common.database import Database
from roundhouse_common.errors import NotFound
from roundhouse_common.runtime import NodeId
from roundhouse_common.service.supervisor import Supervisor
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.duties import Ordered
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store.look import Records, read_records
from roundhouse_scheduler.store.node_orders import carry_out
from tests.simulation.ground import decided_in
from tests.simulation.inline_sqlite import connect_inline
from tests.simulation.loop import SequentialIds, VirtualClock, VirtualTimeLoop
from tests.simulation.oracle import Oracle
from tests.simulation.processes import SimScheduler, Tasks
from tests.simulation.sim_host import SimHost
from tests.simulation.trace import Trace
from tests.support.fake_keeper import FakeKeeper
from tests.support.scheduler import a_version

__all__ = ["BROKEN", "SimNode", "World"]

BROKEN = "broken"
"""Name of a model whose files are nowhere: no engine of it ever starts."""

_INSTANT_S = 1e-6
M = TypeVar("M", bound=Message)


@dataclass
class SimNode:
    """A host and whoever is its agent now."""

    node_id: str
    host: SimHost
    faults: Faults
    tasks: Tasks
    keeper: FakeKeeper | None = None
    agent: NodeAgent | None = None
    bus: MemoryBus | None = None


@dataclass
class World:
    """What a scenario moves. Build it with `open_world`."""

    loop: VirtualTimeLoop
    rng: random.Random
    directory: Path
    trace: Trace
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.loop)
        self.ids = SequentialIds()
        self.registry = CollectorRegistry()
        self.supervisor = Supervisor(clock=self.clock, rng=self._rng(), registry=self.registry)
        self.broker = MemoryBroker(self.clock)
        self.oracle = Oracle(self.clock)
        self.oracle.committed = self._committed
        self.nodes: dict[str, SimNode] = {}
        self.specs: dict[str, DeploymentSpec] = {}
        self.earlier: dict[str, VersionSpec] = {}
        """The version that each deployment ran before, for a catalog that goes back to it."""
        self.newest: dict[str, int] = {}
        """The highest version number of each deployment: numbers are not given twice, also after going back."""
        self.rolled_back: list[str] = []
        self._failed_versions: set[str] = set()
        self.copies: list[bytes] = []
        """Of the scheduler's database, as backups would be."""
        self.records_lost = 0
        self.when_started: list[Callable[[SchedulerCore], None]] = []
        """What is done with every scheduler that starts, before it takes its first step."""
        self.scheduler_faults = Faults(rng=self._rng())
        self.router_faults = Faults(rng=self._rng())
        self.schedulers = {
            "scheduler": SimScheduler("scheduler", self, self.scheduler_faults, self._rng()),
            "standby": SimScheduler("standby", self, Faults(rng=self._rng()), self._rng()),
        }
        """Where schedulers may run; only the first is started by itself."""
        self._outside_db = Database(self.url, service="scheduler", connect=connect_inline)
        self._outside = Tasks(self.supervisor)

    def _rng(self) -> random.Random:
        return random.Random(self.rng.random())

    @property
    def url(self) -> str:
        """The scheduler's database."""
        return f"sqlite+aiosqlite:///{self.directory}/scheduler.db"

    async def open(self) -> None:
        """Start the catalog's publisher, the router's table and the scheduler."""
        await self._outside_db.__aenter__()
        self._catalog_bus = MemoryBus(self.broker, Service.CATALOG, clock=self.clock)
        await self._catalog_bus.connect()
        self._specs_publisher: Publisher[DeploymentSpec] = Publisher(
            self._catalog_bus, SPECS, desired=self._desired_specs
        )
        self._router_bus = MemoryBus(self.broker, Service.ROUTER, clock=self.clock, faults=self.router_faults)
        await self._router_bus.connect()
        self.router = ControlPlane(self._router_bus, self.clock, None, on_endpoints=lambda _: None)
        rollbacks = self._catalog_bus.consumer(VERSION_FAILED, "catalog-rollbacks", self._roll_back)
        self._outside.start("catalog", {"specs": self._specs_publisher.run, "rollbacks": rollbacks.run})
        self._outside.start("router", dict(self.router.loops))
        await self.start_scheduler()

    def say(self, what: str) -> None:
        """Note in the trace what the scenario does."""
        self.trace.say(what)

    def crashes(self) -> float:
        """Return how many loops of any process have crashed: none ever should. That the database was held up by a
        process that stood still is nobody's fault."""
        found = (item for metric in self.registry.collect() for item in metric.samples)
        held_up = sum("loop_interrupted" in line and "DatabaseBusy" in line for line in self.trace.lines)
        return sum(item.value for item in found if item.name == "roundhouse_loop_crashes_total") - held_up

    async def close(self) -> None:
        """Kill everything."""
        for node in self.nodes.values():
            await self.kill_agent(node)
        for scheduler in self.schedulers.values():
            await scheduler.kill()
        await self._outside.end()
        await self._router_bus.close()
        await self._catalog_bus.close()
        await self._outside_db.__aexit__(None, None, None)

    @property
    def core(self) -> SchedulerCore | None:
        """The scheduler that leads, else one that runs, else None."""
        running = [item.core for item in self.schedulers.values() if item.core is not None]
        return next((core for core in running if core.leadership.is_leading), running[0] if running else None)

    async def start_scheduler(self, name: str = "scheduler") -> None:
        """A scheduler process comes up, beside the others if there are any."""
        await self.schedulers[name].start(self._rng())

    async def kill_scheduler(self, name: str = "scheduler") -> None:
        """A scheduler process dies where it stands."""
        await self.schedulers[name].kill()

    def keep_copy(self) -> bytes:
        """Return the record as it is now, as a backup would."""
        with closing(sqlite3.connect(self.directory / "scheduler.db")) as connection:
            return connection.serialize()

    async def replace_record(self, record: bytes) -> None:
        """The database is lost, and another one takes its place. No scheduler may run."""
        await self._outside_db.__aexit__(None, None, None)
        for file in self.directory.glob("scheduler.db*"):
            file.unlink()
        (self.directory / "scheduler.db").write_bytes(record)
        await self._outside_db.__aenter__()

    async def add_node(self, node_id: str, *, keeper: FakeKeeper | None = None, **host_options: object) -> SimNode:
        """A machine joins, with its agent; with a `keeper` it keeps model files."""
        host = SimHost(self.clock, self.oracle, hostname=node_id, **host_options)
        host.missing_models.add(BROKEN)
        faults, tasks = Faults(rng=self._rng()), Tasks(self.supervisor)
        node = SimNode(node_id=node_id, host=host, faults=faults, tasks=tasks, keeper=keeper)
        self.nodes[node_id] = node
        self.oracle.ground.reach(node_id, lambda: self._is_cut_off(node))
        await self.start_agent(node)
        return node

    async def start_agent(self, node: SimNode) -> None:
        """An agent process comes up and adopts what runs on the host."""
        if node.agent is not None:
            return
        bus = MemoryBus(self.broker, Service.NODE_AGENT, clock=self.clock, node_id=node.node_id, faults=node.faults)
        await bus.connect()
        agent = NodeAgent(
            node_id=NodeId(node.node_id),
            bus=bus,
            host=node.host,
            clock=self.clock,
            ids=self.ids,
            rng=self._rng(),
            options=AgentOptions(ready_poll_s=0.5, start_timeout_s=30.0),
            keeper=node.keeper,
        )
        self.oracle.agent_started(node.node_id, agent.context.incarnation)
        await agent.start()
        node.agent, node.bus = agent, bus
        node.tasks.start(node.node_id, agent.loops())

    async def kill_agent(self, node: SimNode) -> None:
        """The agent's process dies; its engines run on."""
        await node.tasks.end()
        if node.bus is not None:
            await node.bus.close()
        node.agent = node.bus = None

    async def reboot(self, node: SimNode) -> None:
        """Power goes off and comes back: no engine survives it."""
        await self.kill_agent(node)
        for replica_id in sorted(node.host.running()):
            node.host.kill(replica_id)
        await self.start_agent(node)

    def deploy(
        self, name: str, *, replicas: int, version: VersionSpec | None = None, **changes: object
    ) -> DeploymentSpec:
        """Create a deployment, or change what is wanted of one."""
        before = self.specs.get(name)
        if before is None:
            spec = DeploymentSpec(
                deployment_id=name,
                name=name,
                tenant_id="ten_default",
                generation=1,
                desired=DeploymentDesired.RUN,
                replicas=replicas,
                version=version or a_version(1, version_id=f"{name}_v1"),
            )
        else:
            if version is not None:
                self.earlier[name] = before.version
            spec = msgspec.structs.replace(
                before, generation=before.generation + 1, replicas=replicas, version=version or before.version
            )
        self.specs[name] = msgspec.structs.replace(spec, **changes)
        self.newest[name] = max(self.newest.get(name, 0), spec.version.number)
        self.oracle.published(self.specs[name])
        self._specs_publisher.wake()
        return self.specs[name]

    @property
    def outside_db(self) -> Database:
        """The scheduler's record as another process of it has it open: a write here wakes nobody."""
        return self._outside_db

    async def order(self, node_id: str, order: Callable[[Node], Ordered]) -> None:
        """An administrator says something of a node, whether a scheduler runs or not."""
        async with self._outside_db.write() as session:
            with suppress(NotFound):  # it has not registered yet
                event_id = self.ids.new("evt")
                await carry_out(session, node_id, order, at=self.clock.now(), actor="user:admin", event_id=event_id)

    def forge(self, contract: Bucket[M], key: str, value: M) -> None:
        """Put something into a bucket that its owner never wrote, as a damaged disk may."""
        with suppress(NoSuchStream):
            self.broker.store(bucket_subject(contract, key), encode(value), {})

    async def run_for(self, seconds: float) -> None:
        """Let time pass, and complain as soon as an invariant is broken."""
        until = self.loop.time() + seconds
        while (left := until - self.loop.time()) > _INSTANT_S:
            await asyncio.sleep(min(1.0, left))
            self.oracle.complain()

    async def until(self, condition: Callable[[], Awaitable[str]], *, within_s: float) -> None:
        """Let time pass until the condition has nothing to object; raise its last objection when it is too late."""
        deadline = self.loop.time() + within_s
        while objection := await condition():
            if self.loop.time() >= deadline:
                raise AssertionError(f"after {within_s:.0f} s: {objection}")
            await self.run_for(1.0)

    async def records(self) -> Records:
        """Read the scheduler's record."""
        async with self._outside_db.read() as session:
            return await read_records(session)

    def _committed(self, hostname: str, run: EngineRun) -> Reason | None:
        with closing(sqlite3.connect(self.directory / "scheduler.db")) as connection:
            return decided_in(connection, hostname, run)

    def _is_cut_off(self, node: SimNode) -> bool:
        """Whether anything may keep a node from hearing a scheduler that leads."""
        core = self.core
        leads = core is not None and core.leadership.is_leading
        disturbed = (node.faults, *(scheduler.faults for scheduler in self.schedulers.values()))
        is_undisturbed = not any(item.is_partitioned or item.drop or item.delay_s[1] for item in disturbed)
        return not (leads and is_undisturbed and self.broker.is_running and node.agent is not None)

    async def _roll_back(self, batch: Sequence[Delivery[VersionFailed]]) -> None:
        """What the catalog does: go back to the version before, unless the deployment has moved on, or that one has
        failed too."""
        for event in (delivery.message for delivery in batch):
            spec, earlier = self.specs[event.deployment_id], self.earlier.get(event.deployment_id)
            self.oracle.judge_failure(event, spec, await self.records())
            self._failed_versions.add(event.version_id)
            is_known_bad = earlier is not None and earlier.version_id in self._failed_versions
            if spec.generation == event.generation and earlier is not None and not is_known_bad:
                self.say(f"{event.deployment_id} goes back to version {earlier.number}")
                self.rolled_back.append(event.deployment_id)
                self.deploy(event.deployment_id, replicas=spec.replicas, version=earlier)

    async def _desired_specs(self) -> Mapping[str, DeploymentSpec]:
        return dict(self.specs)


@asynccontextmanager
async def open_world(
    loop: VirtualTimeLoop, seed: int, *, record: bytes, trace: Trace, rules: Rules | None = None
) -> AsyncIterator[World]:
    """Open a world on a copy of an empty record; its files lie in memory where the machine has such a place."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None, prefix="rh-sim-") as name:
        (Path(name) / "scheduler.db").write_bytes(record)
        world = World(loop=loop, rng=random.Random(seed), directory=Path(name), trace=trace, rules=rules or Rules())
        await world.open()
        try:
            yield world
        finally:
            await world.close()

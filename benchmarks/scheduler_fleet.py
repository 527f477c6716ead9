"""A synthetic fleet in a real database: nodes of 8 devices, replicas that run on them, and a scheduler over it."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import (
    DeploymentDesired,
    EngineKind,
    ModelKind,
    ModelSource,
    Resources,
    SourceKind,
    VersionSpec,
)
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor, NodeInventory
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.runtime import SystemClock, SystemIds, UnixTime
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import add_all, replace

__all__ = ["DEVICES", "Bench", "Shape", "a_deployment", "a_version", "open_bench"]

GIB = 1024**3
DEVICES = 8
_PER_DEPLOYMENT = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """How large it is."""

    nodes: int
    replicas: int

    @property
    def deployments(self) -> int:
        return self.replicas // _PER_DEPLOYMENT


class BenchClock(SystemClock):
    """The real clock, set forward at will: leases expire without waiting."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def skip(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._ahead_s += seconds

    def now(self) -> UnixTime:
        return UnixTime(super().now() + self._ahead_s)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s


def a_version(number: int, *, memory_bytes: int = 2 * GIB) -> VersionSpec:
    return VersionSpec(
        version_id=f"ver_{number:06d}",
        number=1,
        model_id="mdl_1",
        model_name="model",
        model_kind=ModelKind.CHAT,
        source=ModelSource(kind=SourceKind.PATH, uri="/models/model.gguf"),
        context_length=4096,
        engine=EngineKind.VLLM,
        resources=Resources(memory_bytes=memory_bytes, device_count=1),
    )


def a_deployment(number: int, *, replicas: int) -> Deployment:
    version = a_version(number)
    return Deployment(
        deployment_id=f"dep_{number:06d}",
        name=f"model-{number}",
        tenant_id="ten_default",
        generation=1,
        desired=DeploymentDesired.RUN,
        replicas=replicas,
        version_id=version.version_id,
        version_number=1,
        model_name=version.model_name,
        model_kind=version.model_kind,
        disconnect_grace_s=60.0,
        drain_timeout_s=30.0,
    )


def _node(number: int, at: float) -> Node:
    name = f"nod_{number:05d}"
    devices = tuple(
        DeviceInfo(
            uuid=f"GPU-{number:05d}-{index}",
            index=index,
            vendor=DeviceVendor.NVIDIA,
            model="H100",
            memory_total_bytes=80 * GIB,
            memory_free_bytes=79 * GIB,
        )
        for index in range(DEVICES)
    )
    inventory = NodeInventory(
        hostname=name,
        address="10.0.0.1",
        cpu_cores=128,
        memory_total_bytes=1024 * GIB,
        memory_available_bytes=1000 * GIB,
        os="linux",
        arch="x86_64",
        agent_version="0",
        engines=("vllm",),
        devices=devices,
    )
    return Node(
        node_id=name,
        epoch=1,
        incarnation="one",
        inventory=inventory,
        state_since=at,
        registered_at=at - 100.0,
        last_heartbeat_at=at,
    )


def _replica(number: int, deployment: Deployment, node: Node, device: int, at: float) -> Replica:
    return Replica(
        replica_id=f"rep_{number:07d}",
        deployment_id=deployment.deployment_id,
        version_id=deployment.version_id,
        version_number=1,
        engine=EngineKind.VLLM,
        resources=a_version(0).resources,
        engine_api_key="secret",
        phase=Phase.READY,
        reason=Reason.ENGINE_READY,
        since=at,
        created_at=at,
        ready_since=at,
        node_id=node.node_id,
        device_uuids=(node.inventory.devices[device].uuid,),
        is_serving=True,
        base_url=f"http://10.0.0.1:{9000 + device}",
        served_model="model",
    )


async def _fill(session: WriteSession, shape: Shape, at: float) -> None:
    revision = await next_revision(session)
    nodes = [_node(number, at) for number in range(shape.nodes)]
    deployments = [a_deployment(number, replicas=_PER_DEPLOYMENT) for number in range(shape.deployments)]
    replicas = []
    for number in range(shape.replicas):
        slot = number % (shape.nodes * DEVICES)
        node = nodes[slot % shape.nodes]
        replicas.append(_replica(number, deployments[number // _PER_DEPLOYMENT], node, slot // shape.nodes, at))
    await add_all(session, tables.nodes, nodes, revision=revision)
    await add_all(session, tables.deployments, deployments, revision=revision)
    await add_all(session, tables.replicas, replicas, revision=revision)
    await add_versions(session, range(shape.deployments))


async def add_versions(session: WriteSession, numbers: range) -> None:
    """Record one version for each deployment."""
    await session.execute(
        tables.versions.insert(),
        [
            {"version_id": f"ver_{number:06d}", "deployment_id": f"dep_{number:06d}", "spec": a_version(number)}
            for number in numbers
        ],
    )


@dataclass
class Bench:
    """A scheduler whose planner is stepped by hand."""

    shape: Shape
    db: Database
    core: SchedulerCore
    clock: BenchClock
    registry: CollectorRegistry
    silent: str = ""

    def hear(self) -> None:
        """Every node but the silent one sends a sign of life."""
        now = self.clock.monotonic()
        self.core.liveness.tick(now, is_connected=True)
        for node_id in self.core.planner.mirror.nodes:
            if node_id != self.silent:
                self.core.liveness.heard(node_id, now)

    async def deploy(self, numbers: range, *, replicas: int) -> None:
        """New deployments want so many replicas each."""
        async with self.db.write() as session:
            revision = await next_revision(session)
            rows = [a_deployment(number, replicas=replicas) for number in numbers]
            await add_all(session, tables.deployments, rows, revision=revision)
            await add_versions(session, numbers)

    async def scale(self, deployment_id: str, by: int) -> None:
        """One deployment wants more."""
        before = self.core.planner.mirror.deployments[deployment_id]
        async with self.db.write() as session:
            await replace(session, tables.deployments, msgspec.structs.replace(before, replicas=before.replicas + by))

    async def settle(self) -> "Cost":
        """Plan until nothing is left to do, and return what that took."""
        before = self._spent()
        began = time.perf_counter()
        passes = 1
        while not (await self.core.planner.step()).is_empty:
            passes += 1
        wall_s = time.perf_counter() - began
        after = self._spent()
        return Cost(wall_s=wall_s, decide_s=after[0] - before[0], commit_s=after[1] - before[1], passes=passes)

    def _spent(self) -> tuple[float, float]:
        return (self._sum("decide"), self._sum("commit"))

    def _sum(self, what: str) -> float:
        return self.registry.get_sample_value(f"roundhouse_scheduler_{what}_seconds_sum") or 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, over all passes."""

    wall_s: float
    decide_s: float
    commit_s: float
    passes: int


@asynccontextmanager
async def open_bench(directory: Path, shape: Shape) -> AsyncIterator[Bench]:
    """Open a database of this shape, and a scheduler that has read it."""
    clock = BenchClock()
    db = Database(f"sqlite+aiosqlite:///{directory}/fleet-{shape.nodes}.db", service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    registry = CollectorRegistry()
    async with db:
        async with db.write() as session:
            await _fill(session, shape, clock.now())
        bus = MemoryBus(MemoryBroker(clock), Service.SCHEDULER, clock=clock)
        await bus.connect()
        core = SchedulerCore(
            db=db,
            bus=bus,
            clock=clock,
            ids=SystemIds(),
            rng=random.Random(1),
            rules=Rules(),
            registry=registry,
        )
        core.liveness.tick(clock.monotonic(), is_connected=True)
        yield Bench(shape=shape, db=db, core=core, clock=clock, registry=registry)
        await bus.close()

"""The scheduler and a node agent on a real nats-server, each with its own credentials."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.projection import Projection
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.registry import ENDPOINTS, SPECS
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState, Phase
from roundhouse_common.database import Database
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds, system_random
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store.look import read_records
from roundhouse_scheduler.store.tables import metadata
from tests.component.scheduler.test_scheduler_store import a_spec
from tests.support.databases import database
from tests.support.eventually import eventually, never
from tests.support.fake_host import FakeHost
from tests.support.nats import NODE_A, NatsServer
from tests.support.tasks import running

_CLOCK = SystemClock()


@dataclass
class Cluster:
    """One scheduler, one node and whoever wants and reads something."""

    db: Database
    host: FakeHost
    specs: dict[str, DeploymentSpec]
    publisher: Publisher[DeploymentSpec]
    endpoints: Projection[DeploymentEndpoints]

    def deploy(self, replicas: int) -> None:
        before = self.specs.get("dep_1")
        generation = before.generation + 1 if before is not None else 1
        self.specs["dep_1"] = a_spec(generation, replicas=replicas)
        self.publisher.wake()

    async def replicas(self) -> list[Replica]:
        async with self.db.read() as session:
            return list((await read_records(session)).replicas.values())

    async def phases(self) -> list[Phase]:
        return [row.phase for row in await self.replicas()]

    def routed(self) -> list[EndpointState]:
        shown = self.endpoints.current.get("dep_1")
        return [item.state for item in shown.endpoints] if shown is not None else []

    async def are_ready(self, count: int) -> bool:
        return await self.phases() == [Phase.READY] * count and self.routed() == [EndpointState.READY] * count


@pytest_asyncio.fixture
async def cluster(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    specs: dict[str, DeploymentSpec] = {}

    async def desired() -> Mapping[str, DeploymentSpec]:
        return dict(specs)

    async with AsyncExitStack() as stack:

        async def connected(service: Service, node_id: str = "") -> NatsBus:
            seed = nats_server.seed_file(service, node_id)
            bus = NatsBus(service, url=nats_server.url, seed_file=seed, clock=_CLOCK, node_id=node_id)
            await bus.connect()
            stack.push_async_callback(bus.close)
            return bus

        async def run(loops: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
            for loop in loops.values():
                await stack.enter_async_context(running(_awaited(loop)))

        db = await stack.enter_async_context(database(f"sqlite+aiosqlite:///{tmp_path}/s.db", metadata))
        core = SchedulerCore(
            db=db,
            bus=await connected(Service.SCHEDULER),
            clock=_CLOCK,
            ids=SystemIds(),
            rng=system_random(),
            rules=Rules(),
            registry=CollectorRegistry(),
        )
        publisher = Publisher(await connected(Service.CATALOG), SPECS, desired=desired)
        endpoints = Projection(await connected(Service.ROUTER), ENDPOINTS)
        host = FakeHost(_CLOCK, load_s=0.2)
        agent = NodeAgent(
            node_id=NodeId(NODE_A),
            bus=await connected(Service.NODE_AGENT, NODE_A),
            host=host,
            clock=_CLOCK,
            ids=SystemIds(),
            rng=system_random(),
            options=AgentOptions(drain_settle_s=0.1),
        )
        await core.start()
        await agent.start()
        await run({**core.loops(), "publisher": publisher.run, "router": endpoints.run})
        await run(agent.loops())
        yield Cluster(db, host, specs, publisher, endpoints)


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


async def test_from_a_wish_to_an_endpoint_and_back(cluster: Cluster) -> None:
    cluster.deploy(replicas=2)
    await eventually(lambda: cluster.are_ready(2), within_s=15)
    cluster.deploy(replicas=1)
    await eventually(lambda: cluster.are_ready(1), within_s=15)
    await eventually(lambda: len(cluster.host.running()) == 1)


async def test_a_killed_engine_is_ready_again_within_five_seconds_with_its_reason(cluster: Cluster) -> None:
    cluster.deploy(replicas=1)
    await eventually(lambda: cluster.are_ready(1), within_s=15)
    (before,) = await cluster.replicas()
    cluster.host.kill(before.replica_id)

    async def is_back() -> bool:
        (row,) = await cluster.replicas()
        return row.attempt == 2 and await cluster.are_ready(1)

    await eventually(is_back)
    (after,) = await cluster.replicas()
    assert after.replica_id == before.replica_id
    assert "ended by signal 9" in after.detail


async def test_a_killed_and_wiped_server_stops_nothing_and_is_filled_again(
    cluster: Cluster, nats_server: NatsServer
) -> None:
    cluster.deploy(replicas=2)
    await eventually(lambda: cluster.are_ready(2), within_s=15)
    pids = {key: run.pid for key, run in cluster.host.running().items()}
    nats_server.kill()
    nats_server.wipe()
    await never(lambda: cluster.host.stopped, for_s=1.0)
    nats_server.start()
    cluster.deploy(replicas=3)
    await eventually(lambda: cluster.are_ready(3), within_s=30)
    assert pids.items() <= {key: run.pid for key, run in cluster.host.running().items()}.items()
    assert cluster.host.stopped == []

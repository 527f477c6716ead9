"""Quotas from the catalog's REST to the scheduler's placements, over a real nats-server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_catalog.bus.publications import Publications
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds, system_random
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store.look import read_records
from roundhouse_scheduler.store.tables import metadata
from tests.component.catalog.world import World, a_world, created
from tests.support.databases import Migrate, database
from tests.support.eventually import eventually
from tests.support.fake_host import FakeHost
from tests.support.nats import NODE_A, NatsServer
from tests.support.tasks import running

pytestmark = pytest.mark.contract("E03")

_CLOCK = SystemClock()


@dataclass
class Platform:
    """A catalog and a scheduler, each with its own connection and database, and a node that is not there yet."""

    catalog: World
    db: Database
    core: SchedulerCore
    start_node: Callable[[], Awaitable[None]]

    async def stand(self) -> list[tuple[Phase, Reason]]:
        async with self.db.read() as session:
            rows = (await read_records(session)).replicas.values()
        return sorted((row.phase, row.reason) for row in rows)

    async def phases(self) -> list[Phase]:
        return [phase for phase, _ in await self.stand()]

    async def sets_quota(self, path: str, **quota: int | None) -> None:
        assert self.catalog.publications is not None
        answer = await self.catalog.patch(path, {"quota": quota})
        assert answer.status_code == 200, answer.text


@pytest_asyncio.fixture
async def platform(nats_server: NatsServer, tmp_path: Path, migrated: Migrate) -> AsyncIterator[Platform]:
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

        async def start_node() -> None:
            agent = NodeAgent(
                node_id=NodeId(NODE_A),
                bus=await connected(Service.NODE_AGENT, NODE_A),
                host=FakeHost(_CLOCK, load_s=0.1),
                clock=_CLOCK,
                ids=SystemIds(),
                rng=system_random(),
                options=AgentOptions(drain_settle_s=0.1),
            )
            await agent.start()
            await run(agent.loops())

        url = f"sqlite+aiosqlite:///{tmp_path}/catalog.db"
        await migrated(url, "catalog")
        world = await stack.enter_async_context(a_world(url, tmp_path / "uploads"))
        publications = Publications(world.db, await connected(Service.CATALOG))
        world.publications, world.wakers = publications, [publications.wake]
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
        await core.start()
        await run(
            {**core.loops(), "publish specs": publications.specs.run, "publish tenants": publications.tenants.run}
        )
        yield Platform(world, db, core, start_node)


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


async def test_a_quota_that_was_lowered_keeps_a_replica_waiting_until_it_is_raised(platform: Platform) -> None:
    catalog = platform.catalog
    await catalog.model()
    project = created(await catalog.post("/projects", {"name": "search"}))["id"]
    await catalog.deployment(project_id=project, replicas=2)
    await eventually(lambda: has(platform, 2), within_s=15)
    await platform.sets_quota("/tenants/ten_default", replicas=1)
    await platform.sets_quota(f"/projects/{project}", replicas=0)
    await eventually(lambda: knows(platform, tenant=1, project=0), within_s=15)
    await platform.start_node()

    await eventually(lambda: stands(platform, [(Phase.PENDING, Reason.QUOTA)] * 2), within_s=20)
    await platform.sets_quota(f"/projects/{project}", replicas=5)
    await eventually(lambda: are(platform, [Phase.PENDING, Phase.READY]), within_s=20)
    assert (Phase.PENDING, Reason.QUOTA) in await platform.stand(), "the tenant's quota still holds"
    await platform.sets_quota("/tenants/ten_default", replicas=2)
    await eventually(lambda: are(platform, [Phase.READY] * 2), within_s=20)


async def has(platform: Platform, count: int) -> bool:
    return len(await platform.stand()) == count


async def are(platform: Platform, phases: list[Phase]) -> bool:
    return await platform.phases() == sorted(phases)


async def stands(platform: Platform, wanted: list[tuple[Phase, Reason]]) -> bool:
    return await platform.stand() == wanted


def knows(platform: Platform, *, tenant: int, project: int) -> bool:
    told = platform.core.tenants.current.get("ten_default")
    return told is not None and (told.quota.replicas, told.projects[0].quota.replicas) == (tenant, project)

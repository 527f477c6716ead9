"""Orders and stores on a real nats-server, each side with its own credentials."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.provisioning import FilesState, FileWish, NodeOrders, TransferProgress
from roundhouse_common.contracts.registry import ORDERS, REGISTER_NODE, STORES, TRANSFER_PROGRESS
from roundhouse_common.contracts.scheduler import RegisterNode
from roundhouse_common.database import Database
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import SystemClock, SystemIds, system_random
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store.provisioning import find_file_order, read_file_orders
from roundhouse_scheduler.store.standing_orders import place_order, remove_files, told_nodes
from roundhouse_scheduler.store.tables import metadata
from tests.support.databases import database
from tests.support.eventually import eventually
from tests.support.nats import NODE_A, NatsServer
from tests.support.provisioning import QWEN, a_store, files_order, kept
from tests.support.scheduler import an_inventory
from tests.support.tasks import running

_CLOCK = SystemClock()
KEY = source_key(QWEN)


@dataclass
class Cluster:
    """A scheduler that turns, and the connection of a node."""

    db: Database
    core: SchedulerCore
    node: NatsBus

    async def order(self) -> None:
        async with self.db.write() as session:
            nodes = await told_nodes(session)
            await place_order(session, files_order(), [], nodes, ids=SystemIds())
        self.core.provisioning.everything()

    async def remove(self) -> None:
        async with self.db.write() as session:
            order, nodes = await find_file_order(session, "for_1"), await told_nodes(session)
            wish = FileWish.REMOVE
            await remove_files(session, order, nodes, wish, actor="user:a", at=1.0, ids=SystemIds())
        self.core.provisioning.everything()

    async def told(self) -> NodeOrders | None:
        entry = await self.node.bucket(ORDERS).get(NODE_A)
        return entry.value if entry is not None else None

    async def wishes(self) -> list[FileWish]:
        document = await self.told()
        return [item.wish for item in document.files] if document is not None else []


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


@pytest_asyncio.fixture
async def cluster(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:

        async def connected(service: Service, node_id: str = "") -> NatsBus:
            seed = nats_server.seed_file(service, node_id)
            bus = NatsBus(service, url=nats_server.url, seed_file=seed, clock=_CLOCK, node_id=node_id)
            await bus.connect()
            stack.push_async_callback(bus.close)
            return bus

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
        for loop in core.loops().values():
            await stack.enter_async_context(running(_awaited(loop)))
        node = await connected(Service.NODE_AGENT, NODE_A)
        registration = RegisterNode(node_id=NODE_A, incarnation="one", inventory=an_inventory())
        await node.request(REGISTER_NODE, registration, NODE_A)
        yield Cluster(db, core, node)


async def test_an_order_reaches_its_node_and_ends_when_the_node_has_done(cluster: Cluster) -> None:
    async def is_over() -> bool:
        async with cluster.db.read() as session:
            return await read_file_orders(session) == []

    await cluster.order()
    await eventually(cluster.wishes, within_s=10)
    await cluster.node.bucket(STORES).put(NODE_A, a_store(NODE_A, kept(state=FilesState.FETCHING)))
    progress = TransferProgress(node_id=NODE_A, key=KEY, stored_bytes=3, total_bytes=9, rate_bytes_s=1.0)
    await cluster.node.signal(TRANSFER_PROGRESS, progress, NODE_A)
    await eventually(lambda: cluster.core.preparing.live(NODE_A, KEY) == progress)
    await eventually(lambda: NODE_A in cluster.core.stores.current, within_s=10)
    await cluster.remove()

    async def is_to_go() -> bool:
        return await cluster.wishes() == [FileWish.REMOVE]

    await eventually(is_to_go, within_s=10)
    document = await cluster.told()
    assert document is not None
    gone = a_store(NODE_A, orders_revision=document.revision, sequence=2)
    await cluster.node.bucket(STORES).put(NODE_A, gone)
    await eventually(is_over, within_s=10)

    async def is_empty() -> bool:
        return await cluster.wishes() == []

    await eventually(is_empty, within_s=10)


async def test_a_wiped_server_is_told_everything_again(cluster: Cluster, nats_server: NatsServer) -> None:
    async def is_back() -> bool:
        try:
            return await cluster.told() == before
        except BusUnavailable:
            return False

    await cluster.order()
    await eventually(cluster.wishes, within_s=10)
    before = await cluster.told()
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()
    await eventually(is_back, within_s=30)

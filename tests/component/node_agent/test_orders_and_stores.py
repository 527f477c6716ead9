"""An agent takes orders from its key of the bucket, and tells what it keeps on every change and when it is asked."""

import random
from collections.abc import AsyncIterator

import pytest

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import CleanStore, FileOrder, FilesState, FileWish, NodeOrders
from roundhouse_common.contracts.registry import CLEAN_STORE, ORDERS
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from tests.support.eventually import eventually, never
from tests.support.fake_host import FakeHost
from tests.support.fake_keeper import FakeKeeper
from tests.support.scheduler_stub import SchedulerStub
from tests.support.tasks import running

NODE = "nod_fake"
SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
KEY = source_key(SOURCE)
ORDER = FileOrder(order_id="ord_1", name="tiny", source=SOURCE)


class Place:
    """A pretended machine with a running agent, and the scheduler that it talks to."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.broker = MemoryBroker(clock)
        self.scheduler = SchedulerStub(MemoryBus(self.broker, Service.SCHEDULER, clock=clock))
        self.keeper = FakeKeeper(clock, files_url="http://127.0.0.1:1")
        self.bus = MemoryBus(self.broker, Service.NODE_AGENT, clock=clock, node_id=NODE)
        self.agent = NodeAgent(
            node_id=NodeId(NODE),
            bus=self.bus,
            host=FakeHost(clock),
            clock=clock,
            ids=SystemIds(),
            rng=random.Random(1),
            options=AgentOptions(store_look_s=0.02, progress_interval_s=0.02),
            keeper=self.keeper,
        )

    async def stands(self, state: FilesState) -> None:
        async def look() -> bool:
            try:
                found = await self.scheduler.files(NODE, SOURCE)
            except BusUnavailable:
                return False
            return found is not None and found.state is state

        await eventually(look)

    async def sequence(self) -> int:
        store = await self.scheduler.store(NODE)
        return store.sequence if store is not None else 0


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    await place.scheduler.start()
    await place.bus.connect()
    async with running(place.agent.run()):
        await eventually(place.sequence)
        yield place
    await place.bus.close()
    await place.scheduler.bus.close()


async def test_orders_are_taken_and_what_is_kept_is_told(place: Place) -> None:
    await place.scheduler.order(NODE, ORDER)
    await place.stands(FilesState.READY)
    store = await place.scheduler.store(NODE)
    assert store is not None
    assert (store.orders_revision, store.files_url, store.files_token) == (1, "http://127.0.0.1:1", "a token")
    assert store.incarnation == place.agent.context.incarnation


async def test_orders_of_a_lower_revision_are_not_taken(place: Place) -> None:
    bucket = place.scheduler.bus.bucket(ORDERS)
    await bucket.put(NODE, NodeOrders(node_id=NODE, revision=5, files=(ORDER,)))
    await place.stands(FilesState.READY)
    await bucket.put(NODE, NodeOrders(node_id=NODE, revision=4))
    await never(lambda: place.keeper.orders is not None and place.keeper.orders.revision != 5)
    await bucket.put(NODE, NodeOrders(node_id=NODE, revision=6))
    await eventually(lambda: place.keeper.orders is not None and place.keeper.orders.revision == 6)
    await place.stands(FilesState.READY)


async def test_orders_of_another_node_are_not_taken(place: Place) -> None:
    await place.scheduler.bus.bucket(ORDERS).put(NODE, NodeOrders(node_id="nod_other", revision=9, files=(ORDER,)))
    await never(lambda: place.keeper.orders is not None)


async def test_progress_is_told_by_signals_and_does_not_rewrite_the_record(place: Place) -> None:
    place.keeper.fetch_s = 1000.0
    await place.scheduler.order(NODE, ORDER)
    await place.stands(FilesState.FETCHING)
    await eventually(lambda: place.scheduler.progress)
    before = await place.sequence()
    place.keeper.progress(KEY, 400)
    await eventually(lambda: place.scheduler.progress[-1].stored_bytes == 400)
    told = place.scheduler.progress[-1]
    assert (told.node_id, told.key, told.total_bytes, told.origin) == (NODE, KEY, 1000, "nowhere")
    await never(lambda: place.agent.context.stores_told != before)


async def test_a_wiped_record_is_written_again_after_a_reconnect(place: Place) -> None:
    await place.scheduler.order(NODE, ORDER)
    await place.stands(FilesState.READY)
    place.broker.stop()
    await eventually(lambda: not place.agent.context.is_store_told, why="it heard that the bus went away")
    place.broker.wipe()
    place.broker.start()
    await place.stands(FilesState.READY)


async def test_a_question_to_clean_up_reaches_the_store(place: Place) -> None:
    query = CleanStore(unused_for_s=60.0)
    answer = await place.scheduler.bus.request(CLEAN_STORE, query, NODE)
    assert place.keeper.cleaned == [query]
    assert answer.freed_bytes == 0


async def test_a_removed_model_is_told_to_be_gone(place: Place) -> None:
    await place.scheduler.order(NODE, ORDER)
    await place.stands(FilesState.READY)
    gone = FileOrder(order_id="ord_1", name="tiny", source=SOURCE, wish=FileWish.REMOVE)
    await place.scheduler.order(NODE, gone)

    async def is_gone() -> bool:
        store = await place.scheduler.store(NODE)
        return store is not None and store.models == () and store.orders_revision == 2

    await eventually(is_gone)

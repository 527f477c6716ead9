"""The stream of events for finance tools, on a real nats-server: read by a program outside, lost and filled again."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from nats.js.client import JetStreamContext
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.permissions import reader_inbox
from roundhouse_common.contracts.registry import FINANCE_STREAM
from roundhouse_common.database import Database
from roundhouse_common.errors import Conflict
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.domain.feed import EventReader, FeedCursor
from roundhouse_metering.store.event_stream import stream_place
from roundhouse_metering.store.feed import feed_since
from roundhouse_metering.store.ledger import enter
from tests.support.eventually import eventually
from tests.support.metering_api import CLOCK
from tests.support.nats import NatsServer
from tests.support.usage import UsageRecords

pytestmark = pytest.mark.contract("F06")
READERS = (EventReader(name="erp"), EventReader(name="north", tenant_id="ten_north"))


@pytest_asyncio.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[NatsBus]:
    seed_file = nats_server.seed_file(Service.METERING)
    made = NatsBus(Service.METERING, url=nats_server.url, seed_file=seed_file, clock=CLOCK)
    await made.connect()
    yield made
    await made.close()


def publisher(db: Database, bus: Any) -> EventStream:
    return EventStream(db, bus, readers=READERS, clock=CLOCK, registry=CollectorRegistry())


async def enter_some(db: Database, records: UsageRecords, count: int, **fields: Any) -> None:
    async with db.write() as session:
        some = [records.next(**fields) for _ in range(count)]
        await enter(session, some, recorded_at=CLOCK.now(), prices=PriceTable())


async def publish_all(stream: EventStream) -> int:
    total = 0
    while published := await stream.step():
        total += published
    return total


class Reader:
    """A finance tool: nats-py as anybody uses it, with the credentials of a reader."""

    def __init__(self, server: NatsServer, name: str) -> None:
        self._server, self._name = server, name
        self._user = server.make_reader(FINANCE_STREAM, name)

    def connected(self) -> Any:  # Any: nats-py's client in a context
        return self._server.client(self._user, inbox_prefix=reader_inbox(self._name))

    async def read(self, *, is_acknowledging: bool = True, most: int = 100) -> list[Any]:
        """Take what waits for the durable consumer."""
        async with self.connected() as client:
            durable = f"reader-{self._name}"
            waiting = await JetStreamContext(client).pull_subscribe_bind(durable, stream="FINANCE")
            found: list[Any] = []
            try:
                while len(found) < most:
                    found += await waiting.fetch(min(10, most - len(found)), timeout=1)
            except TimeoutError:  # nothing waits
                pass
            if is_acknowledging:
                for message in found:
                    await message.ack_sync()
            return found


def ids(first: int, last: int) -> list[str]:
    return [f"req_router-1_{number:06}" for number in range(first, last + 1)]


def told(messages: list[Any]) -> list[str]:
    return [json.loads(message.data)["id"] for message in messages]


async def test_a_finance_tool_reads_every_event_once_and_goes_on_where_it_was(
    ledger_db: Database, bus: NatsBus, nats_server: NatsServer
) -> None:
    records, stream = UsageRecords(), publisher(ledger_db, bus)
    await enter_some(ledger_db, records, 12)
    assert await publish_all(stream) == 12
    reader = Reader(nats_server, "erp")
    first = await reader.read(most=5)
    await enter_some(ledger_db, records, 3)
    assert await publish_all(publisher(ledger_db, bus)) == 3, "another instance goes on where this one was"
    rest = await reader.read()
    assert (told(first), told(rest)) == (ids(1, 5), ids(6, 15))
    assert await reader.read() == []
    message = first[0]
    assert message.subject == "rh.evt.v1.metering.usage.recorded.ten_default"
    event = from_structured_event(
        HTTPMessage(headers={"content-type": message.headers["content-type"]}, body=message.data)
    )
    assert (event.get_id(), message.headers["Nats-Msg-Id"], message.headers["ce-id"]) == (ids(1, 1)[0],) * 3
    assert event.get_type() == message.headers["ce-type"] == "io.roundhouse.usage.request.settled.v1"


async def test_a_reader_of_one_tenant_gets_its_events_only_and_may_do_nothing_else(
    ledger_db: Database, bus: NatsBus, nats_server: NatsServer
) -> None:
    records = UsageRecords()
    await enter_some(ledger_db, records, 2)
    await enter_some(ledger_db, records, 2, tenant_id="ten_north")
    await publish_all(publisher(ledger_db, bus))
    north = Reader(nats_server, "north")
    assert told(await north.read()) == ids(3, 4)
    async with north.connected() as client:
        for subject in (
            "rh.evt.v1.metering.usage.recorded.ten_north",
            "$JS.API.CONSUMER.CREATE.FINANCE.reader-north",
            "$JS.API.CONSUMER.MSG.NEXT.FINANCE.reader-erp",
            "$JS.API.STREAM.MSG.GET.FINANCE",
            "$JS.API.DIRECT.GET.FINANCE",
            "$JS.API.STREAM.PURGE.FINANCE",
            "$JS.ACK.FINANCE.reader-erp.1.1.1.1.1",
        ):
            assert await client.refused(subject), subject
        for subject in ("rh.>", "_INBOX.>", "_INBOX.metering.>", "$JS.>"):
            assert await client.refused_to_listen(subject), subject


async def test_what_is_published_twice_is_stored_once(
    ledger_db: Database, bus: NatsBus, nats_server: NatsServer
) -> None:
    await enter_some(ledger_db, UsageRecords(), 5)
    stream = publisher(ledger_db, bus)
    await publish_all(stream)
    await stream.republish(FeedCursor())
    assert await publish_all(stream) == 5
    assert told(await Reader(nats_server, "erp").read()) == ids(1, 5)


async def test_a_wiped_stream_is_filled_again(ledger_db: Database, bus: NatsBus, nats_server: NatsServer) -> None:
    records, stream = UsageRecords(), publisher(ledger_db, bus)
    await enter_some(ledger_db, records, 5)
    await publish_all(stream)
    nats_server.kill()
    with pytest.raises(BusUnavailable):
        await stream.look()
    nats_server.wipe()
    nats_server.start()
    await eventually(lambda: bus.is_connected, within_s=20)
    await enter_some(ledger_db, records, 1)

    async def is_there_again() -> bool:
        try:
            await stream.look()
        except BusUnavailable:
            return False
        return True

    await eventually(is_there_again, within_s=20)
    assert await publish_all(stream) == 6
    assert told(await Reader(nats_server, "erp").read()) == ids(1, 6)


async def test_without_the_bus_the_place_stays_where_it_is(ledger_db: Database) -> None:
    bus = MemoryBus(MemoryBroker(clock=CLOCK), Service.METERING, clock=CLOCK)
    await bus.connect()
    stream, records = publisher(ledger_db, bus), UsageRecords()
    await enter_some(ledger_db, records, 2)
    assert await stream.step() == 2
    await bus.close()
    await enter_some(ledger_db, records, 2)
    with pytest.raises(BusUnavailable):
        await stream.step()
    async with ledger_db.read() as session:
        place = await stream_place(session)
    assert place is not None
    assert place.cursor == FeedCursor(2, 0, 0)


async def test_a_new_stream_begins_with_what_it_may_keep(ledger_db: Database) -> None:
    records = UsageRecords()
    for recorded_at in (100.0, 200.0, 200.0, 300.0):
        async with ledger_db.write() as session:
            await enter(session, [records.next()], recorded_at=recorded_at, prices=PriceTable())
    async with ledger_db.read() as session:
        found = [(await feed_since(session, at)).entry for at in (0, 100, 101, 200, 201, 300, 301)]
    assert found == [0, 0, 1, 1, 3, 3, 4]


async def test_it_publishes_while_it_runs(ledger_db: Database, bus: NatsBus, nats_server: NatsServer) -> None:
    running = asyncio.create_task(publisher(ledger_db, bus).run())
    await enter_some(ledger_db, UsageRecords(), 300)
    reader = Reader(nats_server, "erp")

    async def is_there() -> bool:
        async with ledger_db.read() as session:
            place = await stream_place(session)
        return place is not None and place.cursor.entry == 300

    await eventually(is_there, within_s=20)
    found = told(await reader.read(most=300))
    running.cancel()
    assert found == ids(1, 300)


async def test_without_readers_nothing_is_published(ledger_db: Database) -> None:
    bus = MemoryBus(MemoryBroker(clock=CLOCK), Service.METERING, clock=CLOCK)
    await bus.connect()
    await enter_some(ledger_db, UsageRecords(), 2)
    stream = EventStream(ledger_db, bus, clock=CLOCK, registry=CollectorRegistry())
    assert await stream.step() == 0
    with pytest.raises(Conflict):
        await stream.republish(FeedCursor())
    await bus.close()

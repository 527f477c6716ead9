"""The outbox: published after commit, in order, and again rather than never."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from sqlalchemy import MetaData

from roundhouse_common import telemetry
from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.contracts.base import Event, Message
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged
from roundhouse_common.contracts.registry import DEPLOYMENT_CHANGED
from roundhouse_common.database import Database, OutboxRelay, enqueue, outbox_table
from roundhouse_common.runtime import SystemClock
from tests.support.databases import database
from tests.support.eventually import eventually

M = TypeVar("M", bound=Message)

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)


class Stream:
    """Stores what is appended; may refuse, or store and then fail as if the process had died before it learned."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.traces: list[str] = []
        self.is_away = False
        self.dies_after: str | None = None

    async def append(self, contract: Event[M], message: M, *ids: str, event_id: str) -> int:
        await asyncio.sleep(0)
        if self.is_away:
            raise BusUnavailable("away")
        assert contract.subject == DEPLOYMENT_CHANGED.subject
        assert isinstance(message, DeploymentChanged)
        assert ids == (message.deployment_id,)
        assert message.event_id == event_id
        self.stored.append(event_id)
        self.traces.append(telemetry.current_trace_id())
        if self.dies_after == event_id:
            raise KilledError
        return len(self.stored)

    @property
    def deduplicated(self) -> list[str]:
        """What a consumer that knows each event id once has taken, in order."""
        return list(dict.fromkeys(self.stored))


class KilledError(Exception):
    """Stands for the end of the process."""


def change(number: int) -> DeploymentChanged:
    return DeploymentChanged(
        event_id=f"evt_{number:04}",
        at=1.0,
        deployment_id="dep_1",
        generation=number,
        change=DeploymentChange.SCALED,
        actor="user:usr_admin",
    )


async def write(db: Database, *numbers: int) -> None:
    async with db.write() as session:
        for number in numbers:
            message = change(number)
            await enqueue(session, DEPLOYMENT_CHANGED, message, message.deployment_id, event_id=message.event_id)


async def write_then_fail(db: Database, number: int) -> None:
    async with db.write() as session:
        await enqueue(session, DEPLOYMENT_CHANGED, change(number), "dep_1", event_id=f"evt_{number:04}")
        raise LookupError


def relay(db: Database, stream: Stream) -> OutboxRelay:
    return OutboxRelay(db, stream, OUTBOX, SystemClock())


@asynccontextmanager
async def running(outbox: OutboxRelay) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_events_are_published_in_the_order_of_their_transactions(database_url: str) -> None:
    stream = Stream()
    async with database(database_url, METADATA) as db:
        for number in range(250):
            await write(db, number)
        assert await relay(db, stream).flush() == 250
    assert stream.stored == [f"evt_{number:04}" for number in range(250)]


async def test_event_of_a_transaction_that_rolled_back_is_never_published(database_url: str) -> None:
    stream = Stream()
    async with database(database_url, METADATA) as db:
        with pytest.raises(LookupError):
            await write_then_fail(db, 1)
        await write(db, 2)
        await relay(db, stream).flush()
    assert stream.stored == ["evt_0002"]


async def test_crash_between_commit_and_publish_only_delays_the_event(database_url: str) -> None:
    stream = Stream()
    async with database(database_url, METADATA) as db:
        await write(db, 1)
    async with Database(database_url, service="test") as db:
        await relay(db, stream).flush()
    assert stream.stored == ["evt_0001"]


async def test_crash_after_publish_sends_again_under_the_same_id(database_url: str) -> None:
    stream = Stream()
    async with database(database_url, METADATA) as db:
        await write(db, 1, 2, 3)
        stream.dies_after = "evt_0002"
        with pytest.raises(KilledError):
            await relay(db, stream).flush()
    stream.dies_after = None
    async with Database(database_url, service="test") as db:
        await relay(db, stream).flush()
        assert await relay(db, stream).pending() == 0
    assert stream.stored == ["evt_0001", "evt_0002", "evt_0002", "evt_0003"]
    assert stream.deduplicated == ["evt_0001", "evt_0002", "evt_0003"]


async def test_two_relays_of_a_service_keep_the_order_and_lose_nothing(database_url: str) -> None:
    stream = Stream()
    async with database(database_url, METADATA) as db, Database(database_url, service="test") as twin:
        await write(db, *range(120))
        await asyncio.gather(relay(db, stream).flush(), relay(twin, stream).flush())
    assert stream.deduplicated == [f"evt_{number:04}" for number in range(120)]


async def test_bus_that_is_away_leaves_everything_in_the_outbox(database_url: str) -> None:
    stream = Stream()
    stream.is_away = True
    async with database(database_url, METADATA) as db:
        await write(db, 1, 2)
        with pytest.raises(BusUnavailable):
            await relay(db, stream).flush()
        assert await relay(db, stream).pending() == 2


async def test_service_that_stops_tells_what_it_decided_or_leaves_it_for_the_next_start(database_url: str) -> None:
    stream = Stream()
    stream.is_away = True
    async with database(database_url, METADATA) as db:
        await write(db, 1, 2)
        await relay(db, stream).flush_before_stop()
        left = await relay(db, stream).pending()
        stream.is_away = False
        await relay(db, stream).flush_before_stop()
    assert left == 2
    assert stream.stored == ["evt_0001", "evt_0002"]


async def test_loop_publishes_when_woken_and_goes_on_when_the_bus_is_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_common.database.outbox._RETRY_S", 0.02)
    stream = Stream()
    async with database(database_url, METADATA) as db:
        outbox = relay(db, stream)
        async with running(outbox):
            await write(db, 1)
            outbox.wake()
            await eventually(lambda: stream.stored == ["evt_0001"])
            stream.is_away = True
            await write(db, 2)
            outbox.wake()
            stream.is_away = False
            await eventually(lambda: stream.stored == ["evt_0001", "evt_0002"])


async def test_trace_of_the_request_goes_with_the_event(database_url: str) -> None:
    stream = Stream()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    async with database(database_url, METADATA) as db:
        with telemetry.attached({"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}):
            await write(db, 1)
        await relay(db, stream).flush()
    assert stream.traces == [trace_id]

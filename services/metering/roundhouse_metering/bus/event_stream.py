"""Publishes the feed on the stream `FINANCE`, from the ledger by a cursor: so it can be lost and made again."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.contracts.base import Event
from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.contracts.generate.subjects import token
from roundhouse_common.contracts.registry import BUDGET_REACHED, COST_CORRECTED, FINANCE_STREAM, USAGE_RECORDED
from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable
from roundhouse_common.errors import Conflict
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.feed import EventReader, EventType, FeedCursor
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.event_stream import put_place, stream_place
from roundhouse_metering.store.feed import ALL_TYPES, FeedEvent, feed_since, read_feed

__all__ = ["EventStream"]

_EVERY_S: Final = 1.0
_AT_ONCE: Final = 256
"""Events that wait for their acknowledgements together."""
_LOOK_EVERY_S: Final = 60.0
"""How often readers' consumers are made sure of, and the stream is looked at: whether it is still the same."""
_CONTRACTS: Final[dict[str, Event[CloudEvent]]] = {
    EventType.USAGE: USAGE_RECORDED,
    EventType.CORRECTION: COST_CORRECTED,
    EventType.BUDGET: BUDGET_REACHED,
}
_log = structlog.get_logger(__name__)


class EventStream:
    """Several instances may run: what two publish at once has the same ids, and the server keeps one of each."""

    def __init__(
        self, db: Database, bus: Bus, *, readers: Sequence[EventReader] = (), clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._db = db
        self._bus = bus
        self._readers = readers
        self._clock = clock
        self._looked_at = float("-inf")
        self._published = Counter(
            "roundhouse_metering_stream_events", "Events published for finance tools.", registry=registry
        )

    async def run(self) -> None:
        """Publish every second; without a pause while there is much."""
        while True:
            published = 0
            try:
                published = await self.step()
            except (BusUnavailable, DatabaseUnavailable, DatabaseBusy) as error:
                self._looked_at = float("-inf")
                _log.warning("event_stream_waits", why=error.message)
            if published < _AT_ONCE:
                await asyncio.sleep(_EVERY_S)

    async def step(self) -> int:
        """Publish some events; return how many. Raises BusUnavailable: then none of them counts as published."""
        if self._clock.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            await self.look()
        async with self._db.read() as session:
            place = await stream_place(session)
            if place is None:
                return 0
            wanted = UsageFilter()
            page = await read_feed(session, place.cursor, wanted=wanted, types=ALL_TYPES, limit=_AT_ONCE)
        if page.following == place.cursor:
            return 0
        await self._publish(page.events)
        async with self._db.write() as session:
            if await stream_place(session) == place:  # else somebody has moved it, or was faster
                await put_place(session, page.following, place.created_at)
        self._published.inc(len(page.events))
        return len(page.events)

    async def look(self) -> None:
        """Make sure of the readers' consumers. A stream that is not the one that was published to is filled again with
        all that it may keep. Without readers nothing is published, and nothing is done."""
        if not self._readers:
            return
        for reader in self._readers:
            ids = ("*",) if not reader.tenant_id else (reader.tenant_id,)
            await self._bus.make_reader(FINANCE_STREAM, reader.name, tuple(_CONTRACTS.values()), *ids)
        created_at = await self._stream_created_at()
        async with self._db.read() as session:
            place = await stream_place(session)
        if place is None or place.created_at != created_at:
            _log.info("event_stream_is_new", created_at=created_at, was=place and place.created_at)
            since = self._clock.now() - FINANCE_STREAM.max_age_s
            async with self._db.read() as session:
                cursor = await feed_since(session, since)
            await self._begin(cursor, created_at)
        self._looked_at = self._clock.monotonic()

    async def republish(self, cursor: FeedCursor) -> None:
        """Publish again what is after a place in the feed, with the same ids. Raises BusUnavailable, and Conflict when
        nothing is published at all."""
        if not self._readers:
            raise Conflict("No program reads the stream: name some in ROUNDHOUSE_METERING_EVENT_READERS first.")
        await self._begin(cursor, await self._stream_created_at())

    async def _stream_created_at(self) -> int:
        return int(await self._bus.stream_created_at(USAGE_RECORDED) * 1_000_000)

    async def _begin(self, cursor: FeedCursor, created_at: int) -> None:
        async with self._db.write() as session:
            await put_place(session, cursor, created_at)

    async def _publish(self, events: Sequence[FeedEvent]) -> None:
        """Publish in order, and wait for all acknowledgements: in one connection what is sent first is stored first."""
        stored = await asyncio.gather(
            *(
                self._bus.append(_CONTRACTS[one.event.type], one.event, _token(one.tenant_id), event_id=one.event.id)
                for one in events
            ),
            return_exceptions=True,  # all have ended before any of them is published again
        )
        for one in stored:
            if isinstance(one, BaseException):
                raise one


def _token(tenant_id: str) -> str:
    """Return the tenant as part of a subject; what routers recorded of no known tenant must not hold up the rest."""
    try:
        return token(tenant_id)
    except ValueError:
        return "_"

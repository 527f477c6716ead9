"""Reading the feed for finance tools: the ledger, corrections and thresholds, each in the order of its commits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, func, select

from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.database import ReadSession
from roundhouse_metering.domain.feed import (
    EventType,
    FeedCursor,
    budget_event,
    correction_event,
    rfc3339,
    usage_event,
)
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.ledger import entries_between
from roundhouse_metering.store.money_tables import budget_thresholds, corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import DROPPED, cursors

__all__ = ["ALL_TYPES", "FeedEvent", "FeedPage", "feed_head", "feed_since", "read_feed"]

ALL_TYPES: Final = (EventType.USAGE, EventType.CORRECTION, EventType.BUDGET)
_WINDOW: Final = 50_000
"""Entries of the ledger that are looked through at once for those of few callers."""
_CORRECTION: Final = (
    *("correction_id", "request_id", "kind", "tenant_id", "project_id", "key_id", "user_id", "admitted_at"),
    *("delta_nano", "was_unpriced", "price_id", "currency", "reason", "made_at", "made_by"),
)

_IS_OF_RECORD: Final = (ledger.c.request_id == corrections.c.request_id) & (
    ledger.c.admitted_at == corrections.c.admitted_at
)
"""The time too: it says in which partition the record is."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event, where a reader is that has it, and whose it is."""

    event: CloudEvent
    cursor: FeedCursor
    tenant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Some events, where to go on, and whether that is the end for now."""

    events: Sequence[FeedEvent]
    following: FeedCursor
    is_end: bool
    has_gap: bool
    """Whether records that a reader at this place does not have were removed by retention."""


async def feed_head(session: ReadSession) -> FeedCursor:
    """Return where the feed ends now."""
    places = (ledger.c.entry, corrections.c.correction_id, budget_thresholds.c.number)
    return FeedCursor(*[await session.scalar(select(func.max(place))) or 0 for place in places])


async def feed_since(session: ReadSession, at: float) -> FeedCursor:
    """Return the cursor after which everything is that came at a time or later."""
    head = await feed_head(session)
    first = select(func.min(corrections.c.correction_id)).where(corrections.c.made_at >= at)
    correction = await session.scalar(first)
    reached = select(func.min(budget_thresholds.c.number)).where(budget_thresholds.c.reached_at >= at)
    threshold = await session.scalar(reached)
    return FeedCursor(
        await _entry_before(session, head.entry, at),
        head.correction if correction is None else correction - 1,
        head.threshold if threshold is None else threshold - 1,
    )


async def read_feed(
    session: ReadSession, after: FeedCursor, *, wanted: UsageFilter, types: Collection[EventType], limit: int
) -> FeedPage:
    """Return up to `limit` events after a cursor. A correction never comes before the request that it is about."""
    head = await feed_head(session)
    dropped = (await cursors(session))[DROPPED]
    found: list[FeedEvent] = []
    entry = max(after.entry, min(head.entry, after.entry + _WINDOW))
    if EventType.USAGE in types:
        lines = await entries_between(session, after.entry, entry, wanted=wanted, limit=limit)
        entry = lines[-1].entry if len(lines) == limit else entry
        for line in lines:
            event = usage_event(
                line.record,
                recorded_at=line.recorded_at,
                cost_nano=line.cost_nano,
                price_id=line.price_id,
                currency=line.currency,
            )
            cursor = FeedCursor(line.entry, after.correction, after.threshold)
            found.append(FeedEvent(event, cursor, line.record.tenant_id))
    at = FeedCursor(entry, after.correction, after.threshold)
    if EventType.CORRECTION in types:
        at, fixes = await _corrections(session, at, head.correction, wanted, limit - len(found))
        found += fixes
    elif entry == head.entry:
        at = FeedCursor(entry, max(after.correction, head.correction), at.threshold)
    if EventType.BUDGET in types:
        at, reached = await _thresholds(session, at, head.threshold, wanted, limit - len(found))
        found += reached
    else:
        at = FeedCursor(at.entry, at.correction, max(at.threshold, head.threshold))
    is_end = at.entry >= head.entry and at.correction >= head.correction and at.threshold >= head.threshold
    return FeedPage(events=found, following=at, is_end=is_end, has_gap=0 < after.entry < dropped)


async def _corrections(
    session: ReadSession, at: FeedCursor, head: int, wanted: UsageFilter, limit: int
) -> tuple[FeedCursor, list[FeedEvent]]:
    """Return corrections of requests that the reader has by now."""
    if limit <= 0 or head <= at.correction:
        return at, []
    ahead = (
        select(func.min(corrections.c.correction_id))
        .join(ledger, _IS_OF_RECORD)
        .where(corrections.c.correction_id > at.correction, ledger.c.entry > at.entry)
    )
    first_ahead = await session.scalar(ahead)
    last = head if first_ahead is None else first_ahead - 1
    place = corrections.c.correction_id
    statement = (
        select(*(corrections.c[name] for name in _CORRECTION))
        .where(place > at.correction, place <= last, *_of_corrections(wanted))
        .order_by(place)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    found = [FeedEvent(_fix(row), FeedCursor(at.entry, row.correction_id, at.threshold), row.tenant_id) for row in rows]
    to = rows[-1].correction_id if len(rows) == limit else last
    return FeedCursor(at.entry, to, at.threshold), found


async def _thresholds(
    session: ReadSession, at: FeedCursor, head: int, wanted: UsageFilter, limit: int
) -> tuple[FeedCursor, list[FeedEvent]]:
    """Return thresholds that budgets have reached; of a filter only the tenant counts."""
    if limit <= 0 or head <= at.threshold:
        return at, []
    place = budget_thresholds.c.number
    conditions = [place > at.threshold, place <= head]
    if wanted.tenant_id is not None:
        conditions.append(budget_thresholds.c.tenant_id == wanted.tenant_id)
    rows = (await session.execute(select(budget_thresholds).where(*conditions).order_by(place).limit(limit))).all()
    found = [
        FeedEvent(budget_event(row.reached), FeedCursor(at.entry, at.correction, row.number), row.tenant_id)
        for row in rows
    ]
    to = rows[-1].number if len(rows) == limit else head
    return FeedCursor(at.entry, at.correction, to), found


def _fix(row: Any) -> CloudEvent:  # Any: a row of corrections
    data = {name: getattr(row, name) for name in _CORRECTION}
    data |= {name: rfc3339(data[name]) for name in ("admitted_at", "made_at")}
    return correction_event(row.correction_id, data, made_at=row.made_at, key_id=row.key_id)


def _of_corrections(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter; what corrections do not know themselves is looked up in the ledger."""
    own = {name: value for name, value in wanted.values.items() if name in corrections.c}
    conditions = [corrections.c[name] == value for name, value in own.items()]
    if wanted.project_ids is not None:
        conditions.append(corrections.c.project_id.in_(sorted(wanted.project_ids)))
    of_record = [_column(ledger, name) == value for name, value in wanted.values.items() if name not in own]
    if of_record:
        conditions.append(select(ledger.c.entry).where(_IS_OF_RECORD, *of_record).exists())
    if wanted.since is not None:
        conditions.append(corrections.c.admitted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(corrections.c.admitted_at < wanted.until)
    return conditions


def _column(table: Table, name: str) -> ColumnElement[Any]:  # Any: the column's own type
    return table.c[name]


async def _entry_before(session: ReadSession, head: int, at: float) -> int:
    """Return the last entry that was recorded before a time: entries are in the order of that time, and no index is."""
    low, high = 0, head  # what is up to `low` came before; what is after `high` did not
    while low < high:
        middle = (low + high) // 2
        following = select(ledger.c.entry, ledger.c.recorded_at).where(ledger.c.entry > middle)
        row = (await session.execute(following.order_by(ledger.c.entry).limit(1))).first()
        if row is None or row.recorded_at >= at:
            high = middle
        else:
            low = row.entry
    return low

"""The ledger: entered once, read in many ways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Row, ScalarSelect, cast, func, select, text, tuple_

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.pricing import Cost, priced
from roundhouse_metering.domain.retention import Kept
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.bulk import add_rows
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.months import known_sequences, make_months
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import FLOOR, cursors, kept

__all__ = ["Entered", "LedgerEntry", "Position", "before_floor", "enter", "entries", "entries_between", "require_kept"]

_FIELDS = UsageRecord.__struct_fields__
_fields = attrgetter(*_FIELDS)
_NAMES = (*_FIELDS, "admitted_minute", "recorded_at", "cost_nano", "price_id", "currency")
_KNOWN_POSTGRES = text(
    "SELECT request_id FROM ledger WHERE request_id = ANY(CAST(:ids AS text[])) "
    "AND admitted_at >= :since AND admitted_at < :until"
)
_AROUND_S = 86_400.0
"""On Postgres an id is looked for in the partitions of its record's time, and of a day before and after it."""
_KNOWN_SQLITE = text("SELECT request_id FROM ledger WHERE request_id IN (SELECT value FROM json_each(:ids))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page of entries begins: after this one."""

    admitted_at: float
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of the ledger."""

    record: UsageRecord
    entry: int
    """Its number, in the order of commits."""
    recorded_at: float
    cost_nano: int | None
    """By the prices of when it was entered; None: unpriced."""
    price_id: str
    currency: str
    correction_nano: int
    """What corrections have added to the cost since."""
    is_corrected: bool

    @property
    def total_nano(self) -> int | None:
        """What it costs now; None: still unpriced."""
        return (
            None if self.cost_nano is None and not self.is_corrected else (self.cost_nano or 0) + self.correction_nano
        )


class Entered(NamedTuple):
    """A record that was not there before, and what it costs."""

    record: UsageRecord
    cost: Cost


async def enter(
    session: WriteSession, records: Sequence[UsageRecord], *, recorded_at: float, prices: PriceTable
) -> list[Entered]:
    """Enter the records that are not there yet, with their costs, and return them.

    Idempotent: what was entered first stays, whoever sends it again.
    """
    first = {record.request_id: record for record in reversed(records)}
    await make_months(session, [record.admitted_at for record in first.values()])
    for known in await _known(session, first):
        del first[known]
    entered = [Entered(record, priced(record, prices)) for record in reversed(first.values())]
    rows = [_values(record, recorded_at, cost) for record, cost in entered]
    await add_rows(session, ledger, _NAMES, rows)
    return entered


async def _known(session: WriteSession, records: Mapping[str, UsageRecord]) -> Iterable[str]:
    """Return which ids the ledger has. Writers are serial: what is not there now is entered by this transaction."""
    if session.dialect == "sqlite":
        return (await session.execute(_KNOWN_SQLITE, {"ids": msgspec.json.encode(list(records)).decode()})).scalars()
    times = [record.admitted_at for record in records.values()]
    around = {"since": min(times, default=0.0) - _AROUND_S, "until": max(times, default=0.0) + _AROUND_S}
    return (await session.execute(_KNOWN_POSTGRES, {"ids": list(records), **around})).scalars()


async def before_floor(
    session: ReadSession, records: Iterable[UsageRecord]
) -> tuple[list[UsageRecord], list[UsageRecord]]:
    """Return those of the records whose month is not kept any more: those that the ledger had, by their routers'
    numbers, and those that it never had. Neither can be entered any more."""
    at = await cursors(session)
    late = [record for record in records if record.admitted_at < at[FLOOR]]
    known = await known_sequences(session, [(record.router_id, record.sequence) for record in late])
    had = [record for record in late if (record.router_id, record.sequence) in known]
    return had, [record for record in late if (record.router_id, record.sequence) not in known]


_CORRECTED: ScalarSelect[int] = (
    select(cast(func.sum(corrections.c.delta_nano), BigInteger))
    .where(corrections.c.request_id == ledger.c.request_id)
    .scalar_subquery()
)
_ENTRIES = select(ledger, _CORRECTED.label("correction_nano"))


async def entries_between(
    session: ReadSession, after: int, last: int, *, wanted: UsageFilter, limit: int
) -> list[LedgerEntry]:
    """Return entries after one, up to another, in the order of commits."""
    place = ledger.c.entry
    statement = select(ledger).where(place > after, place <= last, *_conditions(wanted)).order_by(place).limit(limit)
    return [_entry(row, None) for row in await session.execute(statement)]


async def require_kept(session: ReadSession, since: float | None) -> Kept:
    """Return what is kept. Raises RecordsGone when records are asked for from before that."""
    is_there = kept(await cursors(session))
    is_there.require(since)
    return is_there


async def entries(
    session: ReadSession, wanted: UsageFilter, *, after: Position | None, limit: int, newest_first: bool = False
) -> list[LedgerEntry]:
    """Return a page of entries by admission, the oldest first unless it is asked otherwise. Raises RecordsGone when it
    is asked for what is not kept any more."""
    is_there = await require_kept(session, wanted.since)
    statement = _ENTRIES.where(*_conditions(wanted), ledger.c.admitted_at >= is_there.records)
    if after is not None:
        place = tuple_(ledger.c.admitted_at, ledger.c.request_id)
        last = tuple_(after.admitted_at, after.request_id)
        statement = statement.where(place < last if newest_first else place > last)
    columns = (ledger.c.admitted_at, ledger.c.request_id)
    statement = statement.order_by(*(one.desc() if newest_first else one for one in columns)).limit(limit)
    return [_entry(row, row.correction_nano) for row in await session.execute(statement)]


def _values(record: UsageRecord, recorded_at: float, cost: Cost) -> tuple[object, ...]:
    """Return the columns of `_NAMES`. The values of enums are texts as they are."""
    return (*_fields(record), int(record.admitted_at // 60), recorded_at, cost.cost_nano, cost.price_id, cost.currency)


def _entry(row: Row[Any], correction_nano: int | None) -> LedgerEntry:
    values = {field: getattr(row, field) for field in UsageRecord.__struct_fields__}
    return LedgerEntry(
        record=msgspec.convert(values, UsageRecord),
        entry=row.entry,
        recorded_at=row.recorded_at,
        cost_nano=row.cost_nano,
        price_id=row.price_id,
        currency=row.currency,
        correction_nano=correction_nano or 0,
        is_corrected=correction_nano is not None,
    )


def _conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    conditions = [ledger.c[name] == value for name, value in wanted.values.items()]
    if wanted.project_ids is not None:
        conditions.append(ledger.c.project_id.in_(sorted(wanted.project_ids)))
    if wanted.since is not None:
        conditions.append(ledger.c.admitted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(ledger.c.admitted_at < wanted.until)
    return conditions

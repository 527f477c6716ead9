"""The ledger: entered once, read in many ways."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Row, ScalarSelect, cast, func, select, text, tuple_

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.pricing import Cost, priced
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.bulk import put_rows
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger

__all__ = ["Entered", "LedgerEntry", "Position", "enter", "entries", "entries_after"]

_FIELDS = UsageRecord.__struct_fields__
_fields = attrgetter(*_FIELDS)
_NAMES = (*_FIELDS, "admitted_minute", "recorded_at", "cost_nano", "price_id", "currency")
_KNOWN_POSTGRES = text("SELECT request_id FROM ledger WHERE request_id = ANY(CAST(:ids AS text[]))")
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
    for known in await _known(session, list(first)):
        del first[known]
    entered = [Entered(record, priced(record, prices)) for record in reversed(first.values())]
    rows = [_values(record, recorded_at, cost) for record, cost in entered]
    await put_rows(session, ledger, _NAMES, rows, key=("request_id",))
    return entered


async def _known(session: WriteSession, request_ids: list[str]) -> Iterable[str]:
    """Return which of them the ledger has. Writers are serial: what is not there now is entered by this transaction."""
    if session.dialect == "postgresql":
        return (await session.execute(_KNOWN_POSTGRES, {"ids": request_ids})).scalars()
    return (await session.execute(_KNOWN_SQLITE, {"ids": msgspec.json.encode(request_ids).decode()})).scalars()


_CORRECTED: ScalarSelect[int] = (
    select(cast(func.sum(corrections.c.delta_nano), BigInteger))
    .where(corrections.c.request_id == ledger.c.request_id)
    .scalar_subquery()
)
_ENTRIES = select(ledger, _CORRECTED.label("correction_nano"))


async def entries_after(session: ReadSession, entry: int, *, wanted: UsageFilter, limit: int) -> list[LedgerEntry]:
    """Return entries after one, in the order of commits."""
    statement = _ENTRIES.where(ledger.c.entry > entry, *_conditions(wanted)).order_by(ledger.c.entry).limit(limit)
    return [_entry(row) for row in await session.execute(statement)]


async def entries(
    session: ReadSession, wanted: UsageFilter, *, after: Position | None, limit: int
) -> list[LedgerEntry]:
    """Return a page of entries, the oldest admission first."""
    statement = _ENTRIES.where(*_conditions(wanted))
    if after is not None:
        place = tuple_(ledger.c.admitted_at, ledger.c.request_id)
        statement = statement.where(place > tuple_(after.admitted_at, after.request_id))
    statement = statement.order_by(ledger.c.admitted_at, ledger.c.request_id).limit(limit)
    return [_entry(row) for row in await session.execute(statement)]


def _values(record: UsageRecord, recorded_at: float, cost: Cost) -> tuple[object, ...]:
    """Return the columns of `_NAMES`. The values of enums are texts as they are."""
    return (*_fields(record), int(record.admitted_at // 60), recorded_at, cost.cost_nano, cost.price_id, cost.currency)


def _entry(row: Row[Any]) -> LedgerEntry:
    values = {field: getattr(row, field) for field in UsageRecord.__struct_fields__}
    return LedgerEntry(
        record=msgspec.convert(values, UsageRecord),
        entry=row.entry,
        recorded_at=row.recorded_at,
        cost_nano=row.cost_nano,
        price_id=row.price_id,
        currency=row.currency,
        correction_nano=row.correction_nano or 0,
        is_corrected=row.correction_nano is not None,
    )


def _conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    conditions = [ledger.c[name] == value for name, value in wanted.values.items()]
    if wanted.since is not None:
        conditions.append(ledger.c.admitted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(ledger.c.admitted_at < wanted.until)
    return conditions

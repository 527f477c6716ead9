"""The ledger: entered once, read in many ways."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Row, Select, func, literal_column, select, text, tuple_

from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.pricing import Cost, priced
from roundhouse_metering.domain.reconciliation import RouterLedger
from roundhouse_metering.domain.usage import Dimension, Figures, UsageFilter, UsageQuery, UsageRow, most_rows
from roundhouse_metering.store.bulk import put_rows
from roundhouse_metering.store.tables import ledger

__all__ = ["Entered", "LedgerEntry", "Position", "enter", "entries", "routers", "usage"]

_DIMENSIONS = {
    Dimension.MODEL: ledger.c.model_requested,
    Dimension.KEY: ledger.c.key_id,
    Dimension.USER: ledger.c.user_id,
    Dimension.DEPLOYMENT: ledger.c.deployment_id,
}
_FIELDS = UsageRecord.__struct_fields__
_fields = attrgetter(*_FIELDS)
_NAMES = (*_FIELDS, "admitted_minute", "recorded_at", "cost_nano", "price_id", "currency")
_KNOWN_POSTGRES = text("SELECT request_id FROM ledger WHERE request_id = ANY(CAST(:ids AS text[]))")
_KNOWN_SQLITE = text("SELECT request_id FROM ledger WHERE request_id IN (SELECT value FROM json_each(:ids))")
_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page of entries begins: after this one."""

    admitted_at: float
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of the ledger."""

    record: UsageRecord
    recorded_at: float


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


async def usage(session: ReadSession, query: UsageQuery) -> list[UsageRow]:
    """Return the figures by dimension and bucket, in that order; one row more than `most_rows` at the most."""
    value = _DIMENSIONS[query.by].label("value")
    start = _bucket_start(query).label("bucket_start")
    statement = (
        select(value, start, *_figures())
        .where(*_conditions(query.filter))
        .group_by(text("bucket_start"), value)
        .order_by(text("bucket_start"), value)
        .limit(most_rows + 1)
    )
    return [_usage_row(row, has_buckets=query.bucket is not None) for row in await session.execute(statement)]


async def entries(
    session: ReadSession, wanted: UsageFilter, *, after: Position | None, limit: int
) -> list[LedgerEntry]:
    """Return a page of entries, the oldest admission first."""
    statement = select(ledger).where(*_conditions(wanted))
    if after is not None:
        place = tuple_(ledger.c.admitted_at, ledger.c.request_id)
        statement = statement.where(place > tuple_(after.admitted_at, after.request_id))
    statement = statement.order_by(ledger.c.admitted_at, ledger.c.request_id).limit(limit)
    return [_entry(row) for row in await session.execute(statement)]


async def routers(session: ReadSession) -> list[RouterLedger]:
    """Return what the ledger holds of each router, over all tenants."""
    statement: Select[Any] = select(
        ledger.c.router_id,
        func.max(ledger.c.sequence).label("highest_sequence"),
        func.count(ledger.c.sequence.distinct()).label("distinct_sequences"),
        *_outcome_counts(),
    ).group_by(ledger.c.router_id)
    return [RouterLedger(**row._mapping) for row in await session.execute(statement)]


def _values(record: UsageRecord, recorded_at: float, cost: Cost) -> tuple[object, ...]:
    """Return the columns of `_NAMES`. The values of enums are texts as they are."""
    return (*_fields(record), int(record.admitted_at // 60), recorded_at, cost.cost_nano, cost.price_id, cost.currency)


def _entry(row: Row[Any]) -> LedgerEntry:
    values = {field: getattr(row, field) for field in UsageRecord.__struct_fields__}
    return LedgerEntry(record=msgspec.convert(values, UsageRecord), recorded_at=row.recorded_at)


def _conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    equal = {
        ledger.c.key_id: wanted.key_id,
        ledger.c.model_requested: wanted.model,
        ledger.c.user_id: wanted.user_id,
        ledger.c.deployment_id: wanted.deployment_id,
    }
    conditions = [ledger.c.tenant_id == wanted.tenant_id]
    conditions += [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        conditions.append(ledger.c.admitted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(ledger.c.admitted_at < wanted.until)
    return conditions


def _bucket_start(query: UsageQuery) -> ColumnElement[Any]:
    if query.bucket is None:
        return literal_column("0")
    # A literal: as a bound value it would not be the same expression in SELECT and GROUP BY.
    minutes: ColumnElement[int] = literal_column(str(query.bucket.minutes))
    return ledger.c.admitted_minute // minutes * minutes * literal_column("60")


def _outcome_counts() -> list[ColumnElement[int]]:
    known = (Outcome.COMPLETED, Outcome.FAILED, Outcome.ABORTED)
    return [func.count().filter(ledger.c.outcome == str(outcome)).label(str(outcome)) for outcome in known]


def _figures() -> list[ColumnElement[int]]:
    tokens = [func.sum(ledger.c[name]).label(name) for name in _TOKENS]
    return [func.count().label("requests"), *_outcome_counts(), *tokens]


def _usage_row(row: Row[Any], *, has_buckets: bool) -> UsageRow:
    figures = Figures(**{name: int(row._mapping[name]) for name in Figures.__dataclass_fields__})
    return UsageRow(value=row.value, bucket_start=float(row.bucket_start) if has_buckets else None, figures=figures)

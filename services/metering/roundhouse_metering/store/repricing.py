"""Corrections of costs, and what has none. A record costs what the ledger says plus its corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, exists, func, insert, select, tuple_

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_metering.domain.repricing import Correction, PricedRecord
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import cursors, kept

__all__ = ["Unpriced", "insert_corrections", "priced_page", "records_named", "unpriced_groups"]

_GROUP = (ledger.c.model_served, ledger.c.provider_id, ledger.c.deployment_id, ledger.c.operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Records of one kind without a cost."""

    model_served: str
    provider_id: str
    deployment_id: str
    operation: str
    records: int
    first_at: float
    last_at: float
    request_id: str
    """One of them."""


async def priced_page(
    session: ReadSession, tenant_id: str, *, since: float, until: float, after: tuple[float, int] | None, limit: int
) -> list[PricedRecord]:
    """Return records of a tenant with what they cost now, the oldest admission first. Raises RecordsGone."""
    kept(await cursors(session)).require(since)
    conditions = [ledger.c.tenant_id == tenant_id, ledger.c.admitted_at >= since, ledger.c.admitted_at < until]
    if after is not None:
        conditions.append(tuple_(ledger.c.admitted_at, ledger.c.entry) > tuple_(*after))
    statement = select(ledger).where(*conditions).order_by(ledger.c.admitted_at, ledger.c.entry).limit(limit)
    rows = (await session.execute(statement)).all()
    corrected = await _corrected(session, [row.request_id for row in rows])
    found = []
    for row in rows:
        delta = corrected.get(row.request_id)
        cost = row.cost_nano if delta is None else (row.cost_nano or 0) + delta
        found.append(PricedRecord(record=_record(row), entry=row.entry, cost_nano=cost))
    return found


async def insert_corrections(session: WriteSession, made: Sequence[Correction], *, now: float, actor: str) -> None:
    """Put corrections in. They are never changed."""
    if made:
        await session.execute(insert(corrections), [_values(one, now, actor) for one in made])


async def unpriced_groups(session: ReadSession, tenant_id: str, *, since: float, until: float) -> list[Unpriced]:
    """Return which records have no cost, by what they were for; the most frequent first."""
    is_corrected = exists().where(corrections.c.request_id == ledger.c.request_id, corrections.c.was_unpriced)
    conditions: list[ColumnElement[bool]] = [
        ledger.c.tenant_id == tenant_id,
        ledger.c.cost_nano.is_(None),
        ledger.c.admitted_at >= since,
        ledger.c.admitted_at < until,
        ~is_corrected,
    ]
    count = func.count().label("records")
    statement = (
        select(
            *_GROUP,
            count,
            func.min(ledger.c.admitted_at).label("first_at"),
            func.max(ledger.c.admitted_at).label("last_at"),
            func.max(ledger.c.request_id).label("request_id"),
        )
        .where(*conditions)
        .group_by(*_GROUP)
        .order_by(count.desc(), *_GROUP)
        .limit(200)
    )
    return [Unpriced(**row._mapping) for row in await session.execute(statement)]


async def records_named(session: ReadSession, tenant_id: str, request_ids: Sequence[str]) -> Mapping[str, UsageRecord]:
    """Return those records of a tenant that are there, by id."""
    wanted = select(ledger).where(ledger.c.tenant_id == tenant_id, ledger.c.request_id.in_(request_ids))
    return {row.request_id: _record(row) for row in await session.execute(wanted)} if request_ids else {}


def _record(row: Row[Any]) -> UsageRecord:  # Any: a row of the ledger
    return msgspec.convert({field: getattr(row, field) for field in UsageRecord.__struct_fields__}, UsageRecord)


async def _corrected(session: ReadSession, request_ids: Sequence[str]) -> Mapping[str, int]:
    statement = (
        select(corrections.c.request_id, func.sum(corrections.c.delta_nano))
        .where(corrections.c.request_id.in_(request_ids))
        .group_by(corrections.c.request_id)
    )
    return {request_id: int(delta) for request_id, delta in await session.execute(statement)}


def _values(one: Correction, now: float, actor: str) -> dict[str, Any]:
    record = one.record
    return {
        "request_id": record.request_id,
        "kind": "reprice",
        "delta_nano": one.delta_nano,
        "was_unpriced": one.was_unpriced,
        "price_id": one.price_id,
        "currency": one.currency,
        "reason": one.reason,
        "made_at": now,
        "made_by": actor,
        "tenant_id": record.tenant_id,
        "project_id": record.project_id,
        "key_id": record.key_id,
        "user_id": record.user_id,
        "admitted_at": record.admitted_at,
    }

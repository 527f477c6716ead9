"""The ledger of what replicas held: a row for every transition, chained by replica."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Double, Row, and_, case, cast, func, literal, or_, select

from roundhouse_common.auth import Reach
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.spans import By, HeldFigures, HeldQuery, HeldRow, Span, chained
from roundhouse_metering.store.tables import replica_spans

__all__ = ["enter_spans", "has_replicas", "held", "most_rows", "most_spans", "spans_held", "spans_of"]

most_rows = 10_000
"""More rows than this are refused, not cut off."""
most_spans = 100_000
"""The same for single spans."""
_COLUMNS = tuple(replica_spans.c[name] for name in Span.__dataclass_fields__)
_KEYS = {
    By.DEPLOYMENT: replica_spans.c.deployment_id,
    By.VERSION: replica_spans.c.version_id,
    By.REPLICA: replica_spans.c.replica_id,
    By.NODE: replica_spans.c.node_id,
    By.PROJECT: replica_spans.c.project_id,
}


async def enter_spans(session: WriteSession, spans: Iterable[Span]) -> int:
    """Enter what is not there yet, each in its place in time, and return how many there were.

    Idempotent, and the same whatever order they come in: a span that comes late takes over the rest of the one
    before it.
    """
    rows = {span.event_id: asdict(span) for span in spans}
    if not rows:
        return 0
    statement = upsert(session.dialect, replica_spans, key=["event_id"]).returning(
        replica_spans.c.replica_id, replica_spans.c.began_at
    )
    earliest: dict[str, float] = {}
    entered = 0
    for replica_id, began_at in await session.execute(statement, list(rows.values())):
        earliest[replica_id] = min(began_at, earliest.get(replica_id, began_at))
        entered += 1
    for replica_id, began_at in earliest.items():
        await _chain(session, replica_id, began_at)
    return entered


async def spans_of(session: ReadSession, replica_id: str) -> list[Span]:
    """Return everything known of a replica, in the order of time."""
    return await _select(session, replica_spans.c.replica_id == replica_id)


async def has_replicas(session: ReadSession, reach: Reach, deployment_id: str) -> bool:
    """Whether a deployment within reach ever had a replica."""
    mine = (replica_spans.c.tenant_id == reach.tenant_id) & (replica_spans.c.deployment_id == deployment_id)
    if reach.project_ids is not None:
        mine &= replica_spans.c.project_id.in_(sorted(reach.project_ids))
    return await session.scalar(select(replica_spans.c.event_id).where(mine).limit(1)) is not None


async def held(session: ReadSession, query: HeldQuery) -> list[HeldRow]:
    """Return the sums in the order of their keys; one row more than `most_rows` at the most."""
    spans = replica_spans.c
    key = _KEYS[query.by].label("key")
    until, since = literal(query.until, Double), literal(query.since, Double)
    is_open = or_(spans.ended_at.is_(None), spans.ended_at >= query.until)
    end = case((is_open, until), else_=spans.ended_at)
    start = case((spans.began_at > query.since, spans.began_at), else_=since)
    seconds = end - start
    has_deployment = query.by not in (By.NODE, By.PROJECT)
    has_version = query.by in (By.VERSION, By.REPLICA)
    statement = (
        select(
            key,
            func.min(spans.deployment_id).label("deployment_id"),
            func.max(spans.version_number).label("version_number"),
            func.count(spans.replica_id.distinct()).label("replicas"),
            func.count(case((is_open, spans.replica_id)).distinct()).label("replicas_now"),
            func.sum(seconds).label("held_s"),
            func.sum(case((spans.is_serving, seconds), else_=literal(0.0, Double))).label("serving_s"),
            func.sum(seconds * spans.device_count).label("device_s"),
            func.sum(seconds * cast(spans.cpu_millis, Double) / 1000).label("cpu_core_s"),
            func.sum(seconds * cast(spans.memory_bytes, Double)).label("memory_byte_s"),
        )
        .where(*_conditions(query))
        .group_by(key)
        .order_by(key)
        .limit(most_rows + 1)
    )
    rows = await session.execute(statement)
    return [_held_row(row, has_deployment=has_deployment, has_version=has_version) for row in rows]


async def spans_held(session: ReadSession, query: HeldQuery) -> list[Span]:
    """Return the spans that hold something in the time; one more than `most_spans` at the most."""
    order = (replica_spans.c.began_at, replica_spans.c.event_id)
    statement = select(*_COLUMNS).where(*_conditions(query)).order_by(*order).limit(most_spans + 1)
    return [Span(**row._mapping) for row in await session.execute(statement)]


async def _chain(session: WriteSession, replica_id: str, began_at: float) -> None:
    """End every span from the last one before `began_at` on where its next one begins."""
    spans = replica_spans.c
    before = (
        select(func.max(spans.began_at))
        .where(spans.replica_id == replica_id, spans.began_at < began_at)
        .scalar_subquery()
    )
    is_late = spans.began_at >= func.coalesce(before, literal(began_at, Double))
    found = await _select(session, spans.replica_id == replica_id, or_(is_late, spans.phase == Phase.STOPPED.value))
    known = {span.event_id: span for span in found}
    changed = [asdict(span) for span in chained(found) if span != known[span.event_id]]
    if changed:
        await session.execute(upsert(session.dialect, replica_spans, key=["event_id"], update=["ended_at"]), changed)


def _conditions(query: HeldQuery) -> list[ColumnElement[bool]]:
    spans = replica_spans.c
    conditions = [
        spans.tenant_id == query.tenant_id,
        spans.is_holding,
        spans.began_at < query.until,
        or_(spans.ended_at.is_(None), spans.ended_at > query.since),
    ]
    if query.deployment_id is not None:
        conditions.append(spans.deployment_id == query.deployment_id)
    if query.project_ids is not None:
        conditions.append(spans.project_id.in_(sorted(query.project_ids)))
    return [and_(*conditions)]


async def _select(session: ReadSession, *conditions: ColumnElement[bool]) -> list[Span]:
    order = (replica_spans.c.began_at, replica_spans.c.event_id)
    found = await session.execute(select(*_COLUMNS).where(*conditions).order_by(*order))
    return [Span(**row._mapping) for row in found]


def _held_row(row: Row[Any], *, has_deployment: bool, has_version: bool) -> HeldRow:
    return HeldRow(
        key=row.key,
        deployment_id=row.deployment_id if has_deployment else "",
        version_number=row.version_number if has_version else None,
        replicas=row.replicas,
        replicas_now=row.replicas_now,
        figures=HeldFigures(**{name: float(row._mapping[name]) for name in HeldFigures.__dataclass_fields__}),
    )

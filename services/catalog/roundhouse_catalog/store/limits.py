"""Limits in SQL. Deleted ones stay as tombstones: routers never take absence for an order."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.limits import Limit
from roundhouse_catalog.store import tables
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = ["all_limits", "find_limit", "insert_limit", "list_limits", "living_limits", "update_limit"]

_L = tables.limits.c


async def list_limits(
    session: ReadSession, tenant_ids: Collection[str], *, limit: int, after: str = "", name: str | None = None
) -> list[Limit]:
    """Return limits, not deleted ones, in the order of their creation, beginning after the id `after`."""
    query = select(tables.limits).where(_L.tenant_id.in_(tenant_ids), _L.is_deleted.is_(False), _L.id > after)
    if name is not None:
        query = query.where(_L.name == name)
    return [_limit(row) for row in await session.execute(query.order_by(_L.id).limit(limit))]


async def all_limits(session: ReadSession) -> list[Limit]:
    """Return the limits of every tenant, tombstones too: what routers must know."""
    return [_limit(row) for row in await session.execute(select(tables.limits))]


async def living_limits(session: ReadSession, tenant_ids: Collection[str]) -> list[Limit]:
    """Return every limit of these tenants that is not deleted, the oldest first."""
    query = select(tables.limits).where(_L.tenant_id.in_(tenant_ids), _L.is_deleted.is_(False))
    return [_limit(row) for row in await session.execute(query.order_by(_L.id))]


async def find_limit(session: ReadSession, tenant_ids: Collection[str], limit_id: str) -> Limit | None:
    """Return the limit unless it is deleted."""
    query = select(tables.limits).where(_L.tenant_id.in_(tenant_ids), _L.id == limit_id, _L.is_deleted.is_(False))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _limit(row)


async def insert_limit(session: WriteSession, limit: Limit) -> None:
    """Add a limit whose name is free."""
    await session.execute(insert(tables.limits).values(id=limit.limit_id, **_columns(limit)))


async def update_limit(session: WriteSession, limit: Limit) -> None:
    """Write a limit that was read in the same transaction."""
    await session.execute(update(tables.limits).where(_L.id == limit.limit_id).values(**_columns(limit)))


def _columns(limit: Limit) -> dict[str, object]:
    return {
        "tenant_id": limit.tenant_id,
        "name": limit.name,
        "per": limit.per,
        "tenant_ids": limit.tenant_ids,
        "user_ids": limit.user_ids,
        "key_ids": limit.key_ids,
        "route_ids": limit.route_ids,
        "bounds": limit.bounds,
        "generation": limit.generation,
        "created_at": limit.created_at,
        "created_by": limit.created_by,
        "updated_at": limit.updated_at,
        "updated_by": limit.updated_by,
        "is_deleted": limit.is_deleted,
    }


def _limit(row: Row[Any]) -> Limit:  # Any: a row of `limits`
    return Limit(
        limit_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        per=row.per,
        tenant_ids=row.tenant_ids,
        user_ids=row.user_ids,
        key_ids=row.key_ids,
        route_ids=row.route_ids,
        bounds=row.bounds,
        generation=row.generation,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        updated_at=UnixTime(row.updated_at),
        updated_by=row.updated_by,
        is_deleted=row.is_deleted,
    )

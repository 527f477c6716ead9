"""Routes in SQL. Deleted ones stay as tombstones: routers never take absence for an order."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.store import tables
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "all_routes",
    "find_own_route",
    "find_route",
    "find_route_named",
    "insert_route",
    "list_routes",
    "living_routes",
    "update_route",
]

_R = tables.routes.c


async def list_routes(
    session: ReadSession, tenant_ids: Collection[str], *, limit: int, after: str = "", name: str | None = None
) -> list[Route]:
    """Return routes, not deleted ones, in the order of their creation, beginning after the id `after`."""
    query = select(tables.routes).where(_R.tenant_id.in_(tenant_ids), _R.is_deleted.is_(False), _R.id > after)
    if name is not None:
        query = query.where(_R.name == name)
    return [_route(row) for row in await session.execute(query.order_by(_R.id).limit(limit))]


async def all_routes(session: ReadSession) -> list[Route]:
    """Return the routes of every tenant, tombstones too: what routers must know."""
    return [_route(row) for row in await session.execute(select(tables.routes))]


async def living_routes(session: ReadSession, tenant_ids: Collection[str] | None = None) -> list[Route]:
    """Return every route of these tenants, or of all, that is not deleted, the oldest first."""
    query = select(tables.routes).where(_R.is_deleted.is_(False))
    if tenant_ids is not None:
        query = query.where(_R.tenant_id.in_(tenant_ids))
    return [_route(row) for row in await session.execute(query.order_by(_R.id))]


async def find_route(session: ReadSession, tenant_ids: Collection[str], route_id: str) -> Route | None:
    """Return the route unless it is deleted."""
    query = select(tables.routes).where(_R.tenant_id.in_(tenant_ids), _R.id == route_id, _R.is_deleted.is_(False))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _route(row)


async def find_route_named(session: ReadSession, tenant_id: str, name: str) -> Route | None:
    """Return the route with exactly this name unless it is deleted."""
    found = await list_routes(session, [tenant_id], limit=1, name=name)
    return found[0] if found else None


async def find_own_route(session: ReadSession, deployment_id: str) -> Route | None:
    """Return the route that a deployment came with, deleted or not."""
    row = (await session.execute(select(tables.routes).where(_R.deployment_id == deployment_id))).one_or_none()
    return None if row is None else _route(row)


async def insert_route(session: WriteSession, route: Route) -> None:
    """Add a route whose name is free."""
    await session.execute(insert(tables.routes).values(id=route.route_id, **_columns(route)))


async def update_route(session: WriteSession, route: Route) -> None:
    """Write a route that was read in the same transaction."""
    await session.execute(update(tables.routes).where(_R.id == route.route_id).values(**_columns(route)))


def _columns(route: Route) -> dict[str, object]:
    return {
        "tenant_id": route.tenant_id,
        "name": route.name,
        "deployment_id": route.deployment_id or None,
        "model_kind": route.model_kind.value,
        "targets": route.targets,
        "alias_of": route.alias_of,
        "settings": route.settings,
        "generation": route.generation,
        "created_at": route.created_at,
        "created_by": route.created_by,
        "updated_at": route.updated_at,
        "updated_by": route.updated_by,
        "is_deleted": route.is_deleted,
    }


def _route(row: Row[Any]) -> Route:  # Any: a row of `routes`
    # A catalog of the release before, while it is replaced, writes rows without targets.
    own = (RouteTarget(deployment_id=row.deployment_id),) if row.deployment_id else ()
    return Route(
        route_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        deployment_id=row.deployment_id or "",
        model_kind=ModelKind(row.model_kind),
        targets=row.targets or own,
        alias_of=row.alias_of,
        settings=row.settings,
        generation=row.generation,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        updated_at=UnixTime(row.updated_at),
        updated_by=row.updated_by,
        is_deleted=row.is_deleted,
    )

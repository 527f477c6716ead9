"""`/api/v1/routes`: the names that clients send as `model`. Every change is in force within a second or so."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.key_access import require_open
from roundhouse_catalog.api.knowing import known_to, require_owner, seen_by
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.api.route_schemas import RouteChanges, RouteToCreate, RouteView
from roundhouse_catalog.domain.errors import RouteNotFound
from roundhouse_catalog.domain.route_changes import Change, create_route, delete_route, revise_route
from roundhouse_catalog.domain.route_drafts import patched
from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.store import routes as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.routing import PLATFORM

__all__ = ["Reader", "change_by", "router"]

router = APIRouter(prefix="/api/v1/routes", tags=["routes"])
Reader = Annotated[Subject, Depends(requires("routes:read"))]
Writer = Annotated[Subject, Depends(requires("routes:write"))]


@router.post("", status_code=201, response_model=RouteView, responses=CONFLICT)
async def add_route(body: RouteToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a route. A deployment has one of its own name by itself."""
    require_open(subject, body.access)
    draft = body.draft()
    owner = PLATFORM if draft.is_platform else subject.tenant_id
    require_owner(subject, owner)

    async def work(session: WriteSession) -> Response:
        route = create_route(
            draft,
            await known_to(session, owner, draft),
            route_id=catalog.ids.new("rte"),
            tenant_id=subject.tenant_id,
            change=change_by(catalog, subject),
        )
        await store.insert_route(session, route)
        await catalog.audit.enter(session, after=RouteView.of(route), tenant_id=owner)
        session.after_commit(catalog.wake)
        return _shown(route, 201, {"location": f"{router.prefix}/{route.route_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_routes(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only routes with exactly this name.")] = None,
) -> Page[RouteView]:
    """List routes in the order of their creation; with `platform:admin` those of the platform too."""
    async with catalog.db.read() as session:
        rows = await store.list_routes(
            session, seen_by(subject), limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda route: route.route_id, item=RouteView.of)


@router.get("/{route_id}", response_model=RouteView, responses=MISSING)
async def show_route(route_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one route."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, route_id))


@router.patch("/{route_id}", response_model=RouteView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_route(
    route_id: str, body: RouteChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a route. Requests under way go on as they began."""
    require_open(subject, body.access)
    patch = body.patch()
    async with catalog.db.write() as session:
        route = await _found(session, subject, route_id)
        require_if_match(if_match, route.generation)
        known = await known_to(session, route.tenant_id, patched(route, patch))
        revised = revise_route(route, patch, known, change=change_by(catalog, subject))
        if revised is not route:
            await store.update_route(session, revised)
            session.after_commit(catalog.wake)
        was, now = RouteView.of(route), RouteView.of(revised)
        await catalog.audit.enter(session, before=was, after=now, tenant_id=route.tenant_id)
    return _shown(revised)


@router.delete("/{route_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_route(route_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a route that no other names as its alias or fallback."""
    async with catalog.db.write() as session:
        route = await _found(session, subject, route_id)
        if if_match is not None:
            require_if_match(if_match, route.generation)
        deleted = delete_route(route, await known_to(session, route.tenant_id), change=change_by(catalog, subject))
        await store.update_route(session, deleted)
        await catalog.audit.enter(session, before=RouteView.of(route), tenant_id=route.tenant_id)
        session.after_commit(catalog.wake)


async def _found(session: ReadSession, subject: Subject, route_id: str) -> Route:
    """Return the route. Raises RouteNotFound."""
    route = await store.find_route(session, seen_by(subject), route_id)
    if route is None:
        raise RouteNotFound(route_id)
    return route


def change_by(catalog: Catalog, subject: Subject) -> Change:
    """Return who changes something now."""
    return Change(at=catalog.clock.now(), actor=subject.actor)


def _shown(route: Route, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(RouteView.of(route), status, {**(headers or {}), **tagged(route.generation)})

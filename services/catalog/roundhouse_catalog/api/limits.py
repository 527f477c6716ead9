"""`/api/v1/limits`: bounds on what requests may use. Every change is in force within a second or so."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.knowing import members_of, require_owner, seen_by
from roundhouse_catalog.api.limit_schemas import LimitChanges, LimitToCreate, LimitView
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.errors import LimitNotFound, NameTaken
from roundhouse_catalog.domain.limits import Limit, create_limit, delete_limit, revise_limit
from roundhouse_catalog.store import limits as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.routing import PLATFORM

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])
Reader = Annotated[Subject, Depends(requires("limits:read"))]
Writer = Annotated[Subject, Depends(requires("limits:write"))]


@router.post("", status_code=201, response_model=LimitView, responses=CONFLICT)
async def add_limit(body: LimitToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a limit."""
    draft = body.draft()
    owner = PLATFORM if draft.is_platform else subject.tenant_id
    require_owner(subject, owner)

    async def work(session: WriteSession) -> Response:
        limit = create_limit(
            draft,
            await members_of(session, owner, draft),
            limit_id=catalog.ids.new("lim"),
            tenant_id=subject.tenant_id,
            now=catalog.clock.now(),
            actor=subject.actor,
        )
        await _require_free(session, limit)
        await store.insert_limit(session, limit)
        await catalog.audit.enter(session, after=LimitView.of(limit), tenant_id=limit.tenant_id)
        session.after_commit(catalog.wake)
        return _shown(limit, 201, {"location": f"{router.prefix}/{limit.limit_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_limits(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only limits with this name.")] = None,
) -> Page[LimitView]:
    """List limits in the order of their creation; with `platform:admin` those of the platform too."""
    async with catalog.db.read() as session:
        rows = await store.list_limits(
            session, seen_by(subject), limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda limit: limit.limit_id, item=LimitView.of)


@router.get("/{limit_id}", response_model=LimitView, responses=MISSING)
async def show_limit(limit_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one limit."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, limit_id))


@router.patch("/{limit_id}", response_model=LimitView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_limit(
    limit_id: str, body: LimitChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a limit. What was used so far still counts."""
    patch = body.patch()
    async with catalog.db.write() as session:
        limit = await _found(session, subject, limit_id)
        require_if_match(if_match, limit.generation)
        members = await members_of(session, limit.tenant_id, patch)
        revised = revise_limit(limit, patch, members, now=catalog.clock.now(), actor=subject.actor)
        if revised is not limit:
            await _require_free(session, revised)
            await store.update_limit(session, revised)
            session.after_commit(catalog.wake)
        was, now = LimitView.of(limit), LimitView.of(revised)
        await catalog.audit.enter(session, before=was, after=now, tenant_id=limit.tenant_id)
    return _shown(revised)


@router.delete("/{limit_id}", status_code=204, responses={**MISSING, **PRECONDITIONS})
async def remove_limit(limit_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a limit."""
    async with catalog.db.write() as session:
        limit = await _found(session, subject, limit_id)
        if if_match is not None:
            require_if_match(if_match, limit.generation)
        await store.update_limit(session, delete_limit(limit, now=catalog.clock.now(), actor=subject.actor))
        await catalog.audit.enter(session, before=LimitView.of(limit), tenant_id=limit.tenant_id)
        session.after_commit(catalog.wake)


async def _found(session: ReadSession, subject: Subject, limit_id: str) -> Limit:
    """Return the limit. Raises LimitNotFound."""
    limit = await store.find_limit(session, seen_by(subject), limit_id)
    if limit is None:
        raise LimitNotFound(limit_id)
    return limit


async def _require_free(session: ReadSession, limit: Limit) -> None:
    """Raise NameTaken when another limit has the name. Writers are serial: it stays free until this one ends."""
    others = await store.list_limits(session, [limit.tenant_id], limit=2, name=limit.name)
    if any(one.limit_id != limit.limit_id for one in others):
        raise NameTaken("limit", limit.name)


def _shown(limit: Limit, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(LimitView.of(limit), status, {**(headers or {}), **tagged(limit.generation)})

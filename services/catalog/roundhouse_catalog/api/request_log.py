"""`/api/v1/request-log`: what routers logged of the requests of the caller's tenant. Who reads it is in the audit."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from roundhouse_catalog.api.context import Catalog, CatalogHere, Paging
from roundhouse_catalog.api.request_log_schemas import LoggedRequestView, LogPageView, RouterAnsweredView
from roundhouse_catalog.api.responses import MISSING, ROUTERS_AWAY
from roundhouse_catalog.domain.errors import LoggedRequestNotFound
from roundhouse_catalog.domain.request_logs import LogLevel, capped, level_of, minted_at, page_of_parts
from roundhouse_catalog.domain.tenants import tenant_record
from roundhouse_catalog.store.projects import find_tenant
from roundhouse_common.auth import Subject
from roundhouse_common.contracts.request_log import LoggedRequest, ReadRequestLog
from roundhouse_common.http import Moment, cursor_for, moment_of, requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/request-log", tags=["request log"])
Reader = Annotated[Subject, Depends(requires("requests:read"))]
_SEARCH_S: Final = 15.0
_LONGEST_S: Final = 86_400.0
"""A request is over a day after it was admitted."""
_CLOCKS_S: Final = 60.0
"""What the clocks of routers may be apart."""


async def wanted(
    subject: Reader,
    paging: Paging,
    since: Annotated[Moment | None, Query(description="Requests that ended then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Requests that ended before.")] = None,
    key_id: Annotated[str, Query(max_length=80)] = "",
    model: Annotated[str, Query(max_length=200, description="As the client named it.")] = "",
    status: Annotated[int, Query(ge=0, le=599, description="The HTTP status; 0: any.")] = 0,
    outcome: Annotated[str, Query(max_length=20, description="completed, failed or aborted.")] = "",
) -> ReadRequestLog:
    """Read the filters (a FastAPI dependency): the tenant is always that of the token."""
    before_at, before_id = moment_of(paging.after) if paging.after else (0.0, "")
    return ReadRequestLog(
        tenant_id=subject.tenant_id,
        since=since.timestamp() if since else 0.0,
        until=until.timestamp() if until else 0.0,
        before_at=before_at,
        before_id=before_id,
        key_id=key_id,
        model=model,
        status=status,
        outcome=outcome,
        limit=paging.limit,
    )


Wanted = Annotated[ReadRequestLog, Depends(wanted)]


@router.get("", responses=ROUTERS_AWAY)
async def list_request_log(wanted: Wanted, subject: Reader, paging: Paging, catalog: CatalogHere) -> LogPageView:
    """List requests of the tenant, the newest first, without texts."""
    level = await _level(catalog, subject)
    parts = await catalog.request_logs.read(wanted)
    page = page_of_parts(parts, limit=paging.limit)
    told = {name: value for name in ("key_id", "model", "status", "outcome") if (value := getattr(wanted, name))}
    await _enter(catalog, f"lines: {len(page.lines)}, filters: {told or 'none'}")
    return LogPageView(
        items=[LoggedRequestView.of(line) for line in page.lines],
        next_cursor=None if page.after is None else cursor_for(f"{page.after[0]!r}/{page.after[1]}", paging),
        level=level,
        routers=[RouterAnsweredView(router_id=part.router_id, dropped=part.dropped) for part in parts],
    )


@router.get("/{request_id}", responses={**MISSING, **ROUTERS_AWAY})
async def show_logged_request(request_id: str, subject: Reader, catalog: CatalogHere) -> LoggedRequestView:
    """Show one request, with what was asked and answered where that was logged."""
    found = await _found(catalog, subject, request_id)
    await _enter(catalog, "with its texts" if b'"request":' in found.line.encode() else "without texts")
    return LoggedRequestView.of(found)


async def _found(catalog: Catalog, subject: Subject, request_id: str) -> LoggedRequest:
    """Return the line. Raises LoggedRequestNotFound, and RoutersAway."""
    admitted_at = minted_at(request_id)
    if admitted_at is None:
        raise LoggedRequestNotFound(request_id)
    deadline, reached = catalog.clock.monotonic() + _SEARCH_S, (0.0, "")
    while True:
        query = ReadRequestLog(
            tenant_id=subject.tenant_id,
            request_id=request_id,
            since=admitted_at - _CLOCKS_S,
            until=admitted_at + _LONGEST_S,
            before_at=reached[0],
            before_id=reached[1],
            has_texts=True,
            limit=1,
        )
        parts = await catalog.request_logs.read(query)
        lines = [line for part in parts for line in part.lines]
        if lines:
            return lines[0]
        page = page_of_parts(parts, limit=1)
        if page.after is None or catalog.clock.monotonic() > deadline:
            raise LoggedRequestNotFound(request_id)
        reached = page.after


async def _level(catalog: Catalog, subject: Subject) -> LogLevel:
    """Return what is in force for the caller's tenant."""
    async with catalog.db.read() as session:
        tenant = await find_tenant(session, subject.tenant_id)
    if tenant is None:
        return LogLevel.OFF
    return level_of(capped(tenant_record(tenant, ()), catalog.request_logs.most).request_log)


async def _enter(catalog: Catalog, detail: str) -> None:
    """Enter into the audit that somebody reads, before they do."""
    async with catalog.db.write() as session:
        await catalog.audit.enter(session, detail=detail)

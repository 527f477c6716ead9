"""`/api/v1/routes:preview`."""

from dataclasses import replace

from fastapi import APIRouter, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere
from roundhouse_catalog.api.key_access import seen_user
from roundhouse_catalog.api.knowing import known_to, require_owner
from roundhouse_catalog.api.preview_schemas import PreviewToMake, PreviewView, RequestBody
from roundhouse_catalog.api.routes import Reader, change_by
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_catalog.domain.preview import Sketch, is_open, preview
from roundhouse_catalog.domain.route_changes import create_route
from roundhouse_catalog.domain.route_drafts import RouteDraft
from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.store.keys import find_key
from roundhouse_catalog.store.limits import living_limits
from roundhouse_catalog.store.routes import living_routes
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.database import ReadSession
from roundhouse_common.http.idempotency import reply
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import UnixTime

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/routes", tags=["routes"])


@router.post(":preview", response_model=PreviewView)
async def preview_route(body: PreviewToMake, subject: Reader, catalog: CatalogHere) -> Response:
    """Say where a request would go: by which names, to which targets, with which settings and limits.

    It is looked at as the key's, or as the caller's own: what is private to others is not found, as by routers. Without
    a key those who manage routes see all of the tenant's.

    Nothing is sent, and nothing is made. Which endpoints are healthy and free is the routers' to know.
    """
    async with catalog.db.read() as session:
        routes = await living_routes(session, (subject.tenant_id, PLATFORM))
        sketch = await _sketch(session, subject, body.request, catalog.clock.now())
        ours = [one for one in routes if one.deployment_id and one.tenant_id == subject.tenant_id]
        names = {one.deployment_id: one.name for one in ours if is_open(sketch, one)}
        if body.route is not None:
            drafted = await _drafted(session, catalog, subject, body.route.draft())
            routes = [one for one in routes if one.route_id != drafted.route_id] + [drafted]
        limits = await living_limits(session, (subject.tenant_id, PLATFORM))
    return reply(PreviewView.of(preview(sketch, routes, limits), names))


async def _drafted(session: ReadSession, catalog: Catalog, subject: Subject, draft: RouteDraft) -> Route:
    """Return the route as it would be, with the id of the one whose place it takes. Raises InvalidInput."""
    owner = PLATFORM if draft.is_platform else subject.tenant_id
    require_owner(subject, owner)
    known = await known_to(session, owner, draft)
    before = next((one for one in known.routes if (one.tenant_id, one.name) == (owner, draft.name)), None)
    others = [one for one in known.routes if one is not before]
    return create_route(
        draft,
        replace(known, routes=others),
        route_id=before.route_id if before else catalog.ids.new("rte"),
        tenant_id=subject.tenant_id,
        change=change_by(catalog, subject),
    )


async def _sketch(session: ReadSession, subject: Subject, request: RequestBody, now: UnixTime) -> Sketch:
    """Raises InvalidInput for a key that is not there or not theirs to see, or that routers refuse."""
    key = await find_key(session, subject.tenant_id, request.key_id) if request.key_id else None
    if key is not None and seen_user(subject) not in (None, key.user_id):
        key = None
    if request.key_id:
        findings = Findings()
        findings.add("request.key_id", _key_fault(request.key_id, key, now))
        findings.refuse()
    return Sketch(
        model=request.model,
        tenant_id=subject.tenant_id,
        headers={name.lower(): value for name, value in request.headers.items()},
        user=request.user,
        key_id=request.key_id,
        key_user_id=key.user_id if key else "",
        key_deployment_ids=key.deployment_ids if key else (),
        user_id=key.user_id if key else subject.id,
        project_ids=[key.project_id] if key else list(subject.project_roles),
        sees_all=key is None and allowed(subject, "routes:write", subject.tenant_id),
    )


def _key_fault(key_id: str, key: ApiKey | None, now: UnixTime) -> str | None:
    if key is None:
        return f"there is no API key with the id {quoted(key_id)}; GET /api/v1/api-keys lists them"
    if key.is_revoked:
        return f"the API key {quoted(key.name)} is revoked: routers refuse it with 401"
    if key.expires_at and key.expires_at <= now:
        return f"the API key {quoted(key.name)} has expired: routers refuse it with 401"
    return None

"""`/api/v1/endpoint-states` and `/api/v1/answer-cache`: what routers know and keep, asked of all of them at once."""

from typing import Annotated

from fastapi import APIRouter, Depends

from roundhouse_catalog.api.context import Catalog, CatalogHere
from roundhouse_catalog.api.project_access import seen_projects
from roundhouse_catalog.api.responses import ROUTERS_AWAY
from roundhouse_catalog.api.router_schemas import AnswerCacheView, ClearedView, EndpointStatesView, EndpointStateView
from roundhouse_catalog.store import deployments as deployment_store
from roundhouse_catalog.store import providers as provider_store
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.http import requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["routers"], responses=ROUTERS_AWAY)
Reader = Annotated[Subject, Depends(requires("replicas:read", in_projects=True))]
CacheReader = Annotated[Subject, Depends(requires("routes:read"))]
CacheWriter = Annotated[Subject, Depends(requires("routes:write"))]


@router.get("/endpoint-states")
async def list_endpoint_states(subject: Reader, catalog: CatalogHere) -> EndpointStatesView:
    """List endpoints of deployments, and providers, that a router passes over or tries last, with why and until when:
    those that the caller's roles let them see."""
    told = await catalog.routers.read(subject.tenant_id)
    names, now = await _names(catalog, subject), catalog.clock.now()
    items = [
        EndpointStateView.of(one, router.router_id, name, now=now)
        for router in told
        for one in router.endpoints
        if (name := names.get(one.deployment_id or one.endpoint_id)) is not None
    ]
    return EndpointStatesView(items=items, routers=[one.router_id for one in told])


@router.get("/answer-cache")
async def show_answer_cache(subject: CacheReader, catalog: CatalogHere) -> AnswerCacheView:
    """Show how many answers of the tenant are kept. Routers that do not answer in time are not counted."""
    return AnswerCacheView.of(await catalog.routers.read(subject.tenant_id))


@router.post("/answer-cache:clear")
async def clear_answer_cache(subject: CacheWriter, catalog: CatalogHere) -> ClearedView:
    """Forget every answer that is kept of the tenant, on all routers. Safe to repeat."""
    cleared = ClearedView.of(await catalog.routers.clear(subject.tenant_id))
    async with catalog.db.write() as session:
        await catalog.audit.enter(session, detail=f"answers forgotten: {cleared.answers}")
    return cleared


async def _names(catalog: Catalog, subject: Subject) -> dict[str, str]:
    """Return the names of the deployments and providers that the caller may see, by their ids."""
    async with catalog.db.read() as session:
        names = await deployment_store.deployment_names(
            session, subject.tenant_id, seen_projects(subject, "replicas:read")
        )
        if allowed(subject, "providers:read", subject.tenant_id):
            names |= await provider_store.provider_names(session, subject.tenant_id)
    return names

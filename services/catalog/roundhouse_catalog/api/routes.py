"""`/api/v1/routes`."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query

from roundhouse_catalog.api.context import CatalogHere, Paging
from roundhouse_catalog.api.schemas import View
from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.store.routes import list_routes as stored_routes
from roundhouse_common.auth import Subject
from roundhouse_common.http import Page, Timestamp, page_of, requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/routes", tags=["routes"])


class TargetView(View):
    """A deployment that a route leads to, and its share."""

    deployment_id: str
    weight: int


class RouteView(View):
    """A name that clients send as `model`, and where it leads."""

    id: str
    name: str
    tenant_id: str
    model_kind: str
    targets: list[TargetView]
    created_at: Timestamp

    @classmethod
    def of(cls, route: Route) -> Self:
        return cls(
            id=route.route_id,
            name=route.name,
            tenant_id=route.tenant_id,
            model_kind=route.model_kind.value,
            targets=[TargetView(deployment_id=target.deployment_id, weight=target.weight) for target in route.targets],
            created_at=route.created_at,
        )


@router.get("")
async def list_routes(
    subject: Annotated[Subject, Depends(requires("deployments:read"))],
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the route with this name.")] = None,
) -> Page[RouteView]:
    """List routes in the order of their creation. Every deployment has one with its name."""
    async with catalog.db.read() as session:
        rows = await stored_routes(
            session, [subject.tenant_id], limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda route: route.route_id, item=RouteView.of)

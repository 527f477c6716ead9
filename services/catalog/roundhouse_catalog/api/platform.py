"""`/api/v1/me` and `/api/v1/bus:rebuild`."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.api.schemas import View
from roundhouse_catalog.store.tenants import find_profile
from roundhouse_common.auth import ACTIONS, Subject, allowed
from roundhouse_common.http import requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["platform"])


class MeView(View):
    """Who the access token stands for."""

    id: str
    kind: str
    name: str = Field(description="Empty for a service.")
    tenant_id: str
    tenant_name: str
    roles: list[str]
    actions: list[str] = Field(description="Everything the roles permit.")


class RebuiltView(View):
    """What was written."""

    written: dict[str, int] = Field(description="Bucket to entries.")


@router.get("/me")
async def show_me(subject: Annotated[Subject, Depends(requires("models:read"))], catalog: CatalogHere) -> MeView:
    """Show who calls, and what they may do."""
    async with catalog.db.read() as session:
        profile = await find_profile(session, user_id=subject.id, tenant_id=subject.tenant_id)
    return MeView(
        id=subject.id,
        kind=subject.kind,
        name=profile.user_name,
        tenant_id=subject.tenant_id,
        tenant_name=profile.tenant_name,
        roles=sorted(subject.roles),
        actions=sorted(action for action in ACTIONS if allowed(subject, action, subject.tenant_id)),
    )


@router.post("/bus:rebuild", dependencies=[Depends(requires("platform:admin"))])
async def rebuild_bus(catalog: CatalogHere) -> RebuiltView:
    """Write every entry of this service's buckets again from SQL. Safe to repeat, so it takes no Idempotency-Key."""
    return RebuiltView(written=await catalog.rebuild())

"""`/api/v1/bus:rebuild`."""

from fastapi import APIRouter, Depends
from pydantic import Field

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.api.schemas import View
from roundhouse_common.http import requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["platform"])


class RebuiltView(View):
    """What was written."""

    written: dict[str, int] = Field(description="Bucket to entries.")


@router.post("/bus:rebuild", dependencies=[Depends(requires("platform:admin"))])
async def rebuild_bus(catalog: CatalogHere) -> RebuiltView:
    """Write every entry of this service's buckets again from SQL. Safe to repeat, so it takes no Idempotency-Key."""
    return RebuiltView(written=await catalog.rebuild())

"""/api/v1/bus:rebuild"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from roundhouse_common.auth import Subject
from roundhouse_common.http import requires

__all__ = ["RebuildAnswer", "operations_routes"]


class RebuildAnswer(BaseModel):
    """What was written again."""

    written: dict[str, int] = Field(description="Entries per bucket.")


def operations_routes(rebuild: Callable[[], Awaitable[dict[str, int]]]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.post("/bus:rebuild")
    async def rebuild_bus(_subject: Annotated[Subject, Depends(requires("platform:admin"))]) -> RebuildAnswer:
        """Write the buckets `endpoints`, `assignments` and `orders` again from SQL. Safe to repeat."""
        return RebuildAnswer(written=await rebuild())

    return routes

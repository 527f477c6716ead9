"""For operators: is the ledger complete, and have the routers publish again what they keep."""

from typing import Annotated

from fastapi import APIRouter, Depends

from roundhouse_common.auth import Subject
from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.operations import RebuildBus
from roundhouse_common.contracts.registry import REPUBLISH_USAGE
from roundhouse_common.database import Database
from roundhouse_common.http import requires
from roundhouse_metering.api.schemas import RebuildAnswer, RebuiltRouter, ReconciliationAnswer
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.domain.reconciliation import reconcile
from roundhouse_metering.store.routers import routers

__all__ = ["operations_routes"]

_Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


def operations_routes(db: Database, bus: Bus, publications: Publications, *, rebuild_timeout_s: float) -> APIRouter:
    """Return /api/v1/reconciliation and /api/v1/bus:rebuild. Both look over all tenants."""
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/reconciliation")
    async def get_reconciliation(_subject: _Administrator) -> ReconciliationAnswer:
        """Compare what routers admitted with what the ledger holds."""
        async with db.read() as session:
            found = await routers(session)
        return ReconciliationAnswer.of(reconcile(found))

    @routes.post("/bus:rebuild")
    async def rebuild_bus(_subject: _Administrator) -> RebuildAnswer:
        """Write prices and budgets again, and ask every router to publish its retained usage records again; the ledger
        takes each once. A router that does not answer in time is not listed.
        """
        written = await publications.rebuild()
        answers = await bus.request_all(REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=rebuild_timeout_s)
        return RebuildAnswer(
            written=written,
            items=[RebuiltRouter(instance=answer.instance, written=answer.written) for answer in answers],
        )

    return routes

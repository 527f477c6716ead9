"""For operators: is the ledger complete, and have the routers publish again what they keep."""

from typing import Annotated

from fastapi import APIRouter, Depends

from roundhouse_common.auth import Subject
from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.operations import RebuildBus
from roundhouse_common.contracts.registry import REPUBLISH_USAGE
from roundhouse_common.database import Database
from roundhouse_common.http import requires
from roundhouse_metering.api.feed_places import FeedPlace, Redelivery, required_place
from roundhouse_metering.api.schemas import HoursAnswer, RebuildAnswer, RebuiltRouter, ReconciliationAnswer
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.domain.reconciliation import reconcile, reconcile_hours
from roundhouse_metering.store.routers import hours_of_routers, routers
from roundhouse_metering.store.usage_cells import begin_anew

__all__ = ["operations_routes"]

_Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


def operations_routes(
    db: Database, bus: Bus, publications: Publications, stream: EventStream, *, rebuild_timeout_s: float
) -> APIRouter:
    """Return /api/v1/reconciliation and /api/v1/bus:rebuild. Both look over all tenants."""
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/reconciliation")
    async def get_reconciliation(_subject: _Administrator) -> ReconciliationAnswer:
        """Compare what routers admitted with what the ledger holds."""
        async with db.read() as session:
            found = await routers(session)
        return ReconciliationAnswer.of(reconcile(found))

    @routes.get("/reconciliation/hours")
    async def get_hourly_reconciliation(_subject: _Administrator) -> HoursAnswer:
        """Tell by router and hour of admission how requests ended, and how many have no record."""
        async with db.read() as session:
            found = await hours_of_routers(session)
        return HoursAnswer.of(reconcile_hours(found))

    @routes.post("/usage:rebuild", status_code=202)
    async def rebuild_usage(_subject: _Administrator) -> None:
        """Make the sums of usage anew from the ledger; until it is done answers lack what is not counted yet."""
        async with db.write() as session:
            await begin_anew(session)

    @routes.post("/usage/events:republish", status_code=202)
    async def republish_events(body: Redelivery, _subject: _Administrator) -> FeedPlace:
        """Publish again on the stream of events what is after a place in the feed; ids are the same as before."""
        async with db.read() as session:
            cursor = await required_place(session, body)
        await stream.republish(cursor)
        return FeedPlace(cursor=str(cursor))

    @routes.post("/bus:rebuild")
    async def rebuild_bus(_subject: _Administrator) -> RebuildAnswer:
        """Write prices and budgets again, and ask every router to publish its retained usage records again; the ledger
        takes each once. A router that does not answer in time is not listed. The stream of events for finance tools
        fills again by itself when it was lost.
        """
        written = await publications.rebuild()
        await stream.look()
        answers = await bus.request_all(REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=rebuild_timeout_s)
        return RebuildAnswer(
            written=written,
            items=[RebuiltRouter(instance=answer.instance, written=answer.written) for answer in answers],
        )

    return routes

"""What the time of replicas costs."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Timestamp
from roundhouse_common.pricing import PriceTable
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.replica_query import asked_of_replicas
from roundhouse_metering.domain.replica_costs import replica_costs
from roundhouse_metering.domain.spans import HeldQuery
from roundhouse_metering.store.costs import all_prices
from roundhouse_metering.store.prices import currency_in_use
from roundhouse_metering.store.spans import most_spans, spans_held

__all__ = ["replica_cost_routes"]


class ReplicaCostItem(BaseModel):
    key: str = Field(description="Id of the deployment, version, replica, node or project; empty: of no project.")
    cost_nano: int = Field(description="Of the time that has a price.")
    unpriced_s: float = Field(description="Replica-seconds without a price.")


class ReplicaCostAnswer(BaseModel):
    since: Timestamp
    until: Timestamp
    currency: str
    items: list[ReplicaCostItem]
    cost_nano: int
    unpriced_s: float


def replica_cost_routes(db: Database, clock: Clock) -> APIRouter:
    """Return /api/v1/replica-costs, of the caller's tenant."""
    routes = APIRouter(prefix="/api/v1", tags=["usage"])

    @routes.get("/replica-costs")
    async def get_replica_costs(
        query: Annotated[HeldQuery, Depends(asked_of_replicas(clock))],
    ) -> ReplicaCostAnswer:
        """Price what replicas held in a time, by the prices that were valid meanwhile."""
        async with db.read() as session:
            spans = await spans_held(session, query)
            prices = PriceTable(await all_prices(session))
            currency = await currency_in_use(session) or ""
        if len(spans) > most_spans:
            message = f"More than {most_spans} transitions of replicas are in this time."
            raise InvalidInput(message, FieldError("since", "use a shorter range, or deployment_id"))
        found = replica_costs(spans, prices, since=query.since, until=query.until, by=query.by)
        items = [
            ReplicaCostItem(key=key, cost_nano=one.cost_nano, unpriced_s=one.unpriced_s)
            for key, one in sorted(found.items())
        ]
        return ReplicaCostAnswer(
            since=query.since,
            until=query.until,
            currency=currency,
            items=items,
            cost_nano=sum(one.cost_nano for one in items),
            unpriced_s=sum(one.unpriced_s for one in items),
        )

    return routes

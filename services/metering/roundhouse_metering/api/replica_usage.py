"""Replica-seconds: what deployments held, and for how long they served."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Timestamp
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.replica_query import asked_of_replicas
from roundhouse_metering.domain.spans import HeldFigures, HeldQuery, HeldRow
from roundhouse_metering.store.spans import held, most_rows

__all__ = ["replica_usage_routes"]


class ReplicaUsageFigures(BaseModel):
    """What replicas claimed counts from their placement until it is given back, used or not; one that is lost, or
    rests after too many failures, claims nothing."""

    held_s: float = Field(description="Replica-seconds of being placed.")
    serving_s: float = Field(description="Replica-seconds of being ready.")
    device_s: float = Field(description="Device-seconds claimed; devices that replicas share count for each.")
    cpu_core_s: float = Field(description="Core-seconds claimed; what is used, the curves show.")
    memory_byte_s: float = Field(description="Byte-seconds of memory claimed, of devices, else of hosts.")

    @classmethod
    def of(cls, figures: HeldFigures) -> "ReplicaUsageFigures":
        return cls(**_values(figures))


class ReplicaUsageItem(ReplicaUsageFigures):
    key: str = Field(description="Id of the deployment, version, replica, node or project; empty: of no project.")
    deployment_id: str | None
    version_number: int | None
    replicas: int = Field(description="That held something in the time.")
    replicas_at_end: int = Field(description="That held something when it ended.")


class ReplicaUsageAnswer(BaseModel):
    since: Timestamp
    until: Timestamp
    items: list[ReplicaUsageItem]
    totals: ReplicaUsageFigures


def replica_usage_routes(db: Database, clock: Clock) -> APIRouter:
    """Return /api/v1/replica-usage, of the caller's tenant."""
    routes = APIRouter(prefix="/api/v1", tags=["usage"])

    @routes.get("/replica-usage")
    async def get_replica_usage(
        query: Annotated[HeldQuery, Depends(asked_of_replicas(clock))],
    ) -> ReplicaUsageAnswer:
        """Sum what replicas held in a time, up to this moment for those that still run."""
        async with db.read() as session:
            rows = await held(session, query)
        if len(rows) > most_rows:
            message = f"The answer has more than {most_rows} rows."
            raise InvalidInput(message, FieldError("since", "use a shorter range, or deployment_id"))
        totals = sum((row.figures for row in rows), HeldFigures())
        return ReplicaUsageAnswer(
            since=query.since,
            until=query.until,
            items=[_item(row) for row in rows],
            totals=ReplicaUsageFigures.of(totals),
        )

    return routes


def _item(row: HeldRow) -> ReplicaUsageItem:
    return ReplicaUsageItem(
        key=row.key,
        deployment_id=row.deployment_id or None,
        version_number=row.version_number,
        replicas=row.replicas,
        replicas_at_end=row.replicas_now,
        **_values(row.figures),
    )


def _values(figures: HeldFigures) -> dict[str, float]:
    return {name: getattr(figures, name) for name in ReplicaUsageFigures.model_fields}

"""What the REST API answers."""

import dataclasses

from pydantic import BaseModel, Field

from roundhouse_common.http import Timestamp
from roundhouse_metering.domain.reconciliation import HourReconciliation, Reconciliation, RouterReconciliation

__all__ = ["HoursAnswer", "RebuildAnswer", "RebuiltRouter", "ReconciliationAnswer"]


class ReconciliationFigures(BaseModel):
    """admitted = recorded + missing; recorded = completed + failed + aborted."""

    admitted: int
    recorded: int
    completed: int
    failed: int
    aborted: int
    missing: int = Field(description="Admitted, but without a record yet: in flight or on its way. 0 when idle.")
    repeated: int = Field(description="Records that share their number with another one of the router. Always 0.")


class RouterFigures(ReconciliationFigures):
    router_id: str


class ReconciliationAnswer(BaseModel):
    """Whether every admitted request is in the ledger, by router and in all."""

    items: list[RouterFigures]
    totals: ReconciliationFigures

    @classmethod
    def of(cls, found: Reconciliation) -> "ReconciliationAnswer":
        return cls(
            items=[RouterFigures(router_id=router.router_id, **_counts(router)) for router in found.routers],
            totals=ReconciliationFigures(**_counts(found.totals)),
        )


class HourFigures(BaseModel):
    """admitted = completed + failed + aborted + missing."""

    router_id: str
    hour: Timestamp
    admitted: int
    completed: int
    failed: int
    aborted: int
    missing: int


class HoursAnswer(BaseModel):
    """By router, then hour."""

    items: list[HourFigures]

    @classmethod
    def of(cls, found: list[HourReconciliation]) -> "HoursAnswer":
        return cls(items=[HourFigures(**dataclasses.asdict(hour)) for hour in found])


class RebuiltRouter(BaseModel):
    instance: str
    written: dict[str, int] = Field(description="Stream -> records that it publishes again.")


class RebuildAnswer(BaseModel):
    """What was written, and what each router that answered publishes again from its disk."""

    written: dict[str, int] = Field(description="Bucket -> entries.")
    items: list[RebuiltRouter]


def _counts(router: RouterReconciliation) -> dict[str, int]:
    return {name: getattr(router, name) for name in ReconciliationFigures.model_fields}

"""What the REST API answers."""

from pydantic import BaseModel, Field

from roundhouse_metering.domain.reconciliation import Reconciliation, RouterReconciliation

__all__ = ["RebuildAnswer", "RebuiltRouter", "ReconciliationAnswer"]


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


class RebuiltRouter(BaseModel):
    instance: str
    written: dict[str, int] = Field(description="Stream -> records that it publishes again.")


class RebuildAnswer(BaseModel):
    """What was written, and what each router that answered publishes again from its disk."""

    written: dict[str, int] = Field(description="Bucket -> entries.")
    items: list[RebuiltRouter]


def _counts(router: RouterReconciliation) -> dict[str, int]:
    return {name: getattr(router, name) for name in ReconciliationFigures.model_fields}

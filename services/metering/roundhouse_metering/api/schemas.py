"""What the REST API answers."""

from pydantic import BaseModel, Field

from roundhouse_common.http import Timestamp
from roundhouse_metering.domain.reconciliation import Reconciliation, RouterReconciliation
from roundhouse_metering.domain.usage import Figures, UsageRow
from roundhouse_metering.store.ledger import LedgerEntry

__all__ = ["RebuildAnswer", "RebuiltRouter", "ReconciliationAnswer", "UsageAnswer", "UsageEntry"]


class UsageFigures(BaseModel):
    """Requests and tokens. requests = completed + failed + aborted. The token classes are disjoint."""

    requests: int
    completed: int
    failed: int
    aborted: int = Field(description="The client left, or the router died with the request in flight.")
    input_tokens: int = Field(description="Without the cached ones.")
    cached_input_tokens: int
    output_tokens: int = Field(description="Without the reasoning ones.")
    reasoning_tokens: int


class UsageItem(UsageFigures):
    """The figures of one model, key, user or deployment, in one time bucket when buckets were asked for."""

    key: str = Field(description="The value of the dimension: a model's name, or an id.")
    bucket_start: Timestamp | None = Field(
        default=None, description="Buckets are aligned in UTC; empty ones are left out."
    )


class UsageAnswer(BaseModel):
    """Figures by dimension and bucket, ordered by bucket, then key; and their sum."""

    items: list[UsageItem]
    totals: UsageFigures

    @classmethod
    def of(cls, rows: list[UsageRow], totals: Figures) -> "UsageAnswer":
        return cls(
            items=[UsageItem(key=row.value, bucket_start=row.bucket_start, **_figures(row.figures)) for row in rows],
            totals=UsageFigures(**_figures(totals)),
        )


class UsageEntry(BaseModel):
    """One request of the ledger."""

    request_id: str
    router_id: str
    sequence: int = Field(description="1, 2, 3, ... without gaps per router.")
    operation: str
    key_id: str
    user_id: str
    model_requested: str
    model_served: str
    deployment_id: str
    replica_id: str
    node_id: str
    admitted_at: Timestamp
    ended_at: Timestamp
    recorded_at: Timestamp
    duration_ms: float
    time_to_first_token_ms: float | None
    is_stream: bool
    outcome: str
    http_status: int
    error_code: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_write_tokens: int = Field(description="Input tokens that a provider charged for keeping.")
    source: str = Field(description="Where the token figures come from.")
    attempts: int
    api: str = Field(description="The API that the client spoke.")
    route_id: str
    provider_id: str = Field(description="Of an outside provider, instead of a deployment.")
    reuse: str = Field(
        description="`none`: an engine's own work; else the answer was `cached`, `coalesced` or `replayed`."
    )
    continuations: int = Field(description="How often a stream went on at another endpoint.")
    audio_ms: int = Field(description="Length of the sound that went in or came out, where it is known.")
    images: int = Field(description="Images made.")
    input_characters: int = Field(description="Of a text to be spoken.")
    queued_ms: float = Field(description="How long it waited in the router.")

    @classmethod
    def of(cls, entry: LedgerEntry) -> "UsageEntry":
        names = cls.model_fields.keys() - {"recorded_at"}
        return cls(recorded_at=entry.recorded_at, **{name: getattr(entry.record, name) for name in names})


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


def _figures(figures: Figures) -> dict[str, int]:
    return {name: getattr(figures, name) for name in UsageFigures.model_fields}


def _counts(router: RouterReconciliation) -> dict[str, int]:
    return {name: getattr(router, name) for name in ReconciliationFigures.model_fields}

"""Bodies of `/endpoint-states` and `/answer-cache`."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from roundhouse_catalog.api.schemas import View
from roundhouse_common.contracts.routers import AnswersCleared, EndpointJudged, EndpointStanding, RouterRead
from roundhouse_common.http import Timestamp

__all__ = ["AnswerCacheView", "ClearedView", "EndpointStateView", "EndpointStatesView"]


class EndpointStateView(View):
    """One endpoint, or one provider, that a router does not use as it uses the others."""

    router_id: str
    endpoint_id: str = Field(description="The replica's id, or the provider's.")
    deployment_id: str = Field(description="Empty for a provider.")
    name: str = Field(description="Of the deployment or the provider.")
    state: EndpointStanding = Field(
        description="`ejected`: passed over unless nothing else is left; `probing`: one request at a time shows "
        "whether it is well; `resting`: tried after the others."
    )
    reason: str = Field(
        description="What it failed by last, in a word: a status such as `status-503`, `connect`, `silence`; `busy`: "
        "it had too many requests; `success-rate`: it fails more often than the others; `other-router`: another router "
        "has ejected it."
    )
    until: Timestamp | None = Field(description="When it is used again, or probed; null: that is now.")
    failures: int = Field(description="In a row.")
    ejections: int = Field(description="So many times lately: each lasts longer than the one before.")

    @classmethod
    def of(cls, one: EndpointJudged, router_id: str, name: str, *, now: float) -> Self:
        return cls(
            router_id=router_id,
            endpoint_id=one.endpoint_id,
            deployment_id=one.deployment_id,
            name=name,
            state=one.standing,
            reason=one.reason,
            until=now + one.left_s if one.left_s > 0 else None,
            failures=one.failures,
            ejections=one.ejections,
        )


class EndpointStatesView(View):
    """Those that are fine are not listed. Each router judges by its own requests."""

    items: list[EndpointStateView]
    routers: list[str] = Field(description="Ids of the routers that answered.")


class AnswerCacheView(View):
    """What is kept of the tenant's answers, for routes with a cache."""

    answers: int | None = Field(description="Null: where they are kept is away.")
    size_bytes: int | None = Field(description="Null: not known, as for answers in Redis.")
    is_shared: bool = Field(
        description="All routers have the same; otherwise each has its own, and these are the sums."
    )
    routers: list[str] = Field(description="Ids of the routers that answered.")

    @classmethod
    def of(cls, told: Sequence[RouterRead]) -> Self:
        is_shared = any(one.is_shared for one in told)
        counted = [one for one in told if one.answers >= 0]
        if is_shared:
            counted = counted[:1]
        sizes = [one.answer_bytes for one in counted]
        return cls(
            answers=sum(one.answers for one in counted) if counted else None,
            size_bytes=sum(sizes) if sizes and min(sizes) >= 0 else None,
            is_shared=is_shared,
            routers=[one.router_id for one in told],
        )


class ClearedView(View):
    """What was forgotten. Requests that were under way may still have put theirs there."""

    answers: int
    failed: list[str] = Field(description="Ids of the routers that could not, because their store is away.")

    @classmethod
    def of(cls, told: Sequence[AnswersCleared]) -> Self:
        return cls(answers=sum(one.answers for one in told), failed=[one.router_id for one in told if one.error])

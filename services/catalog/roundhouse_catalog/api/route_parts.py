"""Parts of a route: what comes in is what goes out."""

from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, known_values
from roundhouse_catalog.domain.route_drafts import BalancingDraft, FallbackDraft
from roundhouse_catalog.domain.route_shapes import FALLBACK_REASONS, STRATEGIES
from roundhouse_common.contracts.routing import (
    Balancing,
    RouteCache,
    RouteMatch,
    RouteQueue,
    RouteRetries,
    RouteTarget,
    RouteTimeouts,
    Strategy,
)

__all__ = [
    "BalancingBody",
    "CacheBody",
    "FallbackBody",
    "MatchBody",
    "QueueBody",
    "RetriesBody",
    "TargetBody",
    "TimeoutsBody",
]

StrategyName = Annotated[str, known_values(STRATEGIES)]
ReasonName = Annotated[str, known_values(FALLBACK_REASONS)]


class MatchBody(Body):
    """Which requests a target is for. All that is given must hold; who matches goes to no other target."""

    header: str = Field(default="", description="The name of a request header, in lower case.", examples=["x-beta"])
    value: str = Field(default="", description="Its exact value; empty: any.")
    key_ids: list[str] = []
    user_ids: list[str] = Field(default=[], description="The body's `user`, else the user of the API key.")

    def match(self) -> RouteMatch:
        return RouteMatch(
            header=self.header, value=self.value, key_ids=tuple(self.key_ids), user_ids=tuple(self.user_ids)
        )

    @classmethod
    def of(cls, match: RouteMatch) -> Self:
        return cls(header=match.header, value=match.value, key_ids=list(match.key_ids), user_ids=list(match.user_ids))


class TargetBody(Body):
    """A deployment, or a model of an outside provider."""

    deployment_id: str = ""
    provider_id: str = ""
    model: str = Field(
        default="",
        description="The provider's name for the model; empty: the name that the client sent. "
        "A `*` stands for what the one in the route's name stood for.",
    )
    weight: int = Field(
        default=1, description="Its share among the targets of its priority; 0: when the others have failed."
    )
    priority: int = Field(default=0, description="The lowest goes first, the next when those have failed or are full.")
    match: MatchBody | None = None

    def target(self) -> RouteTarget:
        return RouteTarget(
            deployment_id=self.deployment_id,
            weight=self.weight,
            provider_id=self.provider_id,
            model=self.model,
            priority=self.priority,
            match=self.match.match() if self.match else None,
        )

    @classmethod
    def of(cls, target: RouteTarget) -> Self:
        return cls(
            deployment_id=target.deployment_id,
            provider_id=target.provider_id,
            model=target.model,
            weight=target.weight,
            priority=target.priority,
            match=MatchBody.of(target.match) if target.match else None,
        )


class FallbackBody(Body):
    """Another route for what this one could not answer. Those of one reason are tried in their order."""

    reason: ReasonName
    route: str = Field(description="The name of a route.")

    def draft(self) -> FallbackDraft:
        return FallbackDraft(reason=self.reason, route=self.route)


class BalancingBody(Body):
    """How requests are spread over the endpoints of the target that was chosen."""

    strategy: StrategyName = Strategy.LEAST_IN_FLIGHT.value
    weights: dict[str, int] = Field(
        default={}, description="For `weighted`: by replica id, node id or region; 1 for what is not named."
    )
    session_header: str = Field(
        default="", description="For `session-affinity`, in lower case; without it the body's `user`."
    )
    load_ceiling: float = Field(
        default=1.5, description="For affinities: more than so many times the mean load is passed over."
    )
    is_local_preferred: bool = Field(default=True, description="Endpoints of the router's own region go first.")
    spill_in_flight: int = Field(
        default=0, description="Requests in flight at every local endpoint from which on other regions are used too."
    )

    def draft(self) -> BalancingDraft:
        return BalancingDraft(
            strategy=self.strategy,
            weights=self.weights,
            session_header=self.session_header,
            load_ceiling=float(self.load_ceiling),
            is_local_preferred=self.is_local_preferred,
            spill_in_flight=self.spill_in_flight,
        )

    @classmethod
    def of(cls, balancing: Balancing) -> Self:
        return cls(
            strategy=balancing.strategy.value,
            weights=dict(balancing.weights),
            session_header=balancing.session_header,
            load_ceiling=balancing.load_ceiling,
            is_local_preferred=balancing.is_local_preferred,
            spill_in_flight=balancing.spill_in_flight,
        )


class TimeoutsBody(Body):
    """Seconds; 0: the router's own setting, and no bound for `total_s`."""

    first_token_s: float = 0.0
    idle_s: float = Field(default=0.0, description="Between two chunks.")
    total_s: float = 0.0

    def timeouts(self) -> RouteTimeouts:
        return RouteTimeouts(
            first_token_s=float(self.first_token_s), idle_s=float(self.idle_s), total_s=float(self.total_s)
        )

    @classmethod
    def of(cls, timeouts: RouteTimeouts) -> Self:
        return cls(first_token_s=timeouts.first_token_s, idle_s=timeouts.idle_s, total_s=timeouts.total_s)


class RetriesBody(Body):
    """How often a request is tried before its first byte."""

    max_attempts: int = Field(default=0, description="The first one included; 0: the router's own setting.")
    is_429_retried: bool = Field(default=True, description="Whether an endpoint that says 429 leads to another one.")

    def retries(self) -> RouteRetries:
        return RouteRetries(max_attempts=self.max_attempts, is_429_retried=self.is_429_retried)

    @classmethod
    def of(cls, retries: RouteRetries) -> Self:
        return cls(max_attempts=retries.max_attempts, is_429_retried=retries.is_429_retried)


class QueueBody(Body):
    """Requests wait here, by priority, while every endpoint has as many as it may have."""

    in_flight_per_endpoint: int = Field(default=0, description="0: what the engine was started for, if it is known.")
    max_waiting: int = Field(default=0, description="Further ones are refused with 429; 0: nobody waits here.")
    deadline_s: float = Field(default=30.0, description="Who waited so long is refused with 503.")

    def queue(self) -> RouteQueue:
        return RouteQueue(
            in_flight_per_endpoint=self.in_flight_per_endpoint,
            max_waiting=self.max_waiting,
            deadline_s=float(self.deadline_s),
        )

    @classmethod
    def of(cls, queue: RouteQueue) -> Self:
        return cls(
            in_flight_per_endpoint=queue.in_flight_per_endpoint,
            max_waiting=queue.max_waiting,
            deadline_s=queue.deadline_s,
        )


class CacheBody(Body):
    """Equal requests of one tenant are answered from what an engine said before."""

    ttl_s: float = Field(default=0.0, description="0: nothing is kept.")
    max_answer_bytes: int = 1024 * 1024

    def cache(self) -> RouteCache:
        return RouteCache(ttl_s=float(self.ttl_s), max_answer_bytes=self.max_answer_bytes)

    @classmethod
    def of(cls, cache: RouteCache) -> Self:
        return cls(ttl_s=cache.ttl_s, max_answer_bytes=cache.max_answer_bytes)

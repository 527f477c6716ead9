"""The demand for one deployment: what routers tell, what engines say, and what was made of it before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from roundhouse_common.contracts.node import ReplicaLoad

__all__ = ["NO_DEMAND", "Demand", "Recommended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """A number of replicas that the load asked for, from `at` until the next one."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Sums over the routers that are heard, beside the engines' own words."""

    in_flight: int = 0
    """Requests sent to engines and not answered to the end, as routers count them."""
    held: int = 0
    """Requests that wait in routers for a replica."""
    running: int = 0
    waiting: int = 0
    """In the engines' own queues."""
    engines: int = 0
    """How many engines said how much they do."""
    busiest: int = 0
    """The most that any one engine runs at once."""
    ttft_s: float | None = None
    """Mean time to first token over the last interval; None when nothing began to answer in it."""
    last_used_at: float = 0.0
    """When a request was last known to be there; 0 while none was since this scheduler started."""
    started_at: float = 0.0
    """When a request was last known to have come."""
    history: tuple[Recommended, ...] = ()
    """What the load asked for before, oldest first."""
    strained_load: float | None = None
    """The least load per replica at which answers began too late, if that was seen lately."""

    @property
    def is_there(self) -> bool:
        """Whether any request is being served or waits. Engines count too: a router that is cut off tells nothing."""
        return bool(self.in_flight or self.held or self.running or self.waiting)

    @property
    def load(self) -> int:
        """Requests that there are. The larger of what routers and engines say, since either may be cut off."""
        return max(self.in_flight, self.running + self.waiting) + self.held

    def with_engines(self, loads: Sequence[ReplicaLoad]) -> "Demand":
        """Return the demand with what the engines say."""
        if not loads:
            return self
        return replace(
            self,
            running=sum(load.running for load in loads),
            waiting=sum(load.waiting for load in loads),
            engines=len(loads),
            busiest=max(load.running for load in loads),
        )


NO_DEMAND = Demand()

"""How many replicas the load asks for now, by each target that is configured. The highest counts.

As the horizontal autoscaler of Kubernetes: within a tolerance of the target nothing changes, and replicas that are not
ready yet count as if they took their share already, so that a slow start does not ask for more and more of them.
Each rule has a fixed point under constant load (the tests walk there from everywhere), so that nothing swings.
"""

import math
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_scheduler.domain.autoscale.demand import Demand

__all__ = ["Advice", "Fleet", "advise", "is_strained"]

_TOLERANCE = 0.1
_EPSILON = 1e-9
_DOUBLE = 2
"""A late first token says that it is too little, not how much: at most twice as many at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What there is: `wanted` replicas, of which `ready` serve."""

    wanted: int
    ready: int

    @property
    def is_whole(self) -> bool:
        """Whether all that are wanted serve."""
        return self.ready >= self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A number of replicas, before bounds, and why in words."""

    replicas: int
    why: str


def advise(autoscale: Autoscale, demand: Demand, fleet: Fleet) -> Advice | None:
    """Return what the load asks for, or None when no target has anything to go by."""
    found = [
        advice
        for advice in (
            _by_in_flight(autoscale.target_in_flight, demand, fleet),
            _by_queue(autoscale.target_queue, demand),
            _by_first_token(autoscale.target_ttft_s, demand, fleet),
        )
        if advice is not None
    ]
    return max(found, key=lambda advice: advice.replicas, default=None)


def is_strained(autoscale: Autoscale, demand: Demand, fleet: Fleet) -> bool:
    """Return whether answers begin too late although all replicas serve: too few for this load."""
    target = autoscale.target_ttft_s
    is_late = target > 0 and demand.ttft_s is not None and demand.ttft_s > target * (1 + _TOLERANCE)
    return is_late and fleet.is_whole and demand.load > 0


def _by_in_flight(target: float, demand: Demand, fleet: Fleet) -> Advice | None:
    if target <= 0:
        return None
    share = demand.load / max(1, fleet.ready)
    why = f"{share:.1f} requests in flight per replica, target {target:g}"
    if fleet.wanted > 0 and abs(demand.load / (target * fleet.wanted) - 1) <= _TOLERANCE:
        return Advice(replicas=fleet.wanted, why=why)
    return Advice(replicas=_up(demand.load / target), why=why)


def _by_queue(target: float, demand: Demand) -> Advice | None:
    """An engine that queues shows how many requests it runs at once. Each may have that and `target` more: so many
    replicas take everything. One that does not queue may take more than it shows, which only makes this number too
    high, and lower with each step down."""
    if target <= 0 or demand.engines == 0:
        return None
    requests = demand.running + demand.waiting + demand.held
    waiting = demand.waiting / demand.engines
    return Advice(
        replicas=_up(requests / (demand.busiest + target)),
        why=f"{waiting:.1f} requests waiting in each engine, target {target:g}",
    )


def _by_first_token(target: float, demand: Demand, fleet: Fleet) -> Advice | None:
    if target <= 0:
        return None
    if demand.ttft_s is None:
        return None if demand.is_there else Advice(replicas=0, why="no requests")
    why = f"{demand.ttft_s:.2f} s to the first token, target {target:g} s"
    ratio = demand.ttft_s / target
    if ratio > 1 + _TOLERANCE:
        more = min(_up(fleet.wanted * ratio), fleet.wanted * _DOUBLE) if fleet.is_whole else fleet.wanted
        return Advice(replicas=more, why=why)
    return Advice(replicas=fleet.wanted - 1 if _may_do_with_less(ratio, demand, fleet) else fleet.wanted, why=why)


def _may_do_with_less(ratio: float, demand: Demand, fleet: Fleet) -> bool:
    """One fewer at a time, if the time would stay below the target were it to grow in step with the load, and if it
    did not when so few replicas had this load before."""
    fewer = fleet.wanted - 1
    if fewer < 1 or not fleet.is_whole or ratio * fleet.wanted / fewer > 1 - _TOLERANCE:
        return False
    return demand.strained_load is None or demand.load / fewer < demand.strained_load * (1 - _TOLERANCE)


def _up(replicas: float) -> int:
    return math.ceil(replicas - _EPSILON)

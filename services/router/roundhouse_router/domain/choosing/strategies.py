"""Strategies: which one of several endpoints that may all take the request. Where one has no opinion, the least
loaded is taken, and of equals the one whose turn is longest ago."""

from collections.abc import Collection, Mapping, Sequence

from roundhouse_router.domain.choosing.groups import Member
from roundhouse_router.domain.targets import Draw

__all__ = [
    "SmoothWeights",
    "least_in_flight",
    "lowest_latency",
    "power_of_two",
    "random_one",
    "round_robin",
]

_EXPLORING = 0.05
"""Share of the requests by which `lowest-latency` looks how the others do."""


def round_robin(pool: Sequence[Member]) -> Member:
    """Return the one whose turn is longest ago: fair also while endpoints come, go and rest."""
    best = pool[0]
    turn = best.standing.turn
    for member in pool:
        if member.standing.turn < turn:
            best, turn = member, member.standing.turn
    return best


def random_one(pool: Sequence[Member], draw: Draw) -> Member:
    return pool[int(draw() * len(pool))]


def least_in_flight(pool: Sequence[Member]) -> Member:
    """Return the one with the fewest requests, those of all routers counted."""
    best = pool[0]
    standing = best.standing
    least, turn = standing.in_flight + standing.others, standing.turn
    for member in pool:
        standing = member.standing
        load = standing.in_flight + standing.others
        if load < least or (load == least and standing.turn < turn):
            best, least, turn = member, load, standing.turn
    return best


def power_of_two(pool: Sequence[Member], draw: Draw) -> Member:
    """Return the less busy of two drawn at random, by requests in flight and the engine's own queue."""
    count = len(pool)
    if count == 1:
        return pool[0]
    first = int(draw() * count)
    second = int(draw() * (count - 1))
    one, other = pool[first], pool[second + (second >= first)]
    a, b = one.standing, other.standing
    return one if a.in_flight + a.others + a.waiting <= b.in_flight + b.others + b.waiting else other


def lowest_latency(pool: Sequence[Member], draw: Draw) -> Member:
    """Return the one with the lowest mean time to first token, times the requests that it would then have.

    One whose time is not known is tried first, with one request until that has answered. Now and then another one is
    taken at random: what was slow once may be quick again.
    """
    if draw() < _EXPLORING:
        return random_one(pool, draw)
    known = [member.standing.ttft_s for member in pool if member.standing.ttft_s >= 0]
    if not known:
        return least_in_flight(pool)
    usual_s = max(known)
    best, least = pool[0], float("inf")
    for member in pool:
        standing = member.standing
        load = standing.in_flight + standing.others
        seconds = standing.ttft_s if standing.ttft_s >= 0 else usual_s * (load > 0)
        cost = seconds * (load + 1)
        if cost < least or (cost == least and standing.turn < best.standing.turn):
            best, least = member, cost
    return best


class SmoothWeights:
    """`weighted`: in proportion to the weights and evenly spaced, as nginx does it. The state of one route at one
    deployment."""

    __slots__ = ("_balances",)

    def __init__(self) -> None:
        self._balances: dict[str, float] = {}

    def pick(self, pool: Sequence[Member], weights: Mapping[str, int]) -> Member:
        """Return the one that has waited for most. One of weight 0 is taken only when there is no other."""
        balances, total = self._balances, 0
        best, most = None, 0.0
        for member in pool:
            weight = _weight_of(member, weights)
            if weight <= 0:
                continue
            total += weight
            balance = balances[member.endpoint_id] = balances.get(member.endpoint_id, 0.0) + weight
            if best is None or balance > most:
                best, most = member, balance
        if best is None:
            return least_in_flight(pool)
        balances[best.endpoint_id] = most - total
        return best

    def prune(self, known: Collection[str]) -> bool:
        """Forget endpoints that are gone. Return whether any is left."""
        self._balances = {name: balance for name, balance in self._balances.items() if name in known}
        return bool(self._balances)


def _weight_of(member: Member, weights: Mapping[str, int]) -> int:
    """Return the weight by replica, node or region, the first of them that is named."""
    endpoint = member.endpoint
    for name in (endpoint.replica_id, endpoint.node_id, endpoint.region):
        if name in weights:
            return weights[name]
    return 1

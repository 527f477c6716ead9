"""The strategies by name, with what they remember."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from roundhouse_common.contracts.routing import RouteRecord, Strategy
from roundhouse_router.domain.choosing.affinity import prefix_affinity, session_affinity
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.domain.choosing.groups import Group, Member
from roundhouse_router.domain.choosing.prefixes import PrefixTable
from roundhouse_router.domain.choosing.strategies import (
    SmoothWeights,
    least_in_flight,
    lowest_latency,
    power_of_two,
    random_one,
    round_robin,
)
from roundhouse_router.domain.targets import Draw, RequestFacts

__all__ = ["Picker"]


class Picker:
    """One for the router."""

    def __init__(self, prefix_entries: int, draw: Draw) -> None:
        self._prefix_entries = prefix_entries
        self._draw = draw
        self._prefixes: dict[str, PrefixTable] = {}
        self._weights: dict[tuple[str, str], SmoothWeights] = {}

    def pick(
        self,
        pool: Sequence[Member],
        group: Group,
        route: RouteRecord,
        facts: RequestFacts,
        prefix: Sequence[int],
    ) -> Member:
        """Return who of the pool, which is not empty, takes the request."""
        if len(pool) == 1:
            return pool[0]
        balancing = route.balancing
        strategy = balancing.strategy
        if strategy is Strategy.LEAST_IN_FLIGHT:
            return least_in_flight(pool)
        match strategy:
            case Strategy.ROUND_ROBIN:
                return round_robin(pool)
            case Strategy.RANDOM:
                return random_one(pool, self._draw)
            case Strategy.WEIGHTED:
                state = self._weights.setdefault((route.route_id, group.deployment.deployment_id), SmoothWeights())
                return state.pick(pool, balancing.weights)
            case Strategy.POWER_OF_TWO:
                return power_of_two(pool, self._draw)
            case Strategy.PREFIX_AFFINITY:
                table = self.prefixes_of(group.deployment.deployment_id)
                return prefix_affinity(pool, table, prefix, balancing, group.by_id)
            case Strategy.SESSION_AFFINITY:
                given = facts.headers.get(balancing.session_header.encode(), b"") if balancing.session_header else b""
                return session_affinity(pool, given or facts.user.encode("utf-8", "surrogatepass"), balancing)
            case Strategy.LOWEST_LATENCY:
                return lowest_latency(pool, self._draw)
            case _:
                return least_in_flight(pool)

    def prefixes_of(self, deployment_id: str) -> PrefixTable:
        """Return what is known of the caches of a deployment's endpoints."""
        table = self._prefixes.get(deployment_id)
        if table is None:
            table = self._prefixes[deployment_id] = PrefixTable(self._prefix_entries)
        return table

    def learn(self, candidate: Candidate) -> None:
        """The candidate is sent its prompt."""
        if candidate.deployment is not None:
            self.prefixes_of(candidate.deployment.deployment_id).learn(candidate.prefix, candidate.endpoint_id)

    def tables(self) -> Iterator[tuple[str, PrefixTable]]:
        """Yield what is known of caches, by deployment id."""
        yield from self._prefixes.items()

    def prune(self, deployments: Mapping[str, object], endpoint_ids: Collection[str]) -> None:
        """Forget what is in no table any more."""
        self._prefixes = {name: table for name, table in self._prefixes.items() if name in deployments}
        self._weights = {
            name: state for name, state in self._weights.items() if name[1] in deployments and state.prune(endpoint_ids)
        }

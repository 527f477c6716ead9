"""One request's way through the targets and endpoints that may take it."""

from collections.abc import Iterator, Sequence
from typing import Final

from roundhouse_common.contracts.routing import RouteTarget, Strategy
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_router.domain.cache_salts import CacheSalts
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.domain.choosing.groups import Member, Tiers
from roundhouse_router.domain.choosing.picker import Picker
from roundhouse_router.domain.choosing.prefixes import prefix_hashes
from roundhouse_router.domain.choosing.roster import Roster
from roundhouse_router.domain.choosing.standing import Standing
from roundhouse_router.domain.health import Level
from roundhouse_router.domain.provider_features import provider_serves
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.targets import RequestFacts, Resolution

__all__ = ["Choice"]

_LEVELS: Final = tuple(Level)
_FINE: Final = Level.FINE
_BY_PREFIX: Final = Strategy.PREFIX_AFFINITY


class Choice:
    """`next` gives the best endpoint that it has not given before.

    First those that are fine, by the order of the targets; when there are none left those that rest or are full, and
    at the very last those that are ejected. Of a target's endpoints ready ones come before suspect ones, and the
    router's own region before others where the route wants that. A provider is one endpoint.
    """

    __slots__ = ("_facts", "_picker", "_prefixes", "_resolution", "_roster", "_salts", "_tried", "table", "targets")

    def __init__(
        self,
        roster: Roster,
        picker: Picker,
        table: RoutingTable,
        resolution: Resolution,
        facts: RequestFacts,
        targets: Sequence[RouteTarget],
        salts: CacheSalts | None = None,
    ) -> None:
        self._roster = roster
        self._picker = picker
        self._resolution = resolution
        self._facts = facts
        self._tried: tuple[str, ...] = ()
        self._salts = salts
        self._prefixes: dict[bytes, tuple[int, ...]] | None = None
        """By salt."""
        self.table = table
        """What endpoints there are. A retry may go by a newer one."""
        self.targets = targets
        """Those for this request, the first to be tried first."""

    def next(self, now: float) -> Candidate | None:
        """Return who is to be asked now; None when there is nobody left."""
        for level in _LEVELS:
            for target in self.targets:
                if target.deployment_id:
                    candidate = self._of_deployment(target, level, now)
                else:
                    candidate = self._of_provider(target, level, now)
                if candidate is not None:
                    candidate.standing.turn = self._roster.take_turn()
                    self._tried = (*self._tried, _name(candidate))
                    return candidate
        return None

    @property
    def is_full(self) -> bool:
        """Whether somebody could take the request, and each of them has as many in flight as it may have."""
        found = False
        for standing, bound in self._bounds():
            if not bound or standing.in_flight + standing.others < bound:
                return False
            found = True
        return found

    def asleep(self) -> list[DeploymentEndpoints]:
        """Return the deployments among the targets that may be woken and have no endpoint for this request."""
        found = (self.table.deployments.get(target.deployment_id) for target in self.targets)
        return [
            deployment
            for deployment in found
            if deployment is not None
            and deployment.is_wakeable
            and not self._roster.group(deployment).tiers(self._facts.features, True).members
        ]

    def _of_deployment(self, target: RouteTarget, level: Level, now: float) -> Candidate | None:
        deployment = self.table.deployments.get(target.deployment_id)
        if deployment is None:
            return None
        group = self._roster.group(deployment)
        balancing = self._resolution.balancing
        tiers = group.tiers(self._facts.features, balancing.is_local_preferred)
        for tier in tiers.order:
            pool = self._usable(tier, tiers, level, now)
            if pool:
                break
        else:
            return None
        if balancing.spill_in_flight > 0 and tiers.has_local and tier is tiers.order[0]:
            pool = self._spilled(pool, tiers, level, now)
        salt = b""
        if self._salts is not None and deployment.deployment_id in self.table.routes.shared:
            salt = self._salts.of(self._facts.key.tenant_id)
        prefix = self._hashes(salt) if balancing.strategy is _BY_PREFIX else ()
        member = self._picker.pick(pool, group, self._resolution.route, self._facts, prefix)
        endpoint = member.endpoint
        return Candidate(target, endpoint.served_model, member.standing, deployment, endpoint, None, prefix, salt)

    def _usable(self, tier: Sequence[Member], tiers: Tiers, level: Level, now: float) -> Sequence[Member]:
        """Return those of a tier that may be tried at this level: at the first neither full nor in trouble."""
        is_bounded = self._resolution.is_bounded
        if level is _FINE and not is_bounded and not self._tried:
            for member in tier:
                if member.condition.is_troubled:
                    break
            else:
                return tier
        limit = Level.EJECTED if self._is_panic(tiers) else level
        found = [
            member
            for member in tier
            if member.endpoint_id not in self._tried
            and (not member.condition.is_troubled or _stands(member, level, limit, now))
        ]
        if not is_bounded or level is not _FINE:
            return found
        return [member for member in found if _has_room(member.standing, self._bound(member))]

    def _is_panic(self, tiers: Tiers) -> bool:
        """So few are not ejected that ejection is not minded."""
        total = len(tiers.members)
        kept = total - sum(member.condition.is_ejected for member in tiers.members)
        return total > 1 and kept < self._roster.health.panic_share * total

    def _spilled(self, pool: Sequence[Member], tiers: Tiers, level: Level, now: float) -> Sequence[Member]:
        """Return the local endpoints, with those of other regions when each local one has enough to do."""
        most = self._resolution.balancing.spill_in_flight
        if any(member.standing.in_flight + member.standing.others < most for member in pool):
            return pool
        return [*pool, *self._usable(tiers.order[1], tiers, level, now)]

    def _of_provider(self, target: RouteTarget, level: Level, now: float) -> Candidate | None:
        provider = self.table.providers.get(target.provider_id)
        if provider is None or not provider_serves(provider, self._facts.features):
            return None
        standing = self._roster.standings.of(provider.provider_id)
        if provider.in_flight_most and standing.in_flight >= provider.in_flight_most:
            return None
        if standing.condition.is_troubled and standing.condition.level(now) > level:
            return None
        candidate = Candidate(target, target.model, standing, None, None, provider)
        return None if _name(candidate) in self._tried else candidate

    def _hashes(self, salt: bytes) -> tuple[int, ...]:
        if self._facts.prompt is None:
            return ()
        if self._prefixes is None:
            self._prefixes = {}
        found = self._prefixes.get(salt)
        if found is None:
            found = self._prefixes[salt] = prefix_hashes(self._facts.prompt(), salt)
        return found

    def _bound(self, member: Member) -> int:
        return self._resolution.route.queue.in_flight_per_endpoint or member.endpoint.concurrency

    def _bounds(self) -> Iterator[tuple[Standing, int]]:
        """Yield who could take the request, with how many each may have; 0: any number."""
        is_bounded = self._resolution.is_bounded
        for target in self.targets:
            if target.deployment_id:
                deployment = self.table.deployments.get(target.deployment_id)
                if deployment is not None:
                    for member in self._roster.group(deployment).tiers(self._facts.features, True).members:
                        if not member.condition.is_ejected:
                            yield member.standing, self._bound(member) if is_bounded else 0
            else:
                provider = self.table.providers.get(target.provider_id)
                if provider is not None and provider_serves(provider, self._facts.features):
                    yield self._roster.standings.of(provider.provider_id), provider.in_flight_most


def _stands(member: Member, level: Level, limit: Level, now: float) -> bool:
    """Whether it may be tried at this level; in a panic (`limit`) as if ejection were none."""
    stands = member.condition.level(now)
    return stands <= level or (stands is Level.EJECTED and stands <= limit)


def _has_room(standing: Standing, bound: int) -> bool:
    return not bound or standing.in_flight + standing.others < bound


def _name(candidate: Candidate) -> str:
    """What it is told from others by that were tried: a provider may have several models."""
    if candidate.endpoint is not None:
        return candidate.endpoint_id
    return f"{candidate.endpoint_id}/{candidate.model}"

"""The endpoints of one deployment, sorted once per change of it into the order in which they may be used."""

from collections.abc import Sequence
from typing import NamedTuple

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_router.domain.choosing.standing import Standing, Standings
from roundhouse_router.domain.features import ROUTABLE, serves
from roundhouse_router.domain.health import Condition

__all__ = ["Group", "Member", "Tiers"]


class Member:
    """An endpoint as it is in this group, with what outlives the group."""

    __slots__ = ("condition", "endpoint", "endpoint_id", "is_local", "standing", "token")

    def __init__(self, endpoint: Endpoint, standing: Standing, region: str) -> None:
        self.endpoint = endpoint
        self.endpoint_id = endpoint.replica_id
        self.token = endpoint.replica_id.encode()
        self.standing = standing
        self.condition: Condition = standing.condition
        self.is_local = not (region and endpoint.region) or endpoint.region == region
        """An endpoint whose region is not known counts as local."""


class Tiers(NamedTuple):
    """Members that may be asked, by who comes before whom."""

    order: tuple[tuple[Member, ...], ...]
    """None of them is empty. Ready ones before suspect ones; within each, where that is wanted, local ones first."""
    members: tuple[Member, ...]
    """All of `order`."""
    has_local: bool
    """The first tier is local, and the second is ready as well, elsewhere."""


class Group:
    """Made for one `DeploymentEndpoints`; another one, even of the same deployment, gets another group."""

    __slots__ = ("_last", "_last_features", "_last_is_local", "_region", "_tiers", "by_id", "deployment", "members")
    _last: Tiers

    def __init__(self, deployment: DeploymentEndpoints, standings: Standings, region: str) -> None:
        self.deployment = deployment
        self.members = tuple(
            Member(endpoint, standings.of(endpoint.replica_id), region)
            for endpoint in deployment.endpoints
            if endpoint.state in ROUTABLE
        )
        self.by_id = {member.endpoint_id: member for member in self.members}
        self._region = region
        self._tiers: dict[tuple[tuple[Feature, ...], bool], Tiers] = {}
        self._last_features: tuple[Feature, ...] | None = None
        self._last_is_local = False

    def tiers(self, features: tuple[Feature, ...], is_local_preferred: bool) -> Tiers:
        """Return the members whose engine has one of the endpoints."""
        if features is self._last_features and is_local_preferred is self._last_is_local:
            return self._last  # the features of an API are one object
        wanted = (features, is_local_preferred)
        tiers = self._tiers.get(wanted)
        if tiers is None:
            tiers = self._tiers[wanted] = self._sorted(features, is_local_preferred)
        self._last_features, self._last_is_local, self._last = features, is_local_preferred, tiers
        return tiers

    def may_eject(self, share: float) -> bool:
        """Whether one more may be ejected, so that at most this share is and one at least stays."""
        total = len(self.members)
        ejected = sum(member.condition.is_ejected for member in self.members) + 1
        return ejected < total and ejected <= share * total

    def may_rest(self, share: float, now: float) -> bool:
        """Whether one more may be passed over on another router's word: the same ceiling, over all in trouble."""
        total = len(self.members)
        troubled = sum(member.condition.is_troubled and member.condition.level(now) > 0 for member in self.members) + 1
        return troubled < total and troubled <= share * total

    def _sorted(self, features: tuple[Feature, ...], is_local_preferred: bool) -> Tiers:
        found = [member for member in self.members if any(serves(member.endpoint, feature) for feature in features)]
        ready = [member for member in found if member.endpoint.state is EndpointState.READY]
        suspect = [member for member in found if member.endpoint.state is not EndpointState.READY]
        if not is_local_preferred:
            return Tiers(_filled(ready, suspect), (*ready, *suspect), has_local=False)
        near, far = _by_region(ready)
        return Tiers(_filled(near, far, *_by_region(suspect)), (*ready, *suspect), has_local=bool(near and far))


def _by_region(members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    return [one for one in members if one.is_local], [one for one in members if not one.is_local]


def _filled(*tiers: Sequence[Member]) -> tuple[tuple[Member, ...], ...]:
    return tuple(tuple(tier) for tier in tiers if tier)

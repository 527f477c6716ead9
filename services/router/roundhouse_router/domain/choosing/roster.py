"""All endpoints that requests went near, with their loads and health, by deployment."""

from collections.abc import Collection, Iterator

from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_router.domain.choosing.groups import Group, Member
from roundhouse_router.domain.choosing.standing import Standings
from roundhouse_router.domain.health import HealthOptions, outliers

__all__ = ["Roster"]


class Roster:
    """One for the router."""

    def __init__(self, health: HealthOptions, region: str) -> None:
        self.health = health
        self.standings = Standings(health)
        self._region = region
        self._groups: dict[str, Group] = {}
        self._turn = 0

    def group(self, deployment: DeploymentEndpoints) -> Group:
        """Return the endpoints of a deployment as it is in the table that the request goes by."""
        group = self._groups.get(deployment.deployment_id)
        if group is None or group.deployment is not deployment:
            group = self._groups[deployment.deployment_id] = Group(deployment, self.standings, self._region)
        return group

    def take_turn(self) -> int:
        """Return a number that grows."""
        self._turn += 1
        return self._turn

    def may_eject(self, deployment_id: str) -> bool:
        """Whether the ceiling allows another ejection in this deployment."""
        group = self._groups.get(deployment_id)
        return group is not None and group.may_eject(self.health.max_ejected_share)

    def judge(self, now: float) -> None:
        """End an interval of success rates: eject who answers much less often than the others, where that is on."""
        for group in self._groups.values():
            for condition in outliers((member.condition for member in group.members), self.health):
                if group.may_eject(self.health.max_ejected_share):
                    condition.why = "success-rate"
                    condition.eject(now)

    def members(self, endpoint_ids: Collection[str]) -> Iterator[tuple[Group, Member]]:
        """Yield those of the endpoints that requests went near, with their groups."""
        for group in self._groups.values():
            for endpoint_id in group.by_id.keys() & endpoint_ids:
                yield group, group.by_id[endpoint_id]

    def prune(self, deployment_ids: Collection[str], endpoint_ids: Collection[str]) -> None:
        """Forget what is in no table any more."""
        self._groups = {name: group for name, group in self._groups.items() if name in deployment_ids}
        self.standings.prune(endpoint_ids)

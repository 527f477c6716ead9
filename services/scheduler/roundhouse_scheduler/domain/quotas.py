"""What tenants and projects may hold at once, while replicas are placed: the last word on quotas.

The catalog refuses what is stated beyond a quota; only here is seen what automatic scaling and rollouts make of it.
"""

from collections import Counter
from collections.abc import Sequence

from roundhouse_common.contracts.identity import Quota
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["Holdings"]

_Place = tuple[str, str]
"""Tenant and project; an empty project: the whole tenant."""


class Holdings:
    """What every tenant and project holds in a draft. Counted once; then it follows what is placed."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._quotas: dict[_Place, tuple[str, Quota]] = {}
        for tenant_id, tenant in draft.view.tenants.items():
            self._quotas[tenant_id, ""] = (f'the tenant "{tenant.name}"', tenant.quota)
            for project in tenant.projects:
                self._quotas[tenant_id, project.project_id] = (f'the project "{project.name}"', project.quota)
        self._quotas = {key: one for key, one in self._quotas.items() if _is_bound(one[1])}
        self._replicas: Counter[_Place] = Counter()
        self._devices: Counter[_Place] = Counter()
        if self._quotas:
            for replica in draft.replicas.values():
                if replica.is_held and replica.node_id:
                    self._count(replica)

    def refusal(self, rows: Sequence[Replica]) -> str:
        """Return why these may not be placed, with figures; empty: they may. Several rows are the members of a gang."""
        devices = sum(row.resources.device_count for row in rows)
        for place in self._places(rows[0]):
            named, quota = self._quotas[place]
            for what, most, used, more in (
                ("replicas", quota.replicas, self._replicas[place], 1),
                ("devices", quota.devices, self._devices[place], devices),
            ):
                if most is not None and more and used + more > most:
                    return f"quota: {named} may hold {most} {what}; {used} are taken, and this one needs {more}"
        return ""

    def take(self, rows: Sequence[Replica]) -> None:
        """Count what was placed."""
        for row in rows:
            self._count(self._draft.replicas[row.replica_id])

    def _count(self, replica: Replica) -> None:
        for place in self._places(replica):
            self._replicas[place] += replica.gang_rank == 0
            self._devices[place] += len(replica.device_uuids)

    def _places(self, replica: Replica) -> list[_Place]:
        """Return where there are bounds for it."""
        deployment = self._draft.view.deployments.get(replica.deployment_id)
        if deployment is None or not self._quotas:
            return []
        every = ((deployment.tenant_id, ""), (deployment.tenant_id, deployment.project_id))
        return [place for place in dict.fromkeys(every) if place in self._quotas]


def _is_bound(quota: Quota) -> bool:
    return quota.devices is not None or quota.replicas is not None

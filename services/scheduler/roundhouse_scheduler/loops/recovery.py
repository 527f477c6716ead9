"""After the record was lost: what runs on nodes that it does not know, and what waits until they are back."""

from collections.abc import Collection

from roundhouse_common.contracts.node import NodeReport
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.adoption import runs
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.mirror import Mirror
from roundhouse_scheduler.store.strangers import known_of, versions_by_id

__all__ = ["Recovery"]

_AWAITED_MOST_S = 120.0
"""Agents notice within half a minute that they must register again."""


class Recovery:
    """Finds the engines of which the record has lost the rows. Costs nothing when there are none."""

    def __init__(self, db: Database, *, hearing: Hearing, mirror: Mirror, lease_s: float) -> None:
        self._db = db
        self._hearing = hearing
        self._mirror = mirror
        self._lease_s = lease_s

    async def look_up(self, reports: Collection[NodeReport]) -> None:
        """Find out of every engine in these reports that the mirror does not have whether the record knew it."""
        unknown = {
            entry.replica_id: entry.version_id
            for report in reports
            for entry in report.replicas
            if runs(entry) and entry.replica_id not in self._mirror.replicas
        }
        unknown = {key: version for key, version in unknown.items() if key not in self._mirror.ended}
        if not unknown:
            return
        async with self._db.read() as session:
            self._mirror.ended |= await known_of(session, unknown) - self._mirror.replicas.keys()
            lacking = sorted(set(unknown.values()) - self._mirror.versions.keys() - {""})
            self._mirror.versions |= await versions_by_id(session, lacking)

    def awaited(self, *, led_s: float) -> frozenset[str]:
        """Return the deployments of which nothing is placed or told yet: their engines run on nodes that are about to
        register again. It ends by itself, however long those nodes stay away."""
        if led_s >= _AWAITED_MOST_S:
            return frozenset()
        if self._hearing.are_unreported(self._mirror.unsettled, self._lease_s):
            return frozenset(self._mirror.deployments)  # it registered with engines, and has yet to say of what
        reports = self._hearing.ahead(self._lease_s)
        return frozenset(entry.deployment_id for report in reports for entry in report.replicas if runs(entry))

"""Which rows make up a gang."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.scheduler import Desired, Phase
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["Gang", "gangs_in_focus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """The rows of one gang that have not ended, of all epochs."""

    gang_id: str
    rows: tuple[Replica, ...]

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return max(row.gang_epoch for row in self.rows)

    @property
    def current(self) -> tuple[Replica, ...]:
        """The members of the newest epoch, by rank."""
        return tuple(sorted((row for row in self.rows if row.gang_epoch == self.epoch), key=lambda row: row.gang_rank))

    @property
    def leader(self) -> Replica | None:
        """Rank 0 of the newest epoch, unless it has ended."""
        return next((row for row in self.current if row.gang_rank == 0), None)

    @property
    def earlier(self) -> tuple[Replica, ...]:
        """Members of earlier epochs whose end has not been seen yet."""
        return tuple(row for row in self.rows if row.gang_epoch < self.epoch)

    @staticmethod
    def by_epoch(rows: Sequence[Replica]) -> list[tuple[Replica, ...]]:
        """Return the rows of each epoch, the oldest first."""
        epochs = sorted({row.gang_epoch for row in rows})
        return [tuple(row for row in rows if row.gang_epoch == epoch) for epoch in epochs]

    @property
    def is_wanted(self) -> bool:
        """Whether its leader is to run."""
        return self.leader is not None and self.leader.is_wanted

    @property
    def may_start(self) -> bool:
        """Whether no member of an earlier epoch can still run. One on a node that was given up cannot: its agent and
        its guard stop it before that (`Assignment.fence_after_s`)."""
        return all(row.phase is Phase.LOST for row in self.earlier)

    @property
    def is_unplaced(self) -> bool:
        """Whether all members wait for nodes."""
        return all(row.phase is Phase.PENDING and row.desired is Desired.RUN for row in self.current)


def gangs_in_focus(draft: Draft) -> Sequence[Gang]:
    """Return the gangs of the deployments that must be looked at, in the order of their ids."""
    found: dict[str, list[Replica]] = {}
    deployments = {item.deployment_id for item in draft.focus_deployments()}
    deployments |= {row.deployment_id for row in draft.focus_replicas() if row.gang_id}  # those that wait for room too
    for deployment_id in sorted(deployments):
        for row in draft.members(deployment_id):
            if row.gang_id:
                found.setdefault(row.gang_id, []).append(row)
    return [Gang(gang_id=gang_id, rows=tuple(rows)) for gang_id, rows in sorted(found.items())]

"""Who is who among the replicas of a deployment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import Rollout
from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.records import Deployment, Node, Replica

__all__ = ["Census", "available_at", "leaving_because", "take_census"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The replicas of one deployment that are meant to run, and what they are in a rollout.

    They are *present* unless LOST: a lost one counts for nothing, and another is made in its place. One that drains
    is not present any more; it still holds its claim until its node says that its engine is gone.
    """

    current: tuple[Replica, ...]
    """Of the wanted version, where they can stay."""
    leaving: tuple[Replica, ...]
    """Of the wanted version, on a node or a device that is given up."""
    old: tuple[Replica, ...]
    """Of any other version."""
    leaving_reasons: Mapping[str, Reason]
    """By replica, for those of any version that cannot stay where they are."""
    available: frozenset[str]
    """Ready for as long as the rollout asks for."""
    has_other_version_left: bool
    """Some replica of another version has not ended, whether it is wanted or not, LOST ones apart."""
    lost: tuple[Replica, ...]
    """LOST ones of the wanted version for which nobody stands in yet, the oldest first."""

    @property
    def present(self) -> tuple[Replica, ...]:
        """All that count."""
        return (*self.current, *self.leaving, *self.old)

    def available_of(self, replicas: Iterable[Replica]) -> int:
        """How many of these are available."""
        return sum(1 for item in replicas if item.replica_id in self.available)


def available_at(replica: Replica, rollout: Rollout) -> float | None:
    """Return since when a replica counts as available, or will if it stays ready; None while it is not ready."""
    if replica.phase is not Phase.READY or replica.ready_since is None:
        return None
    return replica.ready_since + rollout.min_ready_s


def leaving_because(replica: Replica, node: Node | None) -> Reason | None:
    """Return why a replica cannot stay on its node, or None when it can, or when it holds nothing there."""
    if not replica.is_held:
        return None
    if node is None or node.admission is NodeAdmission.REMOVED:
        return Reason.NODE_REMOVED
    if node.is_leaving:
        return Reason.NODE_DRAINED
    quarantined = {item.device_uuid for item in node.quarantines}
    return Reason.DEVICE_QUARANTINED if quarantined.intersection(replica.device_uuids) else None


def take_census(
    deployment: Deployment, replicas: Iterable[Replica], nodes: Mapping[str, Node], *, now: float
) -> Census:
    """Sort the replicas of a deployment that have not ended. A gang is one replica, its leader; it cannot stay when
    one of its members cannot."""
    members = list(replicas)
    rows = [item for item in members if item.gang_rank == 0]
    present = [item for item in rows if item.is_wanted and item.phase is not Phase.LOST]
    leaders = {(item.gang_id, item.gang_epoch): item.replica_id for item in present if item.gang_id}
    reasons: dict[str, Reason] = {}
    for item in members:
        leader = item.replica_id if not item.gang_id else leaders.get((item.gang_id, item.gang_epoch))
        reason = leaving_because(item, nodes.get(item.node_id)) if item.is_wanted and leader is not None else None
        if leader is not None and reason is not None and item.phase is not Phase.LOST:
            reasons.setdefault(leader, reason)
    mine = [item for item in present if item.version_id == deployment.version_id]
    heirs = {item.replaces for item in rows if item.replaces}
    available = {
        item.replica_id
        for item in present
        if (since := available_at(item, deployment.rollout)) is not None and since <= now
    }
    return Census(
        current=tuple(item for item in mine if item.replica_id not in reasons),
        leaving=tuple(item for item in mine if item.replica_id in reasons),
        old=tuple(item for item in present if item.version_id != deployment.version_id),
        leaving_reasons=reasons,
        available=frozenset(available),
        has_other_version_left=any(
            item.version_id != deployment.version_id and item.phase is not Phase.LOST for item in members
        ),
        lost=tuple(
            item
            for item in rows
            if item.phase is Phase.LOST
            and item.is_wanted
            and item.version_id == deployment.version_id
            and item.replica_id not in heirs
        ),
    )

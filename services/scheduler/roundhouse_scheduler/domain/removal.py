"""What a removed node leaves behind: it never comes back, so what was LOST on it has ended."""

from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["end_removed"]


def end_removed(draft: Draft) -> None:
    """End the LOST replicas of nodes that an administrator removed."""
    for node in draft.focus_nodes():
        if node.admission is not NodeAdmission.REMOVED:
            continue
        for replica in draft.on(node.node_id):
            if replica.phase is not Phase.LOST:
                continue
            if replica.desired is Desired.RUN:
                draft.want(replica.replica_id, Desired.STOP, reason=Reason.NODE_REMOVED)
            draft.move(
                replica.replica_id,
                ReplicaEvent.STOPPED,
                reason=Reason.NODE_REMOVED,
                detail=f"node {node.node_id} was removed",
                is_serving=False,
            )

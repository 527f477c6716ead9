"""How many replicas of which version: create what lacks, drain what is too many, roll from one version to the next.

A new version's replicas start beside the old ones; an old one goes for each new one that is ready, so that the
number ready never falls below what is wanted (as far as there is room for both).
"""

from collections import Counter
from collections.abc import Sequence

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["pick_to_drain", "scale_deployments"]

_END_REASONS = {
    DeploymentDesired.STOP: Reason.DEPLOYMENT_STOPPED,
    DeploymentDesired.DELETE: Reason.DEPLOYMENT_DELETED,
}


def scale_deployments(draft: Draft) -> None:
    """Make the wanted replicas of every deployment agree with its spec."""
    for deployment_id in sorted(draft.deployments):
        deployment = draft.deployments[deployment_id]
        reason = _END_REASONS.get(deployment.desired)
        if reason is not None:
            _drain_all(draft, deployment_id, reason)
        elif deployment.desired is DeploymentDesired.RUN:
            _scale(draft, deployment)
    _withdraw_unplaced(draft)


def pick_to_drain(candidates: Sequence[Replica], count: int) -> list[Replica]:
    """Return which replicas go: those not ready first, then from the node with most of them, then the newest."""
    left = sorted(candidates, key=lambda item: (item.created_at, item.replica_id))
    picked: list[Replica] = []
    while left and len(picked) < count:
        per_node = Counter(item.node_id for item in left)
        goes = max(
            left,
            key=lambda item: (
                item.phase is not Phase.READY,
                not item.is_serving,
                per_node[item.node_id],
                item.created_at,
                item.replica_id,
            ),
        )
        left.remove(goes)
        picked.append(goes)
    return picked


def _drain_all(draft: Draft, deployment_id: str, reason: Reason) -> None:
    for replica in draft.of(deployment_id):
        if replica.is_wanted:
            draft.want(replica.replica_id, Desired.DRAIN, reason=reason)


def _scale(draft: Draft, deployment: Deployment) -> None:
    wanted = [item for item in draft.of(deployment.deployment_id) if item.is_wanted]
    present = [item for item in wanted if item.phase is not Phase.LOST]
    current = [item for item in present if item.version_id == deployment.version_id]
    surplus = pick_to_drain(current, len(current) - deployment.replicas)
    for replica in surplus:
        draft.want(replica.replica_id, Desired.DRAIN, reason=Reason.SCALED_DOWN)
    for _ in range(deployment.replicas - len(current)):
        _create(draft, deployment)
    ready = sum(1 for item in current if item.phase is Phase.READY and item not in surplus)
    old = [item for item in present if item.version_id != deployment.version_id]
    keep = max(0, deployment.replicas - ready)
    for replica in pick_to_drain(old, len(old) - keep):
        draft.want(replica.replica_id, Desired.DRAIN, reason=Reason.VERSION_REPLACED)


def _create(draft: Draft, deployment: Deployment) -> None:
    version = draft.view.versions[deployment.version_id]
    heirs = {item.replaces for item in draft.of(deployment.deployment_id)}
    lost = [
        item.replica_id
        for item in draft.of(deployment.deployment_id)
        if item.phase is Phase.LOST and item.is_wanted and item.replica_id not in heirs
    ]
    draft.create(
        Replica(
            replica_id=draft.mint.replica_id(),
            deployment_id=deployment.deployment_id,
            version_id=deployment.version_id,
            version_number=deployment.version_number,
            engine=version.engine,
            resources=version.resources,
            engine_api_key=draft.mint.engine_api_key(),
            since=draft.now,
            created_at=draft.now,
            replaces=lost[0] if lost else "",
        )
    )


def _withdraw_unplaced(draft: Draft) -> None:
    for replica in draft.live():
        if replica.phase is Phase.PENDING and replica.desired is not Desired.RUN:
            draft.move(replica.replica_id, ReplicaEvent.WITHDRAWN, reason=replica.desired_reason, rejections=())

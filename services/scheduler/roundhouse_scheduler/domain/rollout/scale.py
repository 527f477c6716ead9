"""Make the wanted replicas of every deployment agree with its spec."""

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.rollout.census import Census, available_at, take_census
from roundhouse_scheduler.domain.rollout.moves import next_moves
from roundhouse_scheduler.domain.rollout.progress import follow_rollout
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["scale_deployments"]

_END_REASONS = {
    DeploymentDesired.STOP: Reason.DEPLOYMENT_STOPPED,
    DeploymentDesired.DELETE: Reason.DEPLOYMENT_DELETED,
}


def scale_deployments(draft: Draft) -> None:
    """Create what lacks, drain what is too many or outdated, and follow the rollouts under way."""
    for deployment in draft.focus_deployments():
        reason = _END_REASONS.get(deployment.desired)
        if reason is not None:
            _drain_all(draft, deployment, reason)
        elif deployment.desired is DeploymentDesired.RUN:
            _scale(draft, deployment)
        _withdraw(draft, deployment)


def _drain_all(draft: Draft, deployment: Deployment, reason: Reason) -> None:
    for replica in draft.of(deployment.deployment_id):
        if replica.is_wanted:
            draft.want(replica.replica_id, Desired.DRAIN, reason=reason)


def _scale(draft: Draft, deployment: Deployment) -> None:
    rows = draft.members(deployment.deployment_id)
    census = take_census(deployment, rows, draft.nodes, now=draft.now)
    deployment = follow_rollout(draft, deployment, census)
    moves = next_moves(deployment, census, draft.rules)
    for replica, reason in moves.drain:
        draft.want(replica.replica_id, Desired.DRAIN, reason=reason)
    for number in range(moves.create):
        replaces = census.lost[number].replica_id if number < len(census.lost) else ""
        draft.create(_new(draft, deployment, replaces=replaces))
    _look_again(draft, deployment, census)


def _look_again(draft: Draft, deployment: Deployment, census: Census) -> None:
    """A ready replica becomes available without anything happening."""
    for replica in census.present:
        since = available_at(replica, deployment.rollout)
        if since is not None and since > draft.now:
            draft.look_again(since + 0.001, deployment_id=deployment.deployment_id)


def _new(draft: Draft, deployment: Deployment, *, replaces: str) -> Replica:
    version = draft.view.versions[deployment.version_id]
    return Replica(
        replica_id=draft.mint.replica_id(),
        deployment_id=deployment.deployment_id,
        version_id=deployment.version_id,
        version_number=deployment.version_number,
        engine=version.engine,
        resources=version.resources,
        engine_api_key=draft.mint.engine_api_key(),
        since=draft.now,
        created_at=draft.now,
        replaces=replaces,
    )


def _withdraw(draft: Draft, deployment: Deployment) -> None:
    """What holds nothing on any node ends at once: no node will say that it has stopped."""
    for replica in draft.members(deployment.deployment_id):
        if replica.is_wanted:
            continue
        if replica.phase is Phase.PENDING:
            draft.move(replica.replica_id, ReplicaEvent.WITHDRAWN, reason=replica.desired_reason, rejections=())
        elif replica.is_spent:
            draft.move(replica.replica_id, ReplicaEvent.STOPPED, reason=replica.desired_reason)

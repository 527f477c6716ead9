"""Failed engines: at once after the first failure, then with growing pauses, as a new attempt on the same node.

After a few failures in a row on one node another one is tried, if any can take the replica: it may be the node's
fault. After many in a row, wherever they happened, the replica rests and holds nothing, until somebody restarts its
version: an engine that cannot start must not be started for ever.
"""

from roundhouse_common.contracts.node import ReplicaReport
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.crowding import is_crowded
from roundhouse_scheduler.domain.plan import Draft, FailureForgotten, FailureSeen, Noted
from roundhouse_scheduler.domain.records import Deployment, Refusal, Replica, VersionFailure
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["backoff_s", "forget_failures", "note_failure", "restart_failed"]


def backoff_s(failures: int, rules: Rules) -> float:
    """Return the pause before the next start after so many failures in a row: 0, 1, 2, 4, ... up to the ceiling."""
    if failures <= 1:
        return 0.0
    doublings = min(failures - 2, 32)
    return min(rules.backoff_max_s, rules.backoff_first_s * 2.0**doublings)


def note_failure(
    draft: Draft, replica: Replica, *, reason: Reason, detail: str, entry: ReplicaReport | None = None
) -> None:
    """Record that an engine failed, and when it may start again. One that its node's operator stopped did not fail:
    it starts at once when the node is back, and nothing is counted.
    """
    counts = int(reason is not Reason.NODE_SHUTDOWN)
    is_forgotten = not _is_failing(draft, replica)
    failures = counts + (0 if is_forgotten else replica.failures)
    pause_s = backoff_s(failures, draft.rules) if counts else 0.0
    if reason is Reason.ENGINE_UNRESPONSIVE:
        pause_s = max(pause_s, draft.rules.unresponsive_patience_s)
    cause = f"{reason.value}: {detail}" if detail else reason.value
    log_tail = entry.log_tail if entry is not None else ()
    if counts and not any(_is_failing(draft, item) for item in _of_version(draft, replica)):
        _keep_first(draft, replica, reason=reason, detail=detail or reason.value, log_tail=log_tail)
    draft.move(
        replica.replica_id,
        ReplicaEvent.FAILED,
        reason=reason,
        detail=detail,
        is_serving=False,
        failures=failures,
        node_failures=counts + (0 if is_forgotten else replica.node_failures),
        retry_at=draft.now + pause_s,
        last_failure=f"after {cause}",
        pid=entry.pid if entry is not None else 0,
        exit_code=entry.exit_code if entry is not None else None,
        log_tail=log_tail,
        missing_since=None,
        overdue_since=None,
    )
    if pause_s > 0.0:
        waiting = f"{cause}; attempt {replica.attempt + 1} starts in {pause_s:.0f} s"
        draft.move(replica.replica_id, ReplicaEvent.FAILED, reason=Reason.RESTART_BACKOFF, detail=waiting)


def _is_failing(draft: Draft, replica: Replica) -> bool:
    """Whether it failed and has not been ready for long since."""
    ready_s = draft.now - replica.ready_since if replica.ready_since is not None else 0.0
    return replica.failures > 0 and ready_s < draft.rules.forget_failures_after_s


def _of_version(draft: Draft, replica: Replica) -> list[Replica]:
    return [item for item in draft.of(replica.deployment_id) if item.version_id == replica.version_id]


def _keep_first(draft: Draft, replica: Replica, *, reason: Reason, detail: str, log_tail: tuple[str, ...]) -> None:
    """The first error of a series is what people need; those after it often only follow from it."""
    failure = VersionFailure(
        at=draft.now,
        replica_id=replica.replica_id,
        node_id=replica.node_id,
        reason=reason,
        detail=detail,
        log_tail=log_tail,
    )
    draft.actions.append(FailureSeen(version_id=replica.version_id, failure=failure))


def forget_failures(draft: Draft) -> None:
    """Where somebody restarted a version: what failed starts at once, what rests looks for a node again."""
    for deployment in draft.focus_deployments():
        if deployment.restarts > deployment.restarts_done:
            _restart_version(draft, deployment)


def _restart_version(draft: Draft, deployment: Deployment) -> None:
    mine = [item for item in draft.of(deployment.deployment_id) if item.version_id == deployment.version_id]
    failing = [item for item in mine if item.is_wanted and (item.failures > 0 or item.is_spent)]
    for replica in failing:
        refusals = tuple(item for item in replica.refusals if not item.is_soft)
        draft.edit(replica.replica_id, failures=0, node_failures=0, retry_at=None, refusals=refusals)
        if replica.is_spent:
            _displace(draft, replica, reason=Reason.CREATED, detail="its version was restarted", is_spent=False)
    draft.actions.append(
        Noted(
            deployment_id=deployment.deployment_id,
            kind="restarts.cleared",
            reason="version_restarted",
            detail=f"version {deployment.version_number} was restarted: {len(failing)} failing replicas start afresh",
        )
    )
    draft.actions.append(FailureForgotten(version_id=deployment.version_id))
    is_rolling = deployment.rollout_began_at is not None
    draft.edit_deployment(
        deployment.deployment_id,
        restarts_done=deployment.restarts,
        failed_version_id="",
        rollout_progress_at=draft.now if is_rolling else None,
    )


def restart_failed(draft: Draft) -> None:
    """Start failed engines again whose pause is over, or let them rest; move them off a node that is going away."""
    for replica in draft.focus_replicas():
        if replica.gang_id:
            continue  # its gang starts anew as a whole (gangs/tend.py)
        if replica.phase is not Phase.FAILED or not replica.is_held or not replica.is_wanted:
            continue
        if replica.node_id in draft.late:
            continue
        if draft.nodes[replica.node_id].is_shutting_down:
            if replica.pid == 0:
                detail = f"node {replica.node_id} is shutting down"
                _displace(draft, replica, reason=Reason.NODE_SHUTDOWN, detail=detail)
        elif _is_beyond_budget(draft, replica):
            _rest(draft, replica)
        elif replica.retry_at is None or draft.now >= replica.retry_at:
            _retry(draft, replica)
        else:
            draft.look_again(replica.retry_at, replica_id=replica.replica_id)


def _is_beyond_budget(draft: Draft, replica: Replica) -> bool:
    """Only once nothing of it is left on the node: until then it holds its claim, and a hung engine is ended by
    starting it afresh."""
    budget = draft.deployments[replica.deployment_id].failure_budget
    return 0 < budget <= replica.failures and replica.pid == 0


def _rest(draft: Draft, replica: Replica) -> None:
    cause = replica.last_failure.removeprefix("after ")
    name = draft.deployments[replica.deployment_id].name
    restart = f"roundhouse versions restart {name} {replica.version_number}"
    draft.move(
        replica.replica_id,
        ReplicaEvent.FAILED,
        reason=Reason.FAILURE_BUDGET_SPENT,
        detail=f"it failed {replica.failures} times in a row and rests until `{restart}`; last: {cause}",
        retry_at=None,
        is_spent=True,
    )


def _retry(draft: Draft, replica: Replica) -> None:
    if replica.node_failures >= draft.rules.relocate_after_failures and replica.pid == 0:
        _relocate(draft, replica)
        return
    if replica.pid == 0 and is_crowded(draft, replica):
        detail = f"an engine that the record had lost runs in its place on {replica.node_id}"
        _displace(draft, replica, reason=replica.reason, detail=detail)
        return
    draft.move(
        replica.replica_id,
        ReplicaEvent.RETRIED,
        reason=replica.reason,
        detail=replica.last_failure,
        attempt=replica.attempt + 1,
        retry_at=None,
    )


def _relocate(draft: Draft, replica: Replica) -> None:
    """Look for another node; if there is none it comes back to this one at once, and after as many failures again."""
    until = draft.now + draft.rules.relocation_s
    detail = f"it failed {replica.node_failures} times in a row here: {replica.last_failure.removeprefix('after ')}"
    soft = Refusal(node_id=replica.node_id, detail=detail, until=until, is_soft=True)
    others = tuple(item for item in replica.refusals if item.node_id != replica.node_id and item.until > draft.now)
    where = draft.nodes[replica.node_id].inventory.hostname
    _displace(
        draft,
        replica,
        reason=Reason.RESTART_BACKOFF,
        detail=f"it failed {replica.node_failures} times in a row on {where}: another node is tried first",
        refusals=(*others, soft),
    )


def _displace(draft: Draft, replica: Replica, *, reason: Reason, detail: str, **changes: object) -> None:
    """Its engine is down: it looks for a node again. The attempt grows, for it may be the same node. `changes` are
    further fields of the replica."""
    draft.move(
        replica.replica_id,
        ReplicaEvent.DISPLACED,
        reason=reason,
        detail=detail,
        node_id="",
        device_uuids=(),
        attempt=replica.attempt + 1,
        node_failures=0,
        retry_at=None,
        **changes,
    )

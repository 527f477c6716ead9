"""How far a rollout is: its beginning, pauses, progress, end and failure, each told once in the timeline.

The record knows that a rollout is under way (`rollout_began_at`, set when a spec names another version) and when it
last came further. Time in which nothing was wanted of it, or in which we could not hear, does not count against it, nor
does time in which files of it are being fetched or its engine installed, as long as these come further.
"""

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.plan import Draft, FailureForgotten, Noted, VersionGivenUp
from roundhouse_scheduler.domain.provisioning.preparing import last_advance
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.rollout.census import Census, available_at
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import in_words, is_serving

__all__ = ["follow_rollout"]

_PREPARING_NOTED_EVERY_S = 30.0
"""What a transfer adds to `rollout_progress_at` is written down this often: a scheduler that takes over knows it."""


def follow_rollout(draft: Draft, deployment: Deployment, census: Census) -> Deployment:
    """Note what became of the rollout of a deployment and return it as it is after that."""
    if deployment.rollout_began_at is None:
        return deployment
    if deployment.rollout_progress_at is None:
        deployment = _begin(draft, deployment)
    deployment = _hold(draft, deployment)
    deployment = _advance(draft, deployment, census)
    if _is_complete(deployment, census):
        return _finish(draft, deployment)
    is_judged = deployment.rollout.is_rolled_back and not deployment.failed_version_id
    if is_judged and deployment.rollout_paused_at is None:
        return _judge(draft, deployment, census)
    return deployment


def _tell(draft: Draft, deployment: Deployment, kind: str, detail: str) -> None:
    draft.actions.append(
        Noted(deployment_id=deployment.deployment_id, kind=f"rollout.{kind}", reason=kind, detail=detail)
    )


def _versions(deployment: Deployment) -> str:
    return f"version {deployment.rollout_from_number} -> {deployment.version_number}"


def _begin(draft: Draft, deployment: Deployment) -> Deployment:
    strategy = deployment.rollout.strategy.value
    _tell(draft, deployment, "began", f"{_versions(deployment)}, {strategy}, {deployment.wanted_replicas} replicas")
    return draft.edit_deployment(deployment.deployment_id, rollout_progress_at=draft.now)


def _hold(draft: Draft, deployment: Deployment) -> Deployment:
    """A rollout is held while somebody paused it, and while no replicas are wanted, which proves nothing either way."""
    is_held = deployment.is_paused or deployment.wanted_replicas == 0
    if is_held is (deployment.rollout_paused_at is not None):
        return deployment
    if is_held:
        why = "it is paused" if deployment.is_paused else "no replicas are wanted"
        _tell(draft, deployment, "paused", f"{_versions(deployment)}: {why}")
        return draft.edit_deployment(deployment.deployment_id, rollout_paused_at=draft.now)
    _tell(draft, deployment, "resumed", _versions(deployment))
    return draft.edit_deployment(deployment.deployment_id, rollout_paused_at=None, rollout_progress_at=draft.now)


def _advance(draft: Draft, deployment: Deployment, census: Census) -> Deployment:
    moments = [
        since
        for item in (*census.current, *census.leaving)
        if item.replica_id in census.available
        and (since := available_at(item, deployment.rollout)) is not None
        and since > (deployment.rollout_progress_at or 0.0)
    ]
    prepared_at = _prepared_at(draft, deployment)
    if prepared_at - (deployment.rollout_progress_at or 0.0) >= _PREPARING_NOTED_EVERY_S:
        moments.append(prepared_at)
    if not moments:
        return deployment
    return draft.edit_deployment(deployment.deployment_id, rollout_progress_at=max(moments))


def _prepared_at(draft: Draft, deployment: Deployment) -> float:
    """Return when files or an engine that replicas of the new version wait for last came further."""
    waiting = [
        item
        for item in draft.members(deployment.deployment_id)
        if item.version_id == deployment.version_id and item.is_wanted and item.phase is not Phase.READY
    ]
    return last_advance(waiting, draft.view.versions, draft.view.advances)


def _is_complete(deployment: Deployment, census: Census) -> bool:
    wanted = deployment.wanted_replicas
    return wanted > 0 and not census.old and census.available_of((*census.current, *census.leaving)) >= wanted


def _finish(draft: Draft, deployment: Deployment) -> Deployment:
    took_s = draft.now - (deployment.rollout_began_at or draft.now)
    number, ready = deployment.version_number, deployment.wanted_replicas
    _tell(draft, deployment, "finished", f"all {ready} replicas run version {number} after {took_s:.0f} s")
    draft.actions.append(FailureForgotten(version_id=deployment.version_id))
    return draft.edit_deployment(
        deployment.deployment_id,
        rollout_began_at=None,
        rollout_progress_at=None,
        rollout_paused_at=None,
        failed_version_id="",
    )


def _judge(draft: Draft, deployment: Deployment, census: Census) -> Deployment:
    mine = (*census.current, *census.leaving)
    culprit = _culprit(mine, census, draft.rules)
    if culprit is not None:
        cause = culprit.last_failure.removeprefix("after ") or culprit.detail
        return _give_up(draft, deployment, culprit, f"a replica failed {culprit.failures} times in a row: {cause}")
    deadline_s = deployment.rollout.progress_deadline_s
    since = max(deployment.rollout_progress_at or draft.now, _prepared_at(draft, deployment))
    passed_s = min(draft.now - since, draft.view.trusted_s)
    if passed_s < deadline_s:
        draft.look_again(draft.now + deadline_s - passed_s + 0.001, deployment_id=deployment.deployment_id)
        return deployment
    waiting = [item for item in mine if item.replica_id not in census.available]
    worst = max(waiting, key=lambda item: (item.failures, item.phase is Phase.PENDING, item.replica_id), default=None)
    rest = f": {in_words(worst)}" if worst is not None else ""
    return _give_up(draft, deployment, worst, f"no further replica became available within {deadline_s:g} s{rest}")


def _culprit(mine: tuple[Replica, ...], census: Census, rules: Rules) -> Replica | None:
    """Return the replica for whose failures the version is to blame. While others of it are available it may be the
    node's fault: then it must have failed on another node too, or for good."""
    is_proven = census.available_of(mine) > 0
    failing = [
        item
        for item in mine
        if item.failures >= rules.error_after_failures
        and (not is_proven or item.is_spent or item.failures > item.node_failures)
    ]
    return max(failing, key=lambda item: (item.failures, item.replica_id), default=None)


def _give_up(draft: Draft, deployment: Deployment, culprit: Replica | None, detail: str) -> Deployment:
    others = [item for item in draft.of(deployment.deployment_id) if item.version_id != deployment.version_id]
    draft.actions.append(
        VersionGivenUp(
            deployment_id=deployment.deployment_id,
            generation=deployment.generation,
            version_id=deployment.version_id,
            version_number=deployment.version_number,
            replica_id=culprit.replica_id if culprit is not None else "",
            node_id=culprit.node_id if culprit is not None else "",
            reason=Reason.VERSION_FAILED,
            detail=detail,
            log_tail=culprit.log_tail if culprit is not None else (),
            serving_number=max((item.version_number for item in others if is_serving(item)), default=0),
        )
    )
    _tell(draft, deployment, "failed", f"{_versions(deployment)}: {detail}")
    return draft.edit_deployment(deployment.deployment_id, failed_version_id=deployment.version_id)

"""The state of one version as its user sees it, derived from the phases of its replicas.

A version is active while it is the wanted one of a deployment that should run, or while a replica of it is left. Error
and Stopped are inactive for any version that is not the wanted one: such a version can be started again or deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, VersionState
from roundhouse_scheduler.domain.records import Deployment, Replica, VersionFailure
from roundhouse_scheduler.domain.rules import Rules

__all__ = ["VersionStatus", "in_words", "is_serving", "version_states", "version_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """The state and, in a sentence, why."""

    state: VersionState
    why: str
    replicas_wanted: int
    replicas_ready: int


def is_serving(replica: Replica) -> bool:
    """Return whether requests reach it: it is ready, or its node is late and it was ready when last heard."""
    return replica.phase is Phase.READY or (replica.phase is Phase.UNKNOWN and replica.is_serving)


def in_words(replica: Replica) -> str:
    """Return what a replica is at, and why."""
    text = f"{replica.phase.value} ({replica.reason.value})"
    return f"{text}: {replica.detail}" if replica.detail else text


def version_states(
    deployment: Deployment, failures: Mapping[str, VersionFailure | None], replicas: Sequence[Replica], rules: Rules
) -> dict[str, VersionState]:
    """Return the state of every version in `failures`; `replicas` are those of the deployment that have not ended."""
    return {
        version_id: version_status(deployment, version_id, failure, replicas, rules).state
        for version_id, failure in failures.items()
    }


def version_status(
    deployment: Deployment,
    version_id: str,
    failure: VersionFailure | None,
    replicas: Sequence[Replica],
    rules: Rules,
) -> VersionStatus:
    """Return the state of one version; replicas of others and those that have ended count for nothing.

    Neither do LOST ones: what can be known of them was settled when they were given up.
    """
    mine = [item for item in replicas if item.version_id == version_id and item.ended_at is None]
    present = [item for item in mine if item.phase is not Phase.LOST]
    whole = [item for item in present if item.gang_rank == 0]
    ready = sum(1 for item in whole if item.phase is Phase.READY and item.is_wanted)
    wanted = 0
    if deployment.desired is DeploymentDesired.RUN and version_id == deployment.version_id:
        wanted = deployment.wanted_replicas
        state, why = _wanted(deployment, whole, failure, rules)
    elif present:
        state, why = VersionState.SHUTTING_DOWN, _leaving(present)
    elif version_id != deployment.version_id and failure is not None and failure.is_fatal:
        state, why = VersionState.ERROR, failure.detail
    else:
        state, why = VersionState.STOPPED, _stopped(deployment, version_id, lost=len(mine))
    return VersionStatus(state=state, why=why, replicas_wanted=wanted, replicas_ready=ready)


def _wanted(
    deployment: Deployment, present: Sequence[Replica], failure: VersionFailure | None, rules: Rules
) -> tuple[VersionState, str]:
    wanted = deployment.wanted_replicas
    if deployment.failed_version_id == deployment.version_id:
        return VersionState.ERROR, failure.detail if failure is not None else "it failed while it was rolled out"
    if wanted == 0:
        return VersionState.RUNNING, _nothing_wanted(deployment)
    serving = [item for item in present if item.desired is Desired.RUN and is_serving(item)]
    waiting = [item for item in present if item not in serving and item.desired is Desired.RUN]
    reason = in_words(waiting[0]) if waiting else ""
    if serving:
        return VersionState.RUNNING, _serving(wanted, serving, reason)
    failing = [item for item in waiting if item.is_spent or item.failures >= rules.error_after_failures]
    if failing:
        return VersionState.ERROR, in_words(failing[0])
    return VersionState.PREPARING, reason or "its replicas are being created"


def _serving(wanted: int, serving: Sequence[Replica], waits_for: str) -> str:
    ready = sum(1 for item in serving if item.phase is Phase.READY)
    if ready >= wanted:
        all_ready = "its replica is ready" if ready == 1 else f"all {ready} replicas are ready"
        return f"{all_ready}; one more is to take the place of one of them: {waits_for}" if waits_for else all_ready
    why = f"{ready} of {wanted} replicas are ready"
    unknown = [item for item in serving if item.phase is Phase.UNKNOWN]
    rest = waits_for or (in_words(unknown[0]) if unknown else "")
    return f"{why}; {rest}" if rest else why


def _nothing_wanted(deployment: Deployment) -> str:
    if deployment.is_sleeping:
        return f"it sleeps ({deployment.target_reason.value}); the next request wakes it"
    return "no replicas are wanted"


def _leaving(present: Sequence[Replica]) -> str:
    serving = sum(1 for item in present if item.is_wanted and is_serving(item))
    if serving:
        return f"{serving} of its replicas serve until the next version takes over"
    return f"{len(present)} of its replicas are still stopping"


def _stopped(deployment: Deployment, version_id: str, *, lost: int) -> str:
    if lost:
        return f"{lost} replicas on unreachable nodes will be stopped if these return"
    if version_id == deployment.version_id:
        return "stopped as asked"
    return f"version {deployment.version_number} is the wanted one"

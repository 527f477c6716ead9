"""A deployment's state as its user sees it, derived from its replicas."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.rules import Rules

__all__ = ["DeploymentState", "DeploymentStatus", "status_of"]


class DeploymentState(enum.StrEnum):
    """The words of the product."""

    PREPARING = "Preparing"
    RUNNING = "Running"
    SHUTTING_DOWN = "Shutting Down"
    STOPPED = "Stopped"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """The state and, in a sentence, why."""

    state: DeploymentState
    why: str
    replicas_wanted: int
    replicas_ready: int


def status_of(deployment: Deployment, replicas: Sequence[Replica], rules: Rules) -> DeploymentStatus:
    """Return the state of a deployment; `replicas` are its replicas that have not ended.

    LOST replicas count for nothing here: what can be known of them was settled when they were given up.
    """
    present = [item for item in replicas if item.phase is not Phase.LOST]
    ready = sum(1 for item in present if item.phase is Phase.READY and item.desired is Desired.RUN)
    if deployment.desired is not DeploymentDesired.RUN:
        state, why = _ending(present, len(replicas) - len(present))
        wanted = 0
    else:
        wanted = deployment.replicas
        state, why = _running(deployment, present, ready, rules)
    return DeploymentStatus(state=state, why=why, replicas_wanted=wanted, replicas_ready=ready)


def _ending(present: Sequence[Replica], lost: int) -> tuple[DeploymentState, str]:
    if present:
        return DeploymentState.SHUTTING_DOWN, f"{len(present)} of its replicas are still stopping"
    if lost:
        return DeploymentState.STOPPED, f"{lost} replicas on unreachable nodes will be stopped if these return"
    return DeploymentState.STOPPED, "stopped as asked"


def _running(
    deployment: Deployment, present: Sequence[Replica], ready: int, rules: Rules
) -> tuple[DeploymentState, str]:
    if deployment.replicas == 0:
        return DeploymentState.RUNNING, "no replicas are wanted"
    serving = [
        item for item in present if item.desired is Desired.RUN and (item.is_serving or item.phase is Phase.READY)
    ]
    waiting = [item for item in present if item not in serving and item.desired is Desired.RUN]
    reason = _words(waiting[0]) if waiting else ""
    if serving:
        if ready >= deployment.replicas:
            return DeploymentState.RUNNING, "its replica is ready" if ready == 1 else f"all {ready} replicas are ready"
        why = f"{ready} of {deployment.replicas} replicas are ready"
        unknown = [item for item in serving if item.phase is Phase.UNKNOWN]
        rest = reason or (_words(unknown[0]) if unknown else "")
        return DeploymentState.RUNNING, f"{why}; {rest}" if rest else why
    failing = [item for item in waiting if item.failures >= rules.error_after_failures]
    if failing:
        return DeploymentState.ERROR, _words(failing[0])
    return DeploymentState.PREPARING, reason or "its replicas are being created"


def _words(replica: Replica) -> str:
    text = f"{replica.phase.value} ({replica.reason.value})"
    return f"{text}: {replica.detail}" if replica.detail else text

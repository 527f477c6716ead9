"""A deployment's state as its user sees it: that of its wanted version, and how far a rollout is."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Phase, VersionState
from roundhouse_scheduler.domain.records import Deployment, Replica, VersionFailure
from roundhouse_scheduler.domain.rollout.status import RolloutStatus, rollout_status
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import is_serving, version_status

__all__ = ["DeploymentStatus", "status_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """The state and, in a sentence, why."""

    state: VersionState
    why: str
    replicas_wanted: int
    replicas_ready: int
    rollout: RolloutStatus | None


def status_of(
    deployment: Deployment,
    replicas: Sequence[Replica],
    rules: Rules,
    *,
    now: float,
    failure: VersionFailure | None = None,
) -> DeploymentStatus:
    """Return the state of a deployment; `replicas` are its replicas that have not ended, `failure` is its wanted
    version's. It is Running as long as any of its replicas serves, of whichever version."""
    present = [item for item in replicas if item.phase is not Phase.LOST]
    whole = [item for item in present if item.gang_rank == 0 and item.is_wanted]
    status = version_status(deployment, deployment.version_id, failure, replicas, rules)
    state, why = status.state, status.why
    rollout = None
    if deployment.desired is not DeploymentDesired.RUN:
        if present:
            state, why = VersionState.SHUTTING_DOWN, f"{len(present)} of its replicas are still stopping"
    else:
        rollout = rollout_status(deployment, replicas, failure, now=now)
        if any(is_serving(item) for item in whole):
            state = VersionState.RUNNING
        why = rollout.why if rollout is not None else why
    return DeploymentStatus(
        state=state,
        why=why,
        replicas_wanted=status.replicas_wanted,
        replicas_ready=sum(1 for item in whole if item.phase is Phase.READY),
        rollout=rollout,
    )

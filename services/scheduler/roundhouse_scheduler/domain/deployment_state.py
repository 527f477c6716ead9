"""A deployment's state as its user sees it: that of its wanted version, and how far a rollout is."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Phase, VersionState
from roundhouse_scheduler.domain.records import Deployment, Replica, VersionFailure
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import version_status

__all__ = ["DeploymentStatus", "status_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """The state and, in a sentence, why."""

    state: VersionState
    why: str
    replicas_wanted: int
    replicas_ready: int


def status_of(
    deployment: Deployment, replicas: Sequence[Replica], rules: Rules, failure: VersionFailure | None = None
) -> DeploymentStatus:
    """Return the state of a deployment; `replicas` are its replicas that have not ended, `failure` is the wanted
    version's. What an older version still serves makes the deployment Running as well."""
    present = [item for item in replicas if item.phase is not Phase.LOST]
    ready = sum(1 for item in present if item.phase is Phase.READY and item.is_wanted)
    status = version_status(deployment, deployment.version_id, failure, replicas, rules)
    if deployment.desired is not DeploymentDesired.RUN and present:
        state, why = VersionState.SHUTTING_DOWN, f"{len(present)} of its replicas are still stopping"
    else:
        state, why = status.state, status.why
    return DeploymentStatus(state=state, why=why, replicas_wanted=status.replicas_wanted, replicas_ready=ready)

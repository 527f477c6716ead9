"""When a new spec begins a rollout."""

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_scheduler.domain.records import Deployment

__all__ = ["started_rollout"]


def started_rollout(before: Deployment, after: Deployment, at: float) -> Deployment:
    """Return a deployment whose spec has just changed, with a rollout begun where it names another version.

    A version that failed gets another chance with every change of the spec. It keeps being the failed one only while
    an older version takes its place again: that one ran before, and nothing is gained by going back from it.
    """
    if after.version_id == before.version_id:
        is_started = before.desired is not DeploymentDesired.RUN and after.desired is DeploymentDesired.RUN
        if is_started and before.rollout_began_at is not None:
            after = _begun(after, before.rollout_from_number, at)
        if before.failed_version_id == after.version_id:
            after = msgspec.structs.replace(after, failed_version_id="", rollout_progress_at=at)
        return after
    is_going_back = before.failed_version_id == before.version_id and after.version_number < before.version_number
    failed = before.failed_version_id if is_going_back else ""
    return msgspec.structs.replace(_begun(after, before.version_number, at), failed_version_id=failed)


def _begun(deployment: Deployment, from_number: int, at: float) -> Deployment:
    return msgspec.structs.replace(
        deployment,
        rollout_began_at=at,
        rollout_progress_at=None,
        rollout_paused_at=None,
        rollout_from_number=from_number,
    )

"""Deployments' and versions' states as REST shows them."""

from pydantic import BaseModel, Field

from roundhouse_common.contracts.scheduler import Reason, VersionState
from roundhouse_common.http import Timestamp
from roundhouse_scheduler.domain.deployment_state import DeploymentStatus
from roundhouse_scheduler.domain.records import Deployment, VersionFailure
from roundhouse_scheduler.domain.rollout.status import RolloutStatus
from roundhouse_scheduler.domain.version_state import VersionStatus
from roundhouse_scheduler.store.versions import VersionRow

__all__ = ["DeploymentStatusView", "FailureView", "RolloutView", "VersionStateView"]


class RolloutView(BaseModel):
    """One version on its way to take over from another."""

    version_number: int
    from_version_number: int
    updated: int = Field(description="Replicas of the new version that are there, ready or not.")
    available: int = Field(description="Those of them that have been ready for `min_ready_s`.")
    wanted: int
    began_at: Timestamp
    why: str

    @classmethod
    def of(cls, status: RolloutStatus) -> "RolloutView":
        """Return the view of a rollout."""
        return cls(
            version_number=status.version_number,
            from_version_number=status.from_version_number,
            updated=status.updated,
            available=status.available,
            wanted=status.wanted,
            began_at=status.began_at,
            why=status.why,
        )


class DeploymentStatusView(BaseModel):
    """A deployment's state as it is, beside the catalog's wish."""

    deployment_id: str
    name: str
    project_id: str = Field(description="Empty: of no project.")
    state: VersionState
    why: str
    replicas_wanted: int
    replicas_ready: int
    generation: int = Field(description="The generation of the spec that this state answers.")
    is_paused: bool
    is_sleeping: bool = Field(description="It was idle, or others needed its room; a request wakes it.")
    target_replicas: int | None = Field(description="What automatic scaling wants; null: as the spec says.")
    target_reason: Reason | None
    rollout: RolloutView | None = Field(description="Null when no rollout is under way.")

    @classmethod
    def of(cls, deployment: Deployment, status: DeploymentStatus) -> "DeploymentStatusView":
        """Return the view of a state."""
        is_targeted = deployment.target_replicas is not None
        return cls(
            deployment_id=deployment.deployment_id,
            name=deployment.name,
            project_id=deployment.project_id,
            state=status.state,
            why=status.why,
            replicas_wanted=status.replicas_wanted,
            replicas_ready=status.replicas_ready,
            generation=deployment.generation,
            is_paused=deployment.is_paused,
            is_sleeping=deployment.is_sleeping,
            target_replicas=deployment.target_replicas,
            target_reason=deployment.target_reason if is_targeted else None,
            rollout=None if status.rollout is None else RolloutView.of(status.rollout),
        )


class FailureView(BaseModel):
    """The first error of a version since it was last started or rolled out, with its diagnosis."""

    at: Timestamp
    reason: Reason
    detail: str
    replica_id: str | None
    node_id: str | None
    log_tail: list[str] = Field(description="The decisive last lines of the engine's log.")

    @classmethod
    def of(cls, failure: VersionFailure) -> "FailureView":
        """Return the view of a failure."""
        return cls(
            at=failure.at,
            reason=failure.reason,
            detail=failure.detail,
            replica_id=failure.replica_id or None,
            node_id=failure.node_id or None,
            log_tail=list(failure.log_tail),
        )


class VersionStateView(BaseModel):
    """One version that the scheduler has seen, as it is."""

    version_id: str
    number: int
    state: VersionState
    why: str
    replicas_wanted: int
    replicas_ready: int
    is_active: bool = Field(description="It is the one that is wanted; at most one of a deployment is.")
    failure: FailureView | None

    @classmethod
    def of(cls, row: VersionRow, status: VersionStatus, *, is_active: bool) -> "VersionStateView":
        """Return the view of a version."""
        return cls(
            version_id=row.version_id,
            number=row.spec.number,
            state=status.state,
            why=status.why,
            replicas_wanted=status.replicas_wanted,
            replicas_ready=status.replicas_ready,
            is_active=is_active,
            failure=None if row.failure is None else FailureView.of(row.failure),
        )

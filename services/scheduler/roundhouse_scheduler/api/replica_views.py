"""Replicas, deployments' states and timelines as REST shows them."""

from pydantic import BaseModel, Field

from roundhouse_common.contracts.node import LogChunk, ReplicaLoad
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_common.http import Timestamp
from roundhouse_scheduler.domain.records import RejectionReason, Replica
from roundhouse_scheduler.store.pages import Event, Owner

__all__ = ["EventView", "GangView", "LoadView", "LogView", "RejectionView", "ReplicaView"]


class RejectionView(BaseModel):
    """Why one node cannot take a replica."""

    node_id: str
    device_uuid: str = Field(description="Empty when it is about the node as a whole.")
    reason: RejectionReason
    detail: str


class LoadView(BaseModel):
    """The last sample of the engine's own metrics."""

    running: int
    waiting: int


class GangView(BaseModel):
    """Of which replica over several nodes it is a member, and where all members meet."""

    id: str = Field(description="The same for all members, over all epochs.")
    rank: int = Field(description="0 leads: it takes the requests.")
    size: int
    epoch: int = Field(description="Grows whenever all start anew; members of two epochs never run together.")
    address: str = Field(description="Of rank 0's node; empty until it is placed.")
    port: int = Field(description="Another one in each epoch; 0 until it is placed.")

    @classmethod
    def of(cls, replica: Replica) -> "GangView | None":
        """Return the membership of a replica, or None when it is on one node."""
        if not replica.gang_id:
            return None
        return cls(
            id=replica.gang_id,
            rank=replica.gang_rank,
            size=replica.gang_size,
            epoch=replica.gang_epoch,
            address=replica.gang_address,
            port=replica.gang_port,
        )


class ReplicaView(BaseModel):
    """One copy of one version."""

    id: str
    deployment_id: str
    deployment_name: str
    project_id: str = Field(description="Its deployment's; empty: of no project.")
    version_id: str
    version_number: int
    node_id: str = Field(description="Empty until it is placed.")
    device_uuids: list[str]
    phase: Phase
    desired: Desired
    reason: Reason
    detail: str = Field(description="In words; while it fetches files or installs its engine, how far that is now.")
    attempt: int
    failures: int = Field(
        description="In a row, until it was ready for long; it rests when they reach the deployment's `failure_budget`."
    )
    is_resting: bool = Field(description="It failed too often in a row, and waits until its version is restarted.")
    retry_at: Timestamp | None = Field(description="When it is started again after a failure.")
    since: Timestamp
    created_at: Timestamp
    ended_at: Timestamp | None
    alternative: str = Field(
        description="Of the version's alternatives the one it runs as; empty: as the version says."
    )
    memory_claimed_bytes: int = Field(
        description="What was predicted from the model's files, or stated: host memory, or memory on each device."
    )
    memory_measured_bytes: int | None = Field(
        description="The most that its engine was seen to take, on its fullest device or of host memory; null until"
        " then, and where a device does not tell."
    )
    gang: GangView | None = Field(description="Null for a replica on one node.")
    base_url: str
    pid: int
    exit_code: int | None
    log_tail: list[str] = Field(description="The decisive last lines of a failed engine's log.")
    rejections: list[RejectionView] = Field(description="While pending: why not, for each node.")
    load: LoadView | None

    @classmethod
    def of(cls, replica: Replica, owner: Owner, load: ReplicaLoad | None) -> "ReplicaView":
        """Return the view of a replica. The engine's key is not part of it."""
        return cls(
            id=replica.replica_id,
            deployment_id=replica.deployment_id,
            deployment_name=owner.name,
            project_id=owner.project_id,
            version_id=replica.version_id,
            version_number=replica.version_number,
            node_id=replica.node_id,
            device_uuids=list(replica.device_uuids),
            phase=replica.phase,
            desired=replica.desired,
            reason=replica.reason,
            detail=replica.detail,
            attempt=replica.attempt,
            failures=replica.failures,
            is_resting=replica.is_spent,
            retry_at=replica.retry_at,
            since=replica.since,
            created_at=replica.created_at,
            ended_at=replica.ended_at,
            alternative=replica.alternative,
            memory_claimed_bytes=replica.resources.memory_bytes,
            memory_measured_bytes=replica.memory_bytes or None,
            gang=GangView.of(replica),
            base_url=replica.base_url,
            pid=replica.pid,
            exit_code=replica.exit_code,
            log_tail=list(replica.log_tail),
            rejections=[
                RejectionView(
                    node_id=item.node_id, device_uuid=item.device_uuid, reason=item.reason, detail=item.detail
                )
                for item in replica.rejections
            ],
            load=None if load is None else LoadView(running=load.running, waiting=load.waiting),
        )


class EventView(BaseModel):
    """One line of a deployment's timeline."""

    id: str
    at: Timestamp
    kind: str = Field(description="e.g. deployment.changed, rollout.began, replica.created, replica.phase.")
    replica_id: str | None
    before: str | None
    after: str | None
    reason: str
    detail: str
    actor: str

    @classmethod
    def of(cls, event: Event) -> "EventView":
        """Return the view of an event."""
        return cls(
            id=event.event_id,
            at=event.at,
            kind=event.kind,
            replica_id=event.replica_id or None,
            before=event.before or None,
            after=event.after or None,
            reason=event.reason,
            detail=event.detail,
            actor=event.actor,
        )


class LogView(BaseModel):
    """A range of an engine's log."""

    replica_id: str
    offset: int
    next_offset: int = Field(description="Send it as `offset` to go on.")
    text: str
    is_truncated: bool
    error: str = Field(description="Why there is no log, in words.")

    @classmethod
    def of(cls, chunk: LogChunk) -> "LogView":
        """Return the view of a chunk."""
        return cls(**{name: getattr(chunk, name) for name in cls.model_fields})

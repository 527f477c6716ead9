"""Settings of the scheduler, from `ROUNDHOUSE_SCHEDULER_*`."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from roundhouse_common.nats_auth.authority import NodeAuthority
from roundhouse_common.service import SqlSettings
from roundhouse_scheduler.domain.joining import Approval
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.housekeeping import Retention
from roundhouse_scheduler.loops.leadership import LeaseRules

__all__ = ["SchedulerSettings"]

_DAY_S = 86_400.0


class SchedulerSettings(SqlSettings):
    """What the scheduler can be told, beside what every service with a database can."""

    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_SCHEDULER_")

    port: int = Field(default=8802, ge=0, le=65535)
    heartbeat_interval_s: float = Field(default=3.0, gt=0, le=60)
    """How often nodes send a sign of life."""
    lease_s: float = Field(default=15.0, gt=0, le=600)
    """So long silent and a node is late. At least a few heartbeats."""
    leader_lease_s: float = Field(default=15.0, ge=3, le=300)
    """Of several schedulers on one database the standby takes over when the leader has not renewed for so long."""
    brake_share: float = Field(default=0.2, ge=0, le=1)
    """When more than this share of the nodes is silent together, nothing is given up (docs/decisions)."""
    brake_floor: int = Field(default=1, ge=0)
    """So many silent nodes never hold the brake, however few nodes there are."""
    brake_window_s: float = Field(default=600.0, ge=0)
    """A node given up this recently counts as silent."""
    refusal_s: float = Field(default=60.0, ge=0)
    """How long a node that refused a replica is not asked again."""
    evict_idle_s: float = Field(default=5.0, ge=0)
    """A deployment makes room for another only after it was ready and unused for so long. More than two intervals in
    which routers tell of their demand."""
    unresponsive_patience_s: float = Field(default=30.0, ge=0)
    """How long an engine that lives but does not answer is left alone."""
    events_kept_s: float = Field(default=30 * _DAY_S, gt=0)
    """How long the timeline of deployments is kept."""
    ended_replicas_kept_s: float = Field(default=7 * _DAY_S, gt=0)
    """How long replicas that ended are listed."""

    nats_authority_file: Path | None = None
    """What nodes' credentials are signed with, as `roundhouse up` writes it; without it no node joins by token."""
    node_nats_url: str = ""
    """Where nodes of other hosts reach NATS; empty: as the scheduler does. A host of 0.0.0.0 is told as the one that
    the joining host has reached the scheduler by."""
    approve_nodes: Approval = Approval.AUTO
    """What a node that joins by token waits for: nothing (auto), or an administrator's approval (manual)."""
    join_failures_per_minute: int = Field(default=10, ge=1)
    """How often one address may try a wrong token before it is told to wait."""

    @field_validator("nats_authority_file")
    @classmethod
    def _check_authority(cls, path: Path | None) -> Path | None:
        try:
            if path is not None:
                NodeAuthority.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from error
        return path

    def authority(self) -> NodeAuthority | None:
        """Return what nodes' credentials are signed with, if there is any."""
        if self.nats_authority_file is None:
            return None
        return NodeAuthority.loads(self.nats_authority_file.read_text(encoding="utf-8"))

    def rules(self) -> Rules:
        """Return the numbers that decisions depend on."""
        return Rules(
            heartbeat_interval_s=self.heartbeat_interval_s,
            lease_s=self.lease_s,
            second_look_s=self.heartbeat_interval_s,
            brake_share=self.brake_share,
            brake_floor=self.brake_floor,
            brake_window_s=self.brake_window_s,
            refusal_s=self.refusal_s,
            unresponsive_patience_s=self.unresponsive_patience_s,
            evict_idle_s=self.evict_idle_s,
        )

    def lease_rules(self) -> LeaseRules:
        """Return how the leadership is kept: renewed often enough to fail five times before it is given up."""
        return LeaseRules(lease_s=self.leader_lease_s, renew_every_s=self.leader_lease_s / 7.5)

    def retention(self) -> Retention:
        """Return how long history is kept."""
        return Retention(events_s=self.events_kept_s, replicas_s=self.ended_replicas_kept_s)

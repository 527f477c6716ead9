"""The tables. Columns are named as the fields of the records, so that a row is a record."""

import enum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

from roundhouse_common.contracts.catalog import (
    Autoscale,
    DeploymentDesired,
    EngineKind,
    ModelKind,
    ModelSource,
    Resources,
    Rollout,
    VersionSpec,
)
from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.provisioning import FileWish, InstallMethod
from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase, Reason
from roundhouse_common.database import Json, UnixSeconds, idempotency_table, outbox_table
from roundhouse_scheduler.domain.provisioning.orders import NodeSelector
from roundhouse_scheduler.domain.records import NodeDuty, NodeState, Quarantine, Refusal, Rejection, VersionFailure
from roundhouse_scheduler.domain.switching.switch import SwitchState, SwitchStep, Victim

__all__ = [
    "counters",
    "deployments",
    "engine_orders",
    "events",
    "file_orders",
    "idempotency",
    "join_tokens",
    "leadership",
    "metadata",
    "node_events",
    "node_keys",
    "nodes",
    "order_documents",
    "outbox",
    "removals",
    "replicas",
    "switches",
    "versions",
]

metadata = MetaData()

_ID = String(64)
_NAME = String(255)


class EnumText(TypeDecorator[Any]):  # Any: the enum that the column names
    """An enum as its value."""

    impl = String(40)
    cache_ok = True

    def __init__(self, values: type[enum.StrEnum]) -> None:
        super().__init__()
        self.values = values

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.values(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.values(value)


nodes = Table(
    "nodes",
    metadata,
    Column("node_id", _ID, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("incarnation", _NAME, nullable=False),
    Column("inventory", Json(NodeInventory), nullable=False),
    Column("state", EnumText(NodeState), nullable=False),
    Column("state_since", UnixSeconds, nullable=False),
    Column("registered_at", UnixSeconds, nullable=False),
    Column("last_heartbeat_at", UnixSeconds, nullable=False),
    Column("report_sequence", BigInteger, nullable=False),
    Column("is_shutting_down", Boolean, nullable=False),
    Column("is_given_up", Boolean, nullable=False),
    Column("assignments_revision", BigInteger, nullable=False),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("region", _NAME, nullable=False),
    Column("zone", _NAME, nullable=False),
    Column("admission", EnumText(NodeAdmission), nullable=False),
    Column("duty", EnumText(NodeDuty), nullable=False),
    Column("duty_since", UnixSeconds, nullable=False),
    Column("duty_reason", Text, nullable=False),
    Column("quarantines", Json(tuple[Quarantine, ...]), nullable=False),
    Column("is_settled", Boolean, nullable=False),
    Column("orphans", Json(tuple[str, ...]), nullable=False),
    Column("row_version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)

deployments = Table(
    "deployments",
    metadata,
    Column("deployment_id", _ID, primary_key=True),
    Column("name", _NAME, nullable=False),
    Column("tenant_id", _ID, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("desired", EnumText(DeploymentDesired), nullable=False),
    Column("replicas", Integer, nullable=False),
    Column("version_id", _ID, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("model_name", _NAME, nullable=False),
    Column("model_kind", EnumText(ModelKind), nullable=False),
    Column("disconnect_grace_s", UnixSeconds, nullable=False),
    Column("drain_timeout_s", UnixSeconds, nullable=False),
    Column("endpoints_revision", BigInteger, nullable=False),
    Column("rollout", Json(Rollout), nullable=False),
    Column("autoscale", Json(Autoscale)),
    Column("is_paused", Boolean, nullable=False),
    Column("is_evictable", Boolean, nullable=False),
    Column("wake_timeout_s", UnixSeconds, nullable=False),
    Column("failure_budget", Integer, nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("target_replicas", Integer),
    Column("target_reason", EnumText(Reason), nullable=False),
    Column("last_used_at", UnixSeconds, nullable=False),
    Column("rollout_began_at", UnixSeconds),
    Column("rollout_progress_at", UnixSeconds),
    Column("rollout_from_number", Integer, nullable=False),
    Column("rollout_paused_at", UnixSeconds),
    Column("failed_version_id", _ID, nullable=False),
    Column("restarts_done", Integer, nullable=False),
    Column("project_id", _ID, nullable=False),
    Column("row_version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)

versions = Table(
    "versions",
    metadata,
    Column("version_id", _ID, primary_key=True),
    Column("deployment_id", _ID, nullable=False, index=True),
    Column("spec", Json(VersionSpec), nullable=False),
    Column("failure", Json(VersionFailure)),
)

replicas = Table(
    "replicas",
    metadata,
    Column("replica_id", _ID, primary_key=True),
    Column("deployment_id", _ID, nullable=False),
    Column("version_id", _ID, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("engine", EnumText(EngineKind), nullable=False),
    Column("resources", Json(Resources), nullable=False),
    Column("engine_api_key", _NAME, nullable=False),
    Column("desired", EnumText(Desired), nullable=False),
    Column("desired_reason", EnumText(Reason), nullable=False),
    Column("phase", EnumText(Phase), nullable=False),
    Column("reason", EnumText(Reason), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since", UnixSeconds, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("ended_at", UnixSeconds),
    Column("node_id", _ID, nullable=False),
    Column("device_uuids", Json(tuple[str, ...]), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("assigned_revision", BigInteger, nullable=False),
    Column("is_serving", Boolean, nullable=False),
    Column("ready_since", UnixSeconds),
    Column("failures", Integer, nullable=False),
    Column("node_failures", Integer, nullable=False),
    Column("retry_at", UnixSeconds),
    Column("last_failure", Text, nullable=False),
    Column("overdue_since", UnixSeconds),
    Column("missing_since", UnixSeconds),
    Column("replaces", _ID, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("served_model", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("log_tail", Json(tuple[str, ...]), nullable=False),
    Column("rejections", Json(tuple[Rejection, ...]), nullable=False),
    Column("refusals", Json(tuple[Refusal, ...]), nullable=False),
    Column("alternative", _NAME, nullable=False),
    Column("is_spent", Boolean, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("features", Json(tuple[str, ...]), nullable=False),
    Column("gang_id", _ID, nullable=False),
    Column("gang_rank", Integer, nullable=False),
    Column("gang_size", Integer, nullable=False),
    Column("gang_epoch", Integer, nullable=False),
    Column("gang_address", _NAME, nullable=False),
    Column("gang_port", Integer, nullable=False),
    Column("row_version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Index("replicas_by_deployment", "deployment_id", "ended_at"),
    Index("replicas_by_node", "node_id", "ended_at"),
    Index("replicas_by_end", "ended_at"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", _ID, primary_key=True),
    Column("at", UnixSeconds, nullable=False),
    Column("deployment_id", _ID, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("replica_id", _ID, nullable=False),
    Column("before", String(40), nullable=False),
    Column("after", String(40), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("actor", _NAME, nullable=False),
    Index("events_by_deployment", "deployment_id", "at", "event_id"),
    Index("events_by_time", "at"),
)
"""The timeline of deployments: what an administrator changed, what was decided, what was observed."""

switches = Table(
    "switches",
    metadata,
    Column("switch_id", _ID, primary_key=True),
    Column("tenant_id", _ID, nullable=False),
    Column("deployment_id", _ID, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("state", EnumText(SwitchState), nullable=False),
    Column("detail", Text, nullable=False),
    Column("began_at", UnixSeconds, nullable=False),
    Column("deadline_at", UnixSeconds, nullable=False),
    Column("ended_at", UnixSeconds),
    Column("was_asleep", Boolean, nullable=False),
    Column("is_cancelling", Boolean, nullable=False),
    Column("victims", Json(tuple[Victim, ...]), nullable=False),
    Column("steps", Json(tuple[SwitchStep, ...]), nullable=False),
    Column("row_version", Integer, nullable=False),
    Index("switches_by_end", "ended_at"),
    Index("switches_by_tenant", "tenant_id", "switch_id"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`revision` counts write transactions; each row carries the one that wrote it last (store/revision.py)."""

removals = Table(
    "removals",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("key", _ID, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
)
"""Rows that are gone, so that whoever keeps a copy of them learns it."""

leadership = Table(
    "leadership",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("holder", _NAME, nullable=False),
    Column("beat", BigInteger, nullable=False),
)
"""Which scheduler plans (store/leadership.py)."""

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("token_id", _ID, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", _NAME, nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),
    Column("node_id", _ID, nullable=False),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("region", _NAME, nullable=False),
    Column("zone", _NAME, nullable=False),
    Column("used_at", UnixSeconds),
    Column("used_key", _ID, nullable=False),
    Column("used_node_id", _ID, nullable=False),
    Column("revoked_at", UnixSeconds),
)

node_keys = Table(
    "node_keys",
    metadata,
    Column("public_key", _ID, primary_key=True),
    Column("node_id", _ID, nullable=False, index=True),
    Column("hostname", _NAME, nullable=False),
    Column("token_id", _ID, nullable=False),
    Column("issued_at", UnixSeconds, nullable=False),
    Column("admission", EnumText(NodeAdmission), nullable=False),
    Column("labels", Json(dict[str, str]), nullable=False),
    Column("region", _NAME, nullable=False),
    Column("zone", _NAME, nullable=False),
    Column("revoked_at", UnixSeconds),
)
"""Keys that credentials were signed for. One that was taken back is kept: the bus must refuse it for ever."""

node_events = Table(
    "node_events",
    metadata,
    Column("event_id", _ID, primary_key=True),
    Column("at", UnixSeconds, nullable=False),
    Column("node_id", _ID, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("before", _NAME, nullable=False),
    Column("after", _NAME, nullable=False),
    Column("detail", Text, nullable=False),
    Column("actor", _NAME, nullable=False),
    Index("node_events_by_node", "node_id", "at", "event_id"),
    Index("node_events_by_time", "at"),
)
"""The timeline of nodes: what an administrator ordered, when it registered, when it fell silent."""

engine_orders = Table(
    "engine_orders",
    metadata,
    Column("order_id", _ID, primary_key=True),
    Column("engine", EnumText(EngineKind), nullable=False),
    Column("version", _NAME, nullable=False),
    Column("variant", _NAME, nullable=False),
    Column("method", EnumText(InstallMethod), nullable=False),
    Column("path", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("nodes", Json(NodeSelector), nullable=False),
    Column("is_removed", Boolean, nullable=False),
    Column("gone_from", Json(tuple[str, ...]), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("changed_at", UnixSeconds, nullable=False),
    Column("row_version", Integer, nullable=False),
)
"""Engines that nodes should have, or should have no more."""

file_orders = Table(
    "file_orders",
    metadata,
    Column("order_id", _ID, primary_key=True),
    Column("key", _ID, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("source", Json(ModelSource), nullable=False),
    Column("nodes", Json(NodeSelector), nullable=False),
    Column("wish", EnumText(FileWish), nullable=False),
    Column("gone_from", Json(tuple[str, ...]), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("changed_at", UnixSeconds, nullable=False),
    Column("row_version", Integer, nullable=False),
)
"""Model files that nodes should have, or should have no more."""

order_documents = Table(
    "order_documents",
    metadata,
    Column("node_id", _ID, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)
"""Of what each node was told last of these orders: its revision, and what it said (store/provisioning.py)."""

idempotency = idempotency_table(metadata)

outbox = outbox_table(metadata)

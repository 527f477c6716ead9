"""The first tables."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import BigId, Json, UnixSeconds

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_nodes()
    _create_deployments()
    _create_versions()
    _create_replicas()
    _create_events()
    _create_outbox()


def _create_nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.String(64), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("incarnation", sa.String(255), nullable=False),
        sa.Column("inventory", Json(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("state_since", UnixSeconds, nullable=False),
        sa.Column("registered_at", UnixSeconds, nullable=False),
        sa.Column("last_heartbeat_at", UnixSeconds, nullable=False),
        sa.Column("report_sequence", sa.BigInteger, nullable=False),
        sa.Column("is_shutting_down", sa.Boolean, nullable=False),
        sa.Column("is_given_up", sa.Boolean, nullable=False),
        sa.Column("assignments_revision", sa.BigInteger, nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    )


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("desired", sa.String(40), nullable=False),
        sa.Column("replicas", sa.Integer, nullable=False),
        sa.Column("version_id", sa.String(64), nullable=False),
        sa.Column("version_number", sa.Integer, nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_kind", sa.String(40), nullable=False),
        sa.Column("disconnect_grace_s", UnixSeconds, nullable=False),
        sa.Column("drain_timeout_s", UnixSeconds, nullable=False),
        sa.Column("endpoints_revision", sa.BigInteger, nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    )


def _create_versions() -> None:
    op.create_table(
        "versions",
        sa.Column("version_id", sa.String(64), primary_key=True),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("spec", Json(), nullable=False),
    )
    op.create_index("ix_versions_deployment_id", "versions", ["deployment_id"])


def _create_replicas() -> None:
    op.create_table(
        "replicas",
        sa.Column("replica_id", sa.String(64), primary_key=True),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("version_id", sa.String(64), nullable=False),
        sa.Column("version_number", sa.Integer, nullable=False),
        sa.Column("engine", sa.String(40), nullable=False),
        sa.Column("resources", Json(), nullable=False),
        sa.Column("engine_api_key", sa.String(255), nullable=False),
        sa.Column("desired", sa.String(40), nullable=False),
        sa.Column("desired_reason", sa.String(40), nullable=False),
        sa.Column("phase", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("since", UnixSeconds, nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("ended_at", UnixSeconds),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("device_uuids", Json(), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("assigned_revision", sa.BigInteger, nullable=False),
        sa.Column("is_serving", sa.Boolean, nullable=False),
        sa.Column("ready_since", UnixSeconds),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_at", UnixSeconds),
        sa.Column("last_failure", sa.Text, nullable=False),
        sa.Column("overdue_since", UnixSeconds),
        sa.Column("missing_since", UnixSeconds),
        sa.Column("replaces", sa.String(64), nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("served_model", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("log_tail", Json(), nullable=False),
        sa.Column("rejections", Json(), nullable=False),
        sa.Column("refusals", Json(), nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    )
    op.create_index("replicas_by_deployment", "replicas", ["deployment_id", "ended_at"])
    op.create_index("replicas_by_node", "replicas", ["node_id", "ended_at"])
    op.create_index("replicas_by_end", "replicas", ["ended_at"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("at", UnixSeconds, nullable=False),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("replica_id", sa.String(64), nullable=False),
        sa.Column("before", sa.String(40), nullable=False),
        sa.Column("after", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
    )
    op.create_index("events_by_deployment", "events", ["deployment_id", "at", "event_id"])
    op.create_index("events_by_time", "events", ["at"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("ids", Json(), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("headers", Json(), nullable=False),
        sa.UniqueConstraint("event_id"),
        sqlite_autoincrement=True,
    )

"""Curves of nodes, replicas and devices; what replicas held and when."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import BigId

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_series()
    _create_compute_samples()
    _create_device_samples()
    op.create_table(
        "rollups",
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("until_at", sa.BigInteger, nullable=False),
    )
    _create_replica_spans()


def _create_series() -> None:
    op.create_table(
        "series",
        sa.Column("series_id", BigId, primary_key=True, autoincrement=True),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("replica_id", sa.Text, nullable=False),
        sa.Column("device_uuid", sa.Text, nullable=False),
        sa.Column("deployment_id", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("node_id", "replica_id", "device_uuid", name="uq_series"),
    )
    op.create_index("ix_series_replica", "series", ["replica_id", "device_uuid"])
    op.create_index("ix_series_deployment", "series", ["deployment_id", "seen_at"])
    op.create_index("ix_series_seen", "series", ["seen_at"])


def _create_compute_samples() -> None:
    op.create_table(
        "compute_samples",
        *_key(),
        sa.Column("cpu_user", sa.Double, nullable=False),
        sa.Column("cpu_system", sa.Double, nullable=False),
        sa.Column("cpu_max", sa.Double, nullable=False),
        sa.Column("cpu_cores", sa.Double, nullable=False),
        sa.Column("memory_used_bytes", sa.Double, nullable=False),
        sa.Column("memory_max_bytes", sa.Double, nullable=False),
        sa.Column("memory_total_bytes", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_device_samples() -> None:
    op.create_table(
        "device_samples",
        *_key(),
        sa.Column("utilization", sa.Double, nullable=True),
        sa.Column("utilization_max", sa.Double, nullable=True),
        sa.Column("memory_used_bytes", sa.Double, nullable=True),
        sa.Column("memory_max_bytes", sa.Double, nullable=True),
        sa.Column("memory_total_bytes", sa.Double, nullable=True),
        sa.Column("temperature_c", sa.Double, nullable=True),
        sa.Column("temperature_max_c", sa.Double, nullable=True),
        sa.Column("power_w", sa.Double, nullable=True),
        sa.Column("power_max_w", sa.Double, nullable=True),
        sqlite_with_rowid=False,
    )


def _key() -> list[sa.Column[int]]:
    return [
        sa.Column("series_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("samples", sa.Integer, nullable=False),
    ]


def _create_replica_spans() -> None:
    op.create_table(
        "replica_spans",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("replica_id", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("deployment_id", sa.Text, nullable=False),
        sa.Column("version_id", sa.Text, nullable=False),
        sa.Column("version_number", sa.Integer, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=True),
        sa.Column("is_holding", sa.Boolean, nullable=False),
        sa.Column("is_serving", sa.Boolean, nullable=False),
        sa.Column("device_count", sa.Integer, nullable=False),
        sa.Column("memory_bytes", sa.BigInteger, nullable=False),
        sa.Column("cpu_millis", sa.Integer, nullable=False),
    )
    op.create_index("ix_replica_spans_replica", "replica_spans", ["replica_id", "began_at", "event_id"])
    op.create_index("ix_replica_spans_deployment", "replica_spans", ["tenant_id", "deployment_id", "began_at"])
    op.create_index("ix_replica_spans_end", "replica_spans", ["tenant_id", "is_holding", "ended_at"])

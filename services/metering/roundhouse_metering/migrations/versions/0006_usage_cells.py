"""Entries of the ledger are numbered in the order of commits; usage by time is made from them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import BigId, UnixSeconds

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COUNTS = (
    *("requests", "completed", "failed", "aborted"),
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("audio_ms", "images", "input_characters", "cost_nano", "correction_nano", "unpriced"),
    *("latency_count", "latency_us", "latency_max_us", "first_token_count", "first_token_us", "first_token_max_us"),
)
_VALUES = (
    *("tenant_id", "operation", "project_id", "user_id", "key_id", "model_requested", "model_served"),
    *("deployment_id", "provider_id", "version_id", "replica_id", "node_id", "region", "device_class"),
    *("route_id", "api", "reuse"),
)


def upgrade() -> None:
    """Records of before get their numbers; the first pass of the rollups counts them."""
    for name in ("ix_ledger_time", "ix_ledger_key", "ix_ledger_model", "ix_ledger_router"):
        op.drop_index(name, table_name="ledger")
    if op.get_bind().dialect.name == "sqlite":
        _number_on_sqlite()
    else:
        op.execute("ALTER TABLE ledger DROP CONSTRAINT ledger_pkey")
        op.execute("ALTER TABLE ledger ADD COLUMN entry BIGSERIAL PRIMARY KEY")
        op.create_unique_constraint("uq_ledger_request", "ledger", ["request_id"])
    op.create_index("ix_ledger_time", "ledger", ["tenant_id", "admitted_at"])
    op.create_index("ix_ledger_key", "ledger", ["tenant_id", "key_id", "admitted_at"])
    _create_usage()
    _create_routers()


def _number_on_sqlite() -> None:
    """SQLite gives a table another primary key only by making it anew."""
    op.rename_table("ledger", "ledger_before")
    columns = _ledger_columns()
    entry = sa.Column("entry", BigId, primary_key=True, autoincrement=True)
    unique = sa.UniqueConstraint("request_id", name="uq_ledger_request")
    op.create_table("ledger", entry, *columns, unique, sqlite_autoincrement=True)
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO ledger ({names}) SELECT {names} FROM ledger_before ORDER BY recorded_at, request_id")
    op.drop_table("ledger_before")
    where = sa.text("cost_nano IS NULL")
    op.create_index("ix_ledger_unpriced", "ledger", ["tenant_id", "admitted_at"], sqlite_where=where)


def _ledger_columns() -> list[sa.Column[Any]]:  # Any: of each its own type
    texts = ("operation", "key_id", "user_id", "tenant_id", "model_requested", "model_served", "deployment_id")
    empty, zero = sa.text("''"), sa.text("0")
    return [
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("router_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, "replica_id", "node_id")),
        sa.Column("admitted_at", UnixSeconds, nullable=False),
        sa.Column("admitted_minute", sa.BigInteger, nullable=False),
        sa.Column("ended_at", UnixSeconds, nullable=False),
        sa.Column("duration_ms", UnixSeconds, nullable=False),
        sa.Column("time_to_first_token_ms", UnixSeconds, nullable=True),
        sa.Column("is_stream", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("input_tokens", "cached_input_tokens")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("output_tokens", "reasoning_tokens")),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False, server_default=empty) for name in ("api", "route_id")),
        sa.Column("provider_id", sa.Text, nullable=False, server_default=empty),
        sa.Column("reuse", sa.Text, nullable=False, server_default=sa.text("'none'")),
        sa.Column("continuations", sa.Integer, nullable=False, server_default=zero),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default=zero) for name in ("cache_write_tokens",)),
        sa.Column("audio_ms", sa.BigInteger, nullable=False, server_default=zero),
        sa.Column("images", sa.Integer, nullable=False, server_default=zero),
        sa.Column("input_characters", sa.BigInteger, nullable=False, server_default=zero),
        sa.Column("queued_ms", UnixSeconds, nullable=False, server_default=zero),
        *(sa.Column(name, sa.Text, nullable=False, server_default=empty) for name in ("project_id", "region")),
        *(sa.Column(name, sa.Text, nullable=False, server_default=empty) for name in ("device_class", "version_id")),
        sa.Column("recorded_at", UnixSeconds, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=True),
        *(sa.Column(name, sa.Text, nullable=False, server_default=empty) for name in ("price_id", "currency")),
    ]


def _create_usage() -> None:
    op.create_table(
        "usage_series",
        sa.Column("series_id", BigId, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("view", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _VALUES),
    )
    op.create_index("ix_usage_series", "usage_series", ["view", "tenant_id"])
    op.create_table(
        "usage_cells",
        sa.Column("view", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("resolution_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("latency_sketch", sa.LargeBinary, nullable=False),
        sa.Column("first_token_sketch", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_cells_series", "usage_cells", ["series_id", "resolution_s", "at"])
    op.create_table(
        "usage_cursors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )


def _create_routers() -> None:
    op.create_table(
        "admitted_ranges",
        sa.Column("router_id", sa.Text, primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "router_hours",
        sa.Column("router_id", sa.Text, primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("first", "last")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("completed", "failed", "aborted")),
    )

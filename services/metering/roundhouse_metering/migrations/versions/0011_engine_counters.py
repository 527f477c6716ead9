"""What engines count themselves, by replica and hour, and what the ledger has of the same."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import UnixSeconds

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_GROWTH = (
    *("input_tokens", "cached_input_tokens", "output_tokens"),
    *("across_input_tokens", "across_output_tokens"),
)
_ENTERED = (
    *("requests", "ended_early", "retried", "input_tokens", "cached_input_tokens", "output_tokens"),
    *("estimated_input_tokens", "estimated_output_tokens", "most_input_tokens", "most_output_tokens"),
    *("head_input_tokens", "head_output_tokens", "tail_input_tokens", "tail_output_tokens"),
)


def upgrade() -> None:
    op.create_table(
        "engine_runs",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("node_id", "replica_id")),
        *(sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("attempt", "launch")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("deployment_id", "engine")),
        *(sa.Column(name, UnixSeconds, nullable=False) for name in ("started_at", "read_at")),
        sa.Column("ended_at", UnixSeconds, nullable=True),
        *(sa.Column(name, sa.BigInteger, nullable=True) for name in _GROWTH[:3]),
        sa.Index("ix_engine_runs_replica", "replica_id"),
        sa.Index("ix_engine_runs_read", "read_at"),
    )
    op.create_table(
        "engine_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("replica_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _GROWTH),
    )
    op.create_table(
        "replica_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("replica_id", "deployment_id")),
        sa.Column("node_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _ENTERED),
        sa.Column("last_ended_at", UnixSeconds, nullable=False),
    )


def downgrade() -> None:
    for name in ("replica_hours", "engine_hours", "engine_runs"):
        op.drop_table(name)

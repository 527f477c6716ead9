"""Records by month: on Postgres partitions, on both what is left to say of months that are not kept any more."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import UnixSeconds

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_LONGEST_MONTH_S = 32 * 86_400
_KEPT = (60, 900)
"""Resolutions that are forgotten after a while."""


def upgrade() -> None:
    """On Postgres every record is copied once, month by month: a minute or so for each million or two."""
    op.create_table(
        "dropped_months",
        sa.Column("month", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("requests", "input_tokens", "output_tokens")),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("last_entry", sa.BigInteger, nullable=False),
        sa.Column("dropped_at", UnixSeconds, nullable=False),
    )
    for resolution_s in _KEPT:
        op.execute(
            f"INSERT INTO usage_cursors (name, entry) SELECT 'kept_{resolution_s}', min(at) FROM usage_cells "
            f"WHERE resolution_s = {resolution_s} HAVING min(at) IS NOT NULL"
        )
    if op.get_bind().dialect.name == "postgresql":
        _partition()


def _partition() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("ALTER TABLE ledger RENAME TO ledger_before")
    op.execute("ALTER TABLE ledger_before DROP CONSTRAINT uq_ledger_request")
    op.execute("ALTER TABLE ledger_before DROP CONSTRAINT ledger_pkey")
    for name in ("ix_ledger_time", "ix_ledger_key", "ix_ledger_unpriced"):
        op.execute(f"DROP INDEX {name}")
    op.execute("CREATE TABLE ledger (LIKE ledger_before INCLUDING DEFAULTS) PARTITION BY RANGE (admitted_at)")
    op.execute("ALTER SEQUENCE ledger_entry_seq OWNED BY ledger.entry")
    connection = op.get_bind()
    first, last = connection.execute(sa.text("SELECT min(admitted_at), max(admitted_at) FROM ledger_before")).one()
    month = _month(first) if first is not None else None
    while month is not None and month <= last:
        following = _month(month + _LONGEST_MONTH_S)
        name = f"ledger_{datetime.fromtimestamp(month, UTC):%Y_%m}"
        op.execute(f"CREATE TABLE {name} PARTITION OF ledger FOR VALUES FROM ({month}) TO ({following})")
        op.execute(
            f"INSERT INTO {name} SELECT * FROM ledger_before WHERE admitted_at >= {month} AND admitted_at < {following}"
        )
        month = following
    op.execute("DROP TABLE ledger_before")
    op.execute("ALTER TABLE ledger ADD CONSTRAINT ledger_pkey PRIMARY KEY (entry, admitted_at)")
    op.create_unique_constraint("uq_ledger_request", "ledger", ["request_id", "admitted_at"])
    op.create_index("ix_ledger_time", "ledger", ["tenant_id", "admitted_at"])
    op.create_index("ix_ledger_key", "ledger", ["tenant_id", "key_id", "admitted_at"])
    unpriced = sa.text("cost_nano IS NULL")
    op.create_index("ix_ledger_unpriced", "ledger", ["tenant_id", "admitted_at"], postgresql_where=unpriced)


def _month(at: float) -> int:
    day = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp())

"""What finance tools are told: thresholds in the order of commits, and webhooks with how far each came."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import BigId, Json, UnixSeconds

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_thresholds",
        sa.Column("number", BigId, primary_key=True, autoincrement=True),
        sa.Column("budget_id", sa.Text, nullable=False),
        sa.Column("period_start", sa.BigInteger, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("reached_at", UnixSeconds, nullable=False),
        sa.Column("reached", Json(), nullable=False),
        sa.UniqueConstraint("budget_id", "period_start", "threshold", name="uq_budget_thresholds"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("types", Json(), nullable=False),
        sa.Column("covers", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("secret_number", sa.Integer, nullable=False),
        sa.Column("old_secret_until", UnixSeconds, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("at_entry", sa.BigInteger, nullable=False),
        sa.Column("at_correction", sa.BigInteger, nullable=False),
        sa.Column("at_threshold", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failing_since", UnixSeconds, nullable=True),
        sa.Column("due_at", UnixSeconds, nullable=False),
        sa.Column("leased_until", UnixSeconds, nullable=False),
        sa.Column("tried_at", UnixSeconds, nullable=True),
        sa.Column("sent_at", UnixSeconds, nullable=True),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Index("ix_webhooks_tenant", "tenant_id", "webhook_id"),
    )


def downgrade() -> None:
    op.drop_table("webhooks")
    op.drop_table("budget_thresholds")

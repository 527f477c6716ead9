"""Prices, what each record costs, corrections of it, and budgets."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import BigId, Json, UnixSeconds

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows of before are unpriced: repricing their time gives them a cost."""
    op.add_column("ledger", sa.Column("cost_nano", sa.BigInteger, nullable=True))
    op.add_column("ledger", sa.Column("price_id", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("ledger", sa.Column("currency", sa.Text, nullable=False, server_default=sa.text("''")))
    is_unpriced = sa.text("cost_nano IS NULL")
    op.create_index(
        "ix_ledger_unpriced",
        "ledger",
        ["tenant_id", "admitted_at"],
        sqlite_where=is_unpriced,
        postgresql_where=is_unpriced,
    )
    op.create_table(
        "generations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    _create_prices()
    _create_corrections()
    _create_budgets()


def _create_prices() -> None:
    op.create_table(
        "price_versions",
        sa.Column("book", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("valid_from", UnixSeconds, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_table(
        "prices",
        sa.Column("price_id", sa.Text, primary_key=True),
        sa.Column("book", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("valid_from", UnixSeconds, nullable=False),
        sa.Column("valid_until", UnixSeconds, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("deployment_id", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("device_class", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("tier_from_tokens", sa.BigInteger, nullable=False),
        sa.Column("rates", Json(), nullable=False),
        sa.Column("reuse_percent", sa.Integer, nullable=False),
    )
    op.create_index("ix_prices_book", "prices", ["book", "version"])


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("correction_id", BigId, primary_key=True, autoincrement=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("delta_nano", sa.BigInteger, nullable=False),
        sa.Column("was_unpriced", sa.Boolean, nullable=False),
        sa.Column("price_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("made_at", UnixSeconds, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("admitted_at", UnixSeconds, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_corrections_record", "corrections", ["request_id"])
    op.create_index("ix_corrections_time", "corrections", ["tenant_id", "admitted_at"])


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("budget_id", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("scope_id", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("is_hard", sa.Boolean, nullable=False),
        sa.Column("is_platform", sa.Boolean, nullable=False),
        sa.Column("thresholds", Json(), nullable=False),
        sa.Column("webhook_url", sa.Text, nullable=False),
        sa.Column("emails", Json(), nullable=False),
        sa.Column("starts_at", UnixSeconds, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
    )
    op.create_index("ix_budgets_scope", "budgets", ["tenant_id", "scope", "scope_id"])
    op.create_table(
        "budget_spend",
        sa.Column("budget_id", sa.Text, primary_key=True),
        sa.Column("period_start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("unpriced", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "budget_notices",
        sa.Column("budget_id", sa.Text, primary_key=True),
        sa.Column("period_start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("threshold", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("recipient", sa.Text, primary_key=True),
        sa.Column("notice_id", sa.Text, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("noticed_at", UnixSeconds, nullable=False),
        sa.Column("due_at", UnixSeconds, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_at", UnixSeconds, nullable=True),
        sa.Column("last_error", sa.Text, nullable=False),
    )
    op.create_index("ix_budget_notices_due", "budget_notices", ["due_at"])

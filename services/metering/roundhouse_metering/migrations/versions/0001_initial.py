"""The usage ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("router_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("model_requested", sa.Text, nullable=False),
        sa.Column("model_served", sa.Text, nullable=False),
        sa.Column("deployment_id", sa.Text, nullable=False),
        sa.Column("replica_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("admitted_at", sa.Double, nullable=False),
        sa.Column("admitted_minute", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("time_to_first_token_ms", sa.Double, nullable=True),
        sa.Column("is_stream", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
    )
    op.create_index("ix_ledger_time", "ledger", ["tenant_id", "admitted_at", "request_id"])
    op.create_index("ix_ledger_key", "ledger", ["tenant_id", "key_id", "admitted_at", "request_id"])
    op.create_index("ix_ledger_model", "ledger", ["tenant_id", "model_requested", "admitted_at", "request_id"])
    op.create_index("ix_ledger_router", "ledger", ["router_id", "sequence", "outcome"])

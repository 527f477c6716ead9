"""Engines and model files that nodes should keep ready."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engine_orders",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("engine", sa.String(40), nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("variant", sa.String(255), nullable=False),
        sa.Column("method", sa.String(40), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("nodes", Json(), nullable=False),
        sa.Column("is_removed", sa.Boolean, nullable=False),
        *_of_every_order(),
    )
    op.create_table(
        "file_orders",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("source", Json(), nullable=False),
        sa.Column("nodes", Json(), nullable=False),
        sa.Column("wish", sa.String(40), nullable=False),
        *_of_every_order(),
    )
    op.create_table(
        "order_documents",
        sa.Column("node_id", sa.String(64), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("subject_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", Json(), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _of_every_order() -> list[sa.Column]:  # type: ignore[type-arg]  # columns of several types
    return [
        sa.Column("gone_from", Json(), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("changed_at", UnixSeconds, nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    ]

"""Outside providers, with their keys sealed."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "providers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("keys", Json(), nullable=False),
        sa.Column("headers", Json(), nullable=False),
        sa.Column("features", Json(), nullable=False),
        sa.Column("in_flight_most", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("updated_at", UnixSeconds, nullable=False),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("deleted_at", UnixSeconds, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
    )
    op.create_index(
        "uq_providers_tenant_id_name",
        "providers",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("providers")

"""Repositories and their commits as sources of models, defaults of models, uploads."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend_models()
    _create_uploads()


def _extend_models() -> None:
    """The defaults say what a row of the release before means; new rows state every column."""
    _add("source_revision", sa.String(256), "''")
    _add("source_patterns", Json(), "'[]'")
    _add("source_sha256", sa.String(64), "''")
    _add("resolved_revision", sa.String(256), "''")
    _add("total_bytes", sa.BigInteger(), "0")
    _add("file_count", sa.Integer(), "0")
    op.add_column("models", sa.Column("defaults", Json()))


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("read_token", sa.String(64), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("touched_at", UnixSeconds, nullable=False),
        sa.Column("completed_at", UnixSeconds, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_uploads_tenant_id"),
    )
    op.create_table(
        "upload_files",
        sa.Column("upload_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "number", name="pk_upload_files"),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name="fk_upload_files_upload_id"),
    )


# Any: a type of a column, whatever its values are.
def _add(name: str, kind: sa.types.TypeEngine, default: str) -> None:  # type: ignore[type-arg]
    op.add_column("models", sa.Column(name, kind, nullable=False, server_default=sa.text(default)))


def downgrade() -> None:
    op.drop_table("upload_files")
    op.drop_table("uploads")
    for name in (
        "defaults",
        "file_count",
        "total_bytes",
        "resolved_revision",
        "source_sha256",
        "source_patterns",
        "source_revision",
    ):
        op.drop_column("models", name)

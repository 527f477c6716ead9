"""The first tables."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.database.types import BigId, Json, UnixSeconds

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_people()
    _create_models()
    _create_deployments()
    _create_keys()
    _create_plumbing()


def _create_people() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("name", name="uq_tenants_name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("roles", Json(tuple[str, ...]), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_users_tenant_id"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_users_tenant_id_name"),
    )


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("source_kind", sa.String(32), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("context_length", sa.BigInteger(), nullable=False),
        sa.Column("licence", sa.String(128), nullable=False),
        sa.Column("tags", Json(tuple[str, ...]), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("updated_at", UnixSeconds, nullable=False),
        sa.Column("deleted_at", UnixSeconds, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_models_tenant_id"),
    )
    _create_name_index("models")


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("desired", sa.String(16), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("active_number", sa.Integer(), nullable=False),
        sa.Column("disconnect_grace_s", sa.Double(), nullable=False),
        sa.Column("drain_timeout_s", sa.Double(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("updated_at", UnixSeconds, nullable=False),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("deleted_at", UnixSeconds, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_deployments_tenant_id"),
    )
    _create_name_index("deployments")
    op.create_table(
        "versions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("spec", Json(VersionSpec), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name="fk_versions_deployment_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_versions_model_id"),
        sa.UniqueConstraint("deployment_id", "number", name="uq_versions_deployment_id_number"),
    )
    op.create_index("ix_versions_model_id", "versions", ["model_id"])
    op.create_table(
        "routes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("model_kind", sa.String(32), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_routes"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_routes_tenant_id"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name="fk_routes_deployment_id"),
        sa.UniqueConstraint("deployment_id", name="uq_routes_deployment_id"),
    )


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("deployment_ids", Json(tuple[str, ...]), nullable=False),
        sa.Column("expires_at", UnixSeconds, nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("revoked_at", UnixSeconds, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant_id"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )


def _create_plumbing() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("ids", Json(tuple[str, ...]), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", Json(dict[str, str]), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Json(dict[str, str]), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _create_name_index(table: str) -> None:
    """Names are unique among what is not deleted."""
    op.create_index(
        f"uq_{table}_tenant_id_name",
        table,
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    for table in (
        "idempotency_keys",
        "outbox",
        "api_keys",
        "routes",
        "versions",
        "deployments",
        "models",
        "users",
        "tenants",
    ):
        op.drop_table(table)

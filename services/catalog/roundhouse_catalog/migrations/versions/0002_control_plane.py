"""Settings of rollouts and scaling, life of versions, facts of models, templates."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend_deployments()
    op.add_column("models", sa.Column("facts", Json()))
    _create_templates()


def _extend_deployments() -> None:
    """The defaults say what a row of the release before means; new rows state every column."""
    _add("rollout", Json(), "{}")
    op.add_column("deployments", sa.Column("autoscale", Json()))
    _add("is_paused", sa.Boolean(), sa.false())
    _add("is_evictable", sa.Boolean(), sa.false())
    _add("wake_timeout_s", sa.Double(), "300")
    _add("failure_budget", sa.Integer(), "10")
    _add("restarts", sa.Integer(), "0")
    _add("last_number", sa.Integer(), "1")
    _add("previous_number", sa.Integer(), "0")
    _add("failed_numbers", Json(), "[]")
    _add("activated_generation", sa.BigInteger(), "1")
    # Until now a new version always became the active one, so the active one is the newest.
    op.execute("UPDATE deployments SET last_number = active_number, previous_number = active_number - 1")


def _create_templates() -> None:
    op.create_table(
        "templates",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("deleted_at", UnixSeconds, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_templates_tenant_id"),
    )
    op.create_index(
        "uq_templates_tenant_id_name",
        "templates",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipe", Json(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("template_id", "number", name="pk_template_versions"),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name="fk_template_versions_template_id"),
    )


# Any: a default as SQL text or expression.
def _add(name: str, kind: sa.types.TypeEngine, default: object) -> None:  # type: ignore[type-arg]
    if isinstance(default, str):
        default = sa.text(f"'{default}'")
    op.add_column(
        "deployments",
        sa.Column(name, kind, nullable=False, server_default=default),  # type: ignore[arg-type]
    )


def downgrade() -> None:
    op.drop_table("template_versions")
    op.drop_table("templates")
    op.drop_column("models", "facts")
    for name in (
        "activated_generation",
        "failed_numbers",
        "previous_number",
        "last_number",
        "restarts",
        "failure_budget",
        "wake_timeout_s",
        "is_evictable",
        "is_paused",
        "autoscale",
        "rollout",
    ):
        op.drop_column("deployments", name)

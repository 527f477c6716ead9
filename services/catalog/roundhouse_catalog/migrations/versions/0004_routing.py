"""Routes of their own, with settings and several targets; limits."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROUTES = sa.table("routes", sa.column("id"), sa.column("deployment_id"), sa.column("targets", Json()))


def upgrade() -> None:
    _extend_routes()
    _create_limits()


def _extend_routes() -> None:
    """The defaults say what a row of the release before means; new rows state every column."""
    with op.batch_alter_table("routes") as batch:
        batch.drop_constraint("fk_routes_tenant_id", type_="foreignkey")
        batch.alter_column("deployment_id", existing_type=sa.String(64), nullable=True)
        batch.add_column(_column("targets", Json(), "'[]'"))
        batch.add_column(_column("alias_of", sa.String(128), "''"))
        batch.add_column(_column("settings", Json(), "'{}'"))
        batch.add_column(_column("generation", sa.BigInteger(), "1"))
        batch.add_column(_column("created_by", sa.String(128), "''"))
        batch.add_column(_column("updated_at", UnixSeconds(), "0"))
        batch.add_column(_column("updated_by", sa.String(128), "''"))
    op.execute(
        "UPDATE routes SET updated_at = created_at, created_by = (SELECT created_by FROM deployments "
        "WHERE deployments.id = routes.deployment_id)"
    )
    op.execute("UPDATE routes SET updated_by = created_by")
    connection = op.get_bind()
    for row in connection.execute(sa.select(_ROUTES.c.id, _ROUTES.c.deployment_id)).all():
        leads_to = [{"deployment_id": row.deployment_id}]
        connection.execute(sa.update(_ROUTES).where(_ROUTES.c.id == row.id).values(targets=leads_to))
    _keep_names_unique("routes")


def _create_limits() -> None:
    op.create_table(
        "limits",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("per", Json(), nullable=False),
        sa.Column("tenant_ids", Json(), nullable=False),
        sa.Column("user_ids", Json(), nullable=False),
        sa.Column("key_ids", Json(), nullable=False),
        sa.Column("route_ids", Json(), nullable=False),
        sa.Column("bounds", Json(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("updated_at", UnixSeconds, nullable=False),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_limits"),
    )
    _keep_names_unique("limits")


def _keep_names_unique(table: str) -> None:
    op.create_index(
        f"uq_{table}_tenant_id_name",
        table,
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("is_deleted IS 0"),
        postgresql_where=sa.text("is_deleted IS false"),
    )


# Any: a type of a column, whatever its values are.
def _column(name: str, kind: sa.types.TypeEngine, default: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))


def downgrade() -> None:
    """Routes that are no deployment's own are lost: the release before has none."""
    op.drop_table("limits")
    op.drop_index("uq_routes_tenant_id_name", "routes")
    op.execute("DELETE FROM routes WHERE deployment_id IS NULL")
    with op.batch_alter_table("routes") as batch:
        for name in ("updated_by", "updated_at", "created_by", "generation", "settings", "alias_of", "targets"):
            batch.drop_column(name)
        batch.alter_column("deployment_id", existing_type=sa.String(64), nullable=False)
        batch.create_foreign_key("fk_routes_tenant_id", "tenants", ["tenant_id"], ["id"])

"""People, who are global; their memberships; projects, own roles, quotas; the project of deployments and uploads."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_HISTORY = ("generation", "created_at", "created_by", "updated_at", "updated_by")
_OLD_USERS = sa.table(
    "users", *(sa.column(name) for name in ("id", "tenant_id", "name", "created_at")), sa.column("roles", Json())
)


def upgrade() -> None:
    _extend_tenants()
    _replace_users()
    _create_named("projects", sa.Column("quota", Json(), nullable=False))
    _create_named("own_roles", sa.Column("actions", Json(), nullable=False))
    for table in ("deployments", "uploads"):
        op.add_column(table, _column("project_id", sa.String(64), "''"))


def _extend_tenants() -> None:
    """The defaults say what a row of the release before means; new rows state every column."""
    op.add_column("tenants", _column("is_suspended", sa.Boolean(), "false"))
    op.add_column("tenants", _column("quota", Json(), "'{}'"))
    op.add_column("tenants", _column("request_log", Json(), "'{}'"))
    op.add_column("tenants", sa.Column("deleted_at", UnixSeconds()))
    op.add_column("tenants", _column("generation", sa.BigInteger(), "1"))
    op.add_column("tenants", _column("created_by", sa.String(128), "''"))
    op.add_column("tenants", _column("updated_at", UnixSeconds(), "0"))
    op.add_column("tenants", _column("updated_by", sa.String(128), "''"))
    op.execute("UPDATE tenants SET updated_at = created_at")


def _replace_users() -> None:
    """A user was of one tenant and had roles there; whoever was an administrator was one of the platform too."""
    connection = op.get_bind()
    before = connection.execute(sa.select(_OLD_USERS).order_by(_OLD_USERS.c.created_at, _OLD_USERS.c.id)).all()
    op.drop_table("users")
    users, memberships = _create_people()
    names: set[str] = set()
    for row in before:
        name = row.name if row.name not in names else row.id
        names.add(name)
        history = {
            "generation": 1,
            "created_at": row.created_at,
            "created_by": "",
            "updated_at": row.created_at,
            "updated_by": "",
        }
        connection.execute(
            sa.insert(users).values(
                id=row.id,
                tenant_id="",
                name=name,
                kind="user",
                display_name=row.name,
                email="",
                platform_roles=[one for one in row.roles if one == "administrator"],
                is_disabled=False,
                **history,
            )
        )
        connection.execute(
            sa.insert(memberships).values(
                tenant_id=row.tenant_id,
                user_id=row.id,
                roles=row.roles,
                own_role_ids=[],
                project_roles={},
                **history,
            )
        )


def _create_people() -> tuple[sa.Table, sa.Table]:
    users = op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("display_name", sa.String(128), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("platform_roles", Json(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", UnixSeconds(), nullable=True),
        *_history(),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    _keep_names_unique("users")
    memberships = op.create_table(
        "memberships",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("own_role_ids", Json(), nullable=False),
        sa.Column("project_roles", Json(), nullable=False),
        *_history(),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="pk_memberships"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_memberships_tenant_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])
    return users, memberships


def _create_named(table: str, content: "sa.Column[Any]") -> None:  # Any: what the column holds
    op.create_table(
        table,
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        content,
        sa.Column("deleted_at", UnixSeconds(), nullable=True),
        *_history(),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id"),
    )
    _keep_names_unique(table)


def _history() -> list["sa.Column[Any]"]:  # Any: what the columns hold
    kinds: tuple[Any, ...] = (sa.BigInteger(), UnixSeconds(), sa.String(128), UnixSeconds(), sa.String(128))
    return [sa.Column(name, kind, nullable=False) for name, kind in zip(_HISTORY, kinds, strict=True)]


def _keep_names_unique(table: str) -> None:
    op.create_index(
        f"uq_{table}_tenant_id_name",
        table,
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


# Any: a type of a column, whatever its values are.
def _column(name: str, kind: sa.types.TypeEngine[Any], default: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))


def downgrade() -> None:
    """People belong to one tenant again, the first that they are a member of; who is in none is lost."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT u.id, m.tenant_id, u.name, m.roles, u.created_at FROM users u JOIN memberships m "
            "ON m.user_id = u.id WHERE m.tenant_id = (SELECT MIN(o.tenant_id) FROM memberships o "
            "WHERE o.user_id = u.id)"
        ).columns(roles=Json())
    ).all()
    for table in ("memberships", "projects", "own_roles", "users"):
        op.drop_table(table)
    users = op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_users_tenant_id"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_users_tenant_id_name"),
    )
    for row in rows:
        connection.execute(sa.insert(users).values(**row._asdict()))
    for table in ("deployments", "uploads"):
        op.drop_column(table, "project_id")
    extras = ("is_suspended", "quota", "request_log", "deleted_at", "generation", "created_by", "updated_at")
    for name in (*extras, "updated_by"):
        op.drop_column("tenants", name)

"""Tables of the directory: who there is, and where they belong. Deleted rows are tombstones, except memberships."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from roundhouse_catalog.store.metadata import metadata
from roundhouse_common.contracts.identity import Quota, RequestLogPolicy
from roundhouse_common.database import Json, UnixSeconds

__all__ = ["memberships", "own_roles", "projects", "tenants", "users"]

_Names = tuple[str, ...]


# Any number of columns; their types are theirs.
def _history() -> list[Column]:  # type: ignore[type-arg]
    """Return the columns of everything that is changed with If-Match."""
    return [
        Column("generation", BigInteger, nullable=False),
        Column("created_at", UnixSeconds, nullable=False),
        Column("created_by", String(128), nullable=False),
        Column("updated_at", UnixSeconds, nullable=False),
        Column("updated_by", String(128), nullable=False),
    ]


def _keep_names_unique(table: Table) -> None:
    is_there = table.c.deleted_at.is_(None)
    Index(
        f"uq_{table.name}_tenant_id_name",
        table.c.tenant_id,
        table.c.name,
        unique=True,
        sqlite_where=is_there,
        postgresql_where=is_there,
    )


tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False, unique=True),  # a deleted one's is changed, so that it is free
    Column("is_suspended", Boolean, nullable=False),
    Column("quota", Json(Quota), nullable=False),
    Column("request_log", Json(RequestLogPolicy), nullable=False),
    Column("deleted_at", UnixSeconds),
    *_history(),
)

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),  # of a service account; empty for people, who are global
    Column("name", String(128), nullable=False),  # what people log in with
    Column("kind", String(32), nullable=False),
    Column("display_name", String(128), nullable=False),
    Column("email", String(254), nullable=False),
    Column("platform_roles", Json(_Names), nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("deleted_at", UnixSeconds),
    *_history(),
)
_keep_names_unique(users)

memberships = Table(
    "memberships",
    metadata,
    Column("tenant_id", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True, index=True),
    Column("roles", Json(_Names), nullable=False),
    Column("own_role_ids", Json(_Names), nullable=False),
    Column("project_roles", Json(dict[str, _Names]), nullable=False),  # by project id
    *_history(),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("description", Text, nullable=False),
    Column("quota", Json(Quota), nullable=False),
    Column("deleted_at", UnixSeconds),
    *_history(),
)
_keep_names_unique(projects)

own_roles = Table(
    "own_roles",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("description", Text, nullable=False),
    Column("actions", Json(_Names), nullable=False),
    Column("deleted_at", UnixSeconds),
    *_history(),
)
_keep_names_unique(own_roles)

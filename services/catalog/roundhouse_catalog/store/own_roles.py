"""Roles of tenants' own in SQL. Deleted ones stay as tombstones."""

from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.own_roles import OwnRole
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.history import history_columns, history_of
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = ["holders", "insert_role", "own_roles", "update_role"]

_R = tables.own_roles.c
_M = tables.memberships.c


async def own_roles(session: ReadSession, tenant_id: str) -> dict[str, OwnRole]:
    """Return the tenant's own roles that are not deleted, by id, in the order of their creation."""
    query = select(tables.own_roles).where(_R.tenant_id == tenant_id, _R.deleted_at.is_(None)).order_by(_R.id)
    return {row.id: _role(row) for row in await session.execute(query)}


async def insert_role(session: WriteSession, role: OwnRole) -> None:
    """Add a role. Raises NameTaken."""
    await _require_free(session, role)
    await session.execute(insert(tables.own_roles).values(id=role.role_id, **_columns(role)))


async def update_role(session: WriteSession, role: OwnRole) -> None:
    """Write a role that was read in the same transaction. Raises NameTaken."""
    await _require_free(session, role)
    await session.execute(update(tables.own_roles).where(_R.id == role.role_id).values(**_columns(role)))


async def holders(session: ReadSession, role: OwnRole) -> list[str]:
    """Return the names of the members that have the role."""
    query = (
        select(tables.users.c.name, _M.own_role_ids)
        .join(tables.users, tables.users.c.id == _M.user_id)
        .where(_M.tenant_id == role.tenant_id, tables.users.c.deleted_at.is_(None))
    )
    return sorted(row.name for row in await session.execute(query) if role.role_id in row.own_role_ids)


async def _require_free(session: ReadSession, role: OwnRole) -> None:
    """Writers are serial: the name stays free until this one ends."""
    same = (_R.tenant_id == role.tenant_id) & (_R.name == role.name) & (_R.id != role.role_id)
    if role.deleted_at is None and await session.scalar(select(_R.id).where(same, _R.deleted_at.is_(None))) is not None:
        raise NameTaken("role", role.name)


def _columns(role: OwnRole) -> dict[str, object]:
    return {
        "tenant_id": role.tenant_id,
        "name": role.name,
        "description": role.description,
        "actions": role.actions,
        "deleted_at": role.deleted_at,
        **history_columns(role.history),
    }


def _role(row: Row[Any]) -> OwnRole:  # Any: a row of `own_roles`
    return OwnRole(
        role_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        description=row.description,
        actions=row.actions,
        deleted_at=None if row.deleted_at is None else UnixTime(row.deleted_at),
        history=history_of(row),
    )

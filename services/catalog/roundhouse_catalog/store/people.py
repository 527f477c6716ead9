"""Users, service accounts and memberships in SQL. Users stay as tombstones; a membership that ended is gone."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.granting import Administrators
from roundhouse_catalog.domain.people import Membership, User
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.history import history_columns, history_of
from roundhouse_common.auth import Role, SubjectKind
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "administrators",
    "delete_membership",
    "find_membership",
    "find_user",
    "find_user_named",
    "insert_membership",
    "insert_user",
    "list_members",
    "list_users",
    "memberships_of",
    "tenant_names",
    "update_membership",
    "update_user",
]

_U = tables.users.c
_M = tables.memberships.c
_ADMINISTRATOR = Role.ADMINISTRATOR.value


async def list_users(
    session: ReadSession,
    tenant_id: str | None,
    *,
    limit: int,
    after: str = "",
    name: str | None = None,
    kind: SubjectKind | None = None,
) -> list[User]:
    """Return users that are not deleted, in the order of their ids, after `after`: a tenant's members, or all."""
    query = select(tables.users).where(_U.deleted_at.is_(None), _U.id > after)
    if tenant_id is not None:
        query = query.where(_is_member(tenant_id))
    if name is not None:
        query = query.where(_U.name == name)
    if kind is not None:
        query = query.where(_U.kind == kind.value)
    return [_user(row) for row in await session.execute(query.order_by(_U.id).limit(limit))]


async def find_user(session: ReadSession, tenant_id: str | None, user_id: str) -> User | None:
    """Return a user that is not deleted: a member of the tenant, or anybody."""
    query = select(tables.users).where(_U.id == user_id, _U.deleted_at.is_(None))
    if tenant_id is not None:
        query = query.where(_is_member(tenant_id))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _user(row)


async def find_user_named(session: ReadSession, name: str) -> User | None:
    """Return the person with this login name."""
    query = select(tables.users).where(_U.name == name, _U.tenant_id == "", _U.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _user(row)


async def insert_user(session: WriteSession, user: User) -> None:
    """Add a user. Raises NameTaken."""
    await _require_free(session, user)
    await session.execute(insert(tables.users).values(id=user.user_id, **_user_columns(user)))


async def update_user(session: WriteSession, user: User) -> None:
    """Write a user that was read in the same transaction. Raises NameTaken."""
    await _require_free(session, user)
    await session.execute(update(tables.users).where(_U.id == user.user_id).values(**_user_columns(user)))


async def list_members(
    session: ReadSession, tenant_id: str, *, limit: int, after: str = "", user_id: str | None = None
) -> list[tuple[User, Membership]]:
    """Return the members of a tenant in the order of their ids, beginning after the id `after`, or one of them."""
    query = _members(tenant_id).where(_U.id > after).order_by(_U.id).limit(limit)
    if user_id is not None:
        query = query.where(_U.id == user_id)
    return [(_user(row, "person_"), _membership(row)) for row in await session.execute(query)]


async def find_membership(session: ReadSession, tenant_id: str, user_id: str) -> Membership | None:
    query = select(tables.memberships).where(_M.tenant_id == tenant_id, _M.user_id == user_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _membership(row)


async def memberships_of(session: ReadSession, user_id: str) -> list[Membership]:
    """Return what the user is in every tenant that is not deleted."""
    query = (
        select(tables.memberships)
        .join(tables.tenants, tables.tenants.c.id == _M.tenant_id)
        .where(_M.user_id == user_id, tables.tenants.c.deleted_at.is_(None))
        .order_by(_M.tenant_id)
    )
    return [_membership(row) for row in await session.execute(query)]


async def insert_membership(session: WriteSession, membership: Membership) -> None:
    await session.execute(
        insert(tables.memberships).values(
            tenant_id=membership.tenant_id, user_id=membership.user_id, **_membership_columns(membership)
        )
    )


async def update_membership(session: WriteSession, membership: Membership) -> None:
    """Write a membership that was read in the same transaction."""
    await session.execute(update(tables.memberships).where(_key(membership)).values(**_membership_columns(membership)))


async def delete_membership(session: WriteSession, membership: Membership) -> None:
    await session.execute(delete(tables.memberships).where(_key(membership)))


async def administrators(session: ReadSession, tenant_ids: Collection[str]) -> Administrators:
    """Return who administers the platform, and who these tenants."""
    active = (_U.deleted_at.is_(None), _U.is_disabled.is_(False))
    of_platform = select(_U.id, _U.platform_roles).where(_U.platform_roles != (), *active)
    platform = {row.id for row in await session.execute(of_platform) if _ADMINISTRATOR in row.platform_roles}
    query = (
        select(_M.tenant_id, _M.user_id, _M.roles)
        .join(tables.users, _U.id == _M.user_id)
        .where(_M.tenant_id.in_(tenant_ids), *active)
    )
    tenants: dict[str, set[str]] = {}
    for row in await session.execute(query):
        if _ADMINISTRATOR in row.roles:
            tenants.setdefault(row.tenant_id, set()).add(row.user_id)
    named = {tenant_id: frozenset(ids) for tenant_id, ids in tenants.items()}
    return Administrators(platform=frozenset(platform), tenants=named)


async def tenant_names(session: ReadSession, tenant_ids: Collection[str]) -> dict[str, str]:
    query = select(tables.tenants.c.id, tables.tenants.c.name).where(tables.tenants.c.id.in_(tenant_ids))
    return {row.id: row.name for row in await session.execute(query)}


async def _require_free(session: ReadSession, user: User) -> None:
    """Writers are serial: the name stays free until this one ends."""
    same = (_U.name == user.name) & (_U.tenant_id == user.tenant_id) & (_U.id != user.user_id)
    query = select(_U.id).where(same, _U.deleted_at.is_(None))
    if user.deleted_at is None and await session.scalar(query) is not None:
        raise NameTaken("service account" if user.tenant_id else "user", user.name)


def _is_member(tenant_id: str) -> ColumnElement[bool]:
    return _U.id.in_(select(_M.user_id).where(_M.tenant_id == tenant_id))


def _members(tenant_id: str) -> Select[Any]:  # Any: rows of memberships with their users
    users = [column.label(f"person_{column.name}") for column in tables.users.columns]
    return (
        select(tables.memberships, *users)
        .join(tables.users, _U.id == _M.user_id)
        .where(_M.tenant_id == tenant_id, _U.deleted_at.is_(None))
    )


def _key(membership: Membership) -> ColumnElement[bool]:
    return (_M.tenant_id == membership.tenant_id) & (_M.user_id == membership.user_id)


def _user_columns(user: User) -> dict[str, object]:
    return {
        "tenant_id": user.tenant_id,
        "name": user.name,
        "kind": user.kind.value,
        "display_name": user.display_name,
        "email": user.email,
        "platform_roles": user.platform_roles,
        "is_disabled": user.is_disabled,
        "deleted_at": user.deleted_at,
        **history_columns(user.history),
    }


def _membership_columns(membership: Membership) -> dict[str, object]:
    return {
        "roles": membership.roles,
        "own_role_ids": membership.own_role_ids,
        "project_roles": dict(membership.project_roles),
        **history_columns(membership.history),
    }


def _user(row: Row[Any], prefix: str = "") -> User:  # Any: a row with the columns of `users`, perhaps with a prefix
    def of(name: str) -> Any:  # Any: the column's value
        return getattr(row, prefix + name)

    deleted_at = of("deleted_at")
    return User(
        user_id=of("id"),
        kind=SubjectKind(of("kind")),
        tenant_id=of("tenant_id"),
        name=of("name"),
        display_name=of("display_name"),
        email=of("email"),
        platform_roles=of("platform_roles"),
        is_disabled=of("is_disabled"),
        deleted_at=None if deleted_at is None else UnixTime(deleted_at),
        history=history_of(row, prefix),
    )


def _membership(row: Row[Any]) -> Membership:  # Any: a row of `memberships`
    return Membership(
        user_id=row.user_id,
        tenant_id=row.tenant_id,
        roles=row.roles,
        own_role_ids=row.own_role_ids,
        project_roles=row.project_roles,
        history=history_of(row),
    )

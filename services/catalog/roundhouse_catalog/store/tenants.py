"""Tenants and users. One of each is there from the first start."""

from collections.abc import Collection

from sqlalchemy import insert, select

from roundhouse_catalog.store import tables
from roundhouse_common.auth import Role, SubjectKind
from roundhouse_common.contracts.identity import Quota, RequestLogPolicy
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "ADMIN_USER_ID",
    "DEFAULT_TENANT_ID",
    "existing_tenants",
    "existing_users",
    "seed",
]

DEFAULT_TENANT_ID = "ten_default"
ADMIN_USER_ID = "usr_admin"


async def seed(session: WriteSession, *, now: UnixTime) -> None:
    """Make the default tenant and an administrator at the first start; later what is there stays as it is."""
    history = {"generation": 1, "created_at": now, "created_by": "", "updated_at": now, "updated_by": ""}
    if await session.scalar(select(tables.tenants.c.id).limit(1)) is None:
        tenant = {"name": "default", "is_suspended": False, "quota": Quota(), "request_log": RequestLogPolicy()}
        await session.execute(insert(tables.tenants).values(id=DEFAULT_TENANT_ID, **tenant, **history))
    if await session.scalar(select(tables.users.c.id).limit(1)) is not None:
        return
    await session.execute(
        insert(tables.users).values(
            id=ADMIN_USER_ID,
            tenant_id="",
            name="admin",
            kind=SubjectKind.USER.value,
            display_name="Administrator",
            email="",
            platform_roles=(Role.ADMINISTRATOR,),
            is_disabled=False,
            **history,
        )
    )
    membership = {"roles": (Role.ADMINISTRATOR,), "own_role_ids": (), "project_roles": {}}
    await session.execute(
        insert(tables.memberships).values(tenant_id=DEFAULT_TENANT_ID, user_id=ADMIN_USER_ID, **membership, **history)
    )


async def existing_tenants(session: ReadSession, ids: Collection[str]) -> set[str]:
    """Return which of the ids are tenants."""
    return set(await session.scalars(select(tables.tenants.c.id).where(tables.tenants.c.id.in_(ids))))


async def existing_users(session: ReadSession, tenant_id: str | None, ids: Collection[str]) -> set[str]:
    """Return which of the ids are users of the tenant, or of any, or have made an API key in it."""
    found: set[str] = set()
    for named, owner in (
        (tables.memberships.c.user_id, tables.memberships.c.tenant_id),
        (tables.api_keys.c.user_id, tables.api_keys.c.tenant_id),
    ):
        query = select(named).where(named.in_(ids))
        found |= set(await session.scalars(query if tenant_id is None else query.where(owner == tenant_id)))
    return found

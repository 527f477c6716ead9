"""People who log in, for tests of logins."""

from typing import Any

import httpx
from sqlalchemy import insert

from roundhouse_catalog.domain.passwords import normalised
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.logins import Credential, put_credential
from roundhouse_common.auth.passwords import Passwords
from tests.component.catalog.world import API, World

__all__ = ["ANN", "PASSWORD", "Person", "add_person", "add_tenant", "bearer", "log_in"]

PASSWORD = "seven green kettles"
ANN = "usr_ann"
_HISTORY = {"generation": 1, "created_at": 1.0, "created_by": "", "updated_at": 1.0, "updated_by": ""}
_HASHER = Passwords(memory_kib=8, passes=1)

Person = dict[str, Any]
"""The tokens of somebody who has logged in."""


async def add_tenant(world: World, tenant_id: str) -> None:
    async with world.db.write() as session:
        values = {"name": tenant_id, "is_suspended": False, "quota": {}, "request_log": {}, **_HISTORY}
        await session.execute(insert(tables.tenants).values(id=tenant_id, **values))


async def add_person(
    world: World,
    *,
    user_id: str = ANN,
    name: str = "ann",
    password: str | None = PASSWORD,
    tenants: tuple[str, ...] = ("ten_default",),
    roles: tuple[str, ...] = ("user",),
    **changes: Any,
) -> None:
    """Add somebody who is a member of the tenants, and can log in unless the password is None."""
    user = {
        "tenant_id": "",
        "kind": "user",
        "display_name": name,
        "email": f"{name}@example.org",
        "platform_roles": (),
        "is_disabled": False,
        **_HISTORY,
        **changes,
    }
    async with world.db.write() as session:
        await session.execute(insert(tables.users).values(id=user_id, name=name, **user))
        for tenant_id in tenants:
            membership = {"roles": roles, "own_role_ids": (), "project_roles": {}, **_HISTORY}
            await session.execute(insert(tables.memberships).values(tenant_id=tenant_id, user_id=user_id, **membership))
        if password is not None:
            hashed = await _HASHER.hash(normalised(password))
            await put_credential(
                session, Credential(user_id=user_id, password_hash=hashed, changed_at=world.clock.now())
            )


async def log_in(world: World, name: str = "ann", password: str = PASSWORD, **more: str) -> httpx.Response:
    """Try to log in; nobody is logged in before."""
    return await post(world, "/sessions", {"login_name": name, "password": password, **more})


async def post(world: World, path: str, body: Person, *, token: str = "", agent: str = "tests") -> httpx.Response:
    """Post as nobody, or with an access token."""
    headers = {"user-agent": agent, "authorization": f"Bearer {token}"}
    return await world.http.post(API + path, json=body, headers=headers)


def bearer(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person['access_token']}"}

"""People for tests of the directory: added through the API, acting with the token that a login would give them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from roundhouse_catalog.store.directory import find_subject
from tests.component.catalog.world import World

__all__ = ["acting", "as_admin", "new_person", "new_tenant", "token_of"]

ADMIN = "usr_admin"


async def token_of(world: World, user_id: str, tenant_id: str = "ten_default") -> str:
    async with world.db.read() as session:
        subject = await find_subject(session, user_id, tenant_id)
    assert subject is not None, f"{user_id} gets no token for {tenant_id}"
    return world.signer.sign(subject, 3600)


@asynccontextmanager
async def acting(world: World, user_id: str, tenant_id: str = "ten_default") -> AsyncIterator[World]:
    """Let the world's client be this user until the block ends."""
    before = world.http.headers["authorization"]
    world.http.headers["authorization"] = f"Bearer {await token_of(world, user_id, tenant_id)}"
    try:
        yield world
    finally:
        world.http.headers["authorization"] = before


def as_admin(world: World, tenant_id: str = "ten_default") -> Any:  # Any: the context manager of `acting`
    """Act as the administrator of the first start."""
    return acting(world, ADMIN, tenant_id)


async def new_tenant(world: World, name: str, **changes: Any) -> str:
    """Create a tenant as the administrator and return its id."""
    async with as_admin(world):
        made = await world.post("/tenants", {"name": name, **changes})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def new_person(world: World, name: str, tenant_id: str = "ten_default", **changes: Any) -> str:
    """Add a person to a tenant as the administrator and return their id."""
    async with as_admin(world, tenant_id):
        made = await world.post("/users", {"name": name, **changes})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])

"""What a token for a tenant states, and whose keys are refused."""

import pytest
from sqlalchemy import insert, update

from roundhouse_catalog.store import tables
from roundhouse_catalog.store.directory import blocked_keys, find_subject
from roundhouse_catalog.store.key_reach import lost_reach
from roundhouse_common.auth import Role, Subject, allowed
from tests.component.catalog.world import World

_HISTORY = {"generation": 1, "created_at": 1.0, "created_by": "", "updated_at": 1.0, "updated_by": ""}


async def add_user(world: World, user_id: str, *platform_roles: str) -> None:
    async with world.db.write() as session:
        await session.execute(
            insert(tables.users).values(
                id=user_id, tenant_id="", name=user_id, kind="user", display_name="", email="",
                platform_roles=platform_roles, is_disabled=False, **_HISTORY,
            )
        )  # fmt: skip


async def add_tenant(world: World, tenant_id: str) -> None:
    async with world.db.write() as session:
        await session.execute(
            insert(tables.tenants).values(
                id=tenant_id, name=tenant_id, is_suspended=False, quota={}, request_log={}, **_HISTORY
            )
        )


async def join(world: World, user_id: str, tenant_id: str, *roles: str, **more: object) -> None:
    values = {"roles": roles, "own_role_ids": (), "project_roles": {}, **more}
    async with world.db.write() as session:
        await session.execute(
            insert(tables.memberships).values(user_id=user_id, tenant_id=tenant_id, **values, **_HISTORY)
        )


async def add_key(world: World, key_id: str, user_id: str, tenant_id: str = "ten_default", **more: object) -> None:
    async with world.db.write() as session:
        await session.execute(
            insert(tables.api_keys).values(
                id=key_id, tenant_id=tenant_id, user_id=user_id, name="k", prefix="", last_four="", sha256=key_id,
                expires_at=0.0, created_at=1.0, revoked_at=0.0, **{"deployment_ids": (), **more},
            )
        )  # fmt: skip


async def change(world: World, table: str, row_id: str, **values: object) -> None:
    named = tables.metadata.tables[table]
    async with world.db.write() as session:
        await session.execute(update(named).where(named.c.id == row_id).values(**values))


async def subject(world: World, user_id: str, tenant_id: str = "ten_default") -> Subject | None:
    async with world.db.read() as session:
        return await find_subject(session, user_id, tenant_id)


async def blocked(world: World) -> set[str]:
    async with world.db.read() as session:
        return await blocked_keys(session)


@pytest.mark.contract("E01")
async def test_a_person_has_other_roles_in_each_tenant(world: World) -> None:
    await add_tenant(world, "ten_2")
    await add_user(world, "usr_ann")
    await join(world, "usr_ann", "ten_default", "deployer")
    await join(world, "usr_ann", "ten_2", "viewer")
    there, here = await subject(world, "usr_ann", "ten_2"), await subject(world, "usr_ann")
    assert there is not None
    assert here is not None
    assert (set(here.roles), set(there.roles)) == ({Role.DEPLOYER}, {Role.VIEWER})
    assert not allowed(here, "deployments:read", "ten_2")
    assert await subject(world, "usr_ann", "ten_3") is None


@pytest.mark.contract("E02")
async def test_own_roles_and_project_roles_are_in_the_token_while_they_are_there(world: World) -> None:
    await add_user(world, "usr_ann")
    names = {"tenant_id": "ten_default", "description": "", **_HISTORY}
    async with world.db.write() as session:
        await session.execute(insert(tables.own_roles).values(id="rol_1", name="r", actions=("logs:read",), **names))
        for number in (1, 2):
            await session.execute(
                insert(tables.projects).values(id=f"prj_{number}", name=f"{number}", quota={}, **names)
            )
    projects = {"prj_1": ("deployer",), "prj_2": ("viewer", "role of a later release")}
    await join(world, "usr_ann", "ten_default", own_role_ids=("rol_1",), project_roles=projects)
    await change(world, "projects", "prj_1", deleted_at=5.0)
    ann = await subject(world, "usr_ann")
    assert ann is not None
    assert dict(ann.project_roles) == {"prj_2": {Role.VIEWER}}
    assert ann.grants == {"logs:read", "self:read", "self:write"}
    await change(world, "own_roles", "rol_1", deleted_at=5.0)
    ann = await subject(world, "usr_ann")
    assert ann is not None
    assert "logs:read" not in ann.grants


async def test_who_is_disabled_or_elsewhere_or_suspended_gets_no_token(world: World) -> None:
    for user_id in ("usr_ann", "usr_bob", "usr_eve"):
        await add_user(world, user_id)
        if user_id != "usr_eve":
            await join(world, user_id, "ten_default", "viewer")
    await change(world, "users", "usr_bob", is_disabled=True)
    assert [await subject(world, one) is not None for one in ("usr_ann", "usr_bob", "usr_eve")] == [True, False, False]
    await change(world, "tenants", "ten_default", is_suspended=True)
    assert await subject(world, "usr_ann") is None
    assert await subject(world, "usr_admin") is not None


async def test_keys_of_who_may_not_come_in_are_blocked(world: World) -> None:
    await add_tenant(world, "ten_2")
    for user_id in ("usr_ann", "usr_bob", "usr_eve"):
        await add_user(world, user_id)
        await join(world, user_id, "ten_2", "user")
        await add_key(world, f"key_{user_id}", user_id, "ten_2")
    await add_key(world, "key_elsewhere", "usr_ann")
    await add_key(world, "key_admin", "usr_admin", "ten_2")  # a role on the platform is enough
    await add_key(world, "key_service", "svc_unknown", "ten_2")
    assert await blocked(world) == {"key_elsewhere"}
    await change(world, "users", "usr_bob", is_disabled=True)
    await change(world, "users", "usr_eve", deleted_at=4.0)
    assert await blocked(world) == {"key_elsewhere", "key_usr_bob", "key_usr_eve"}
    await change(world, "tenants", "ten_2", is_suspended=True)
    everyone = {"key_elsewhere", "key_usr_ann", "key_usr_bob", "key_usr_eve", "key_admin", "key_service"}
    assert await blocked(world) == everyone


async def lost(world: World) -> tuple[set[str], dict[str, set[str]]]:
    async with world.db.read() as session:
        found = await lost_reach(session)
    return found.blocked, found.deployments


@pytest.mark.contract("E03")
async def test_keys_lose_with_their_owner_what_was_a_projects_only(world: World) -> None:
    await world.model()
    mine, open_one = await world.deployment(name="mine"), await world.deployment(name="open")
    for one in (mine, open_one):
        await change(world, "deployments", one["id"], project_id="prj_1", created_by="user:usr_else")
    await change(world, "deployments", open_one["id"], access="tenant")
    await add_user(world, "usr_ann")
    await add_user(world, "usr_boss")
    await join(world, "usr_ann", "ten_default", "user", project_roles={"prj_1": ("deployer",)})
    await join(world, "usr_boss", "ten_default", "administrator")
    await add_key(world, "key_project", "usr_ann", project_id="prj_1")
    await add_key(world, "key_named", "usr_ann", deployment_ids=(mine["id"],))
    await add_key(world, "key_both", "usr_ann", deployment_ids=(mine["id"], open_one["id"]))
    await add_key(world, "key_plain", "usr_ann")
    await add_key(world, "key_boss", "usr_boss", project_id="prj_1")
    assert await lost(world) == (set(), {})
    members = tables.memberships
    async with world.db.write() as session:
        await session.execute(update(members).where(members.c.user_id == "usr_ann").values(project_roles={}))
    assert await lost(world) == ({"key_project", "key_named"}, {"key_both": {mine["id"]}})
    await change(world, "deployments", mine["id"], created_by="user:usr_ann")
    assert await lost(world) == ({"key_project"}, {}), "what is one's own stays"

"""Projects: whose deployments somebody sees and changes, what may be held, and what others are told of it."""

from collections.abc import Awaitable, Callable

import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.registry import KEYS, TENANTS
from tests.component.catalog.directory import acting, as_admin, new_person
from tests.component.catalog.uploading import announced
from tests.component.catalog.world import World, on_the_bus
from tests.support.eventually import eventually


async def a_project(world: World, name: str, **changes: object) -> str:
    async with as_admin(world):
        made = await world.post("/projects", {"name": name, **changes})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest.mark.contract("E02", "E03")
async def test_a_role_in_a_project_holds_for_its_deployments_only(world: World) -> None:
    mine, other = await a_project(world, "mine"), await a_project(world, "other")
    await world.model()
    theirs = await world.deployment(name="theirs", project_id=other)
    nobodys = await world.deployment(name="nobodys")
    ann = await new_person(world, "ann", project_roles={mine: ["deployer"], other: ["user"]})
    async with acting(world, ann):
        made = await world.deployment(name="ours", project_id=mine)
        assert made["project_id"] == mine
        listed = (await world.get("/deployments")).json()["items"]
        assert [one["name"] for one in listed] == ["theirs", "ours"]
        assert [one["name"] for one in (await world.get("/deployments", project_id=mine)).json()["items"]] == ["ours"]
        assert (await world.get("/deployments", project_id="prj_none")).json()["items"] == []
        assert (await world.post(f"/deployments/{made['id']}:stop")).status_code == 200
        statuses = [
            (await world.get(f"/deployments/{theirs['id']}")).status_code,
            (await world.post(f"/deployments/{theirs['id']}:stop")).status_code,
            (await world.post(f"/deployments/{theirs['id']}/versions", {"replicas": 2})).status_code,
            (await world.get(f"/deployments/{nobodys['id']}")).status_code,
            (await world.delete(f"/deployments/{nobodys['id']}")).status_code,
            (await world.post("/deployments", {"model": "smol", "name": "a"})).status_code,
            (await world.post("/deployments", {"model": "smol", "name": "a", "project_id": other})).status_code,
        ]
    assert statuses == [200, 403, 422, 404, 404, 403, 403]


@pytest.mark.contract("E03")
async def test_deployments_beyond_a_quota_are_refused_with_figures(world: World) -> None:
    project = await a_project(world, "small", quota={"replicas": 2})
    async with as_admin(world):
        assert (await world.patch("/tenants/ten_default", {"quota": {"replicas": 3}})).status_code == 200
    await world.model()
    first = await world.deployment(name="first", project_id=project, replicas=2)
    beyond = await world.post("/deployments", {"name": "second", "model": "smol", "project_id": project})
    assert (beyond.status_code, beyond.json()["code"]) == (409, "quota_exceeded")
    assert 'The project "small" may hold 2 replicas; 2 are taken and 1 more were wanted.' in beyond.json()["detail"]
    second = await world.deployment(name="second")
    scaled = await world.patch(f"/deployments/{second['id']}", {"replicas": 2})
    assert 'The tenant "default" may hold 3 replicas; 2 are taken and 2 more' in scaled.json()["detail"]
    assert (await world.post(f"/deployments/{first['id']}:stop")).status_code == 200
    assert (await world.patch(f"/deployments/{second['id']}", {"replicas": 3})).status_code == 200
    assert (await world.post(f"/deployments/{first['id']}:start")).json()["code"] == "quota_exceeded"
    async with as_admin(world):
        await world.patch("/tenants/ten_default", {"quota": {"replicas": 0}})
    assert (await world.patch(f"/deployments/{second['id']}", {"replicas": 1})).status_code == 200


@pytest.mark.contract("E03")
async def test_uploads_beyond_a_quota_are_refused(world: World) -> None:
    project = await a_project(world, "small", quota={"storage_bytes": 10})
    body = announced(a__bin=b"123456")
    assert (await world.post("/uploads", {**body, "project_id": project})).status_code == 201
    beyond = await world.post("/uploads", {**body, "project_id": project})
    assert beyond.json()["code"] == "quota_exceeded"
    assert "may hold 10 bytes of storage; 6 are taken and 6 more" in beyond.json()["detail"]
    assert (await world.post("/uploads", body)).status_code == 201


async def test_other_services_learn_of_tenants_and_of_keys_that_are_blocked(world: World) -> None:
    broker = MemoryBroker(world.clock)
    project = await a_project(world, "search")
    ann = await new_person(world, "ann", roles=["user"])
    async with acting(world, ann):
        key = (await world.post("/api-keys", {"name": "k"})).json()["id"]
    router = MemoryBus(broker, Service.ROUTER, clock=world.clock)
    await router.connect()

    async def is_known() -> bool:
        return key in await router.bucket(KEYS).list()

    async def is_blocked() -> bool:
        return (await router.bucket(KEYS).list())[key].value.is_blocked

    async def seen(generation: int) -> TenantRecord | None:
        found = (await router.bucket(TENANTS).list()).get("ten_default")
        return found.value if found and found.value.generation >= generation else None

    async with on_the_bus(world, broker):
        first = await eventually(lambda: seen(2))
        assert first is not None
        assert (first.projects[0].project_id, first.projects[0].name, first.is_suspended) == (project, "search", False)
        await eventually(is_known)
        assert not await is_blocked()
        async with as_admin(world):
            assert (await world.delete(f"/projects/{project}")).status_code == 204
            suspended = await world.patch("/tenants/ten_default", {"is_suspended": True})
        told = await eventually(lambda: seen(suspended.json()["generation"]))
        assert told is not None
        assert (told.is_suspended, [one.is_deleted for one in told.projects]) == (True, [True])
        await eventually(is_blocked)
        async with as_admin(world):
            await world.patch("/tenants/ten_default", {"is_suspended": False})
        await eventually(lambda: free(is_blocked))
        async with as_admin(world):
            assert (await world.delete(f"/members/{ann}?abandon=true")).status_code == 204
        await eventually(is_blocked)
        assert (await world.rebuild())["tenants"] == 1
    await router.close()


async def free(is_blocked: Callable[[], Awaitable[bool]]) -> bool:
    return not await is_blocked()

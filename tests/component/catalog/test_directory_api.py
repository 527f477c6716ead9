"""Tenants, projects, people, roles and service accounts over REST."""

import pytest

from tests.component.catalog.directory import acting, as_admin, new_person, new_tenant
from tests.component.catalog.world import World

pytestmark = pytest.mark.contract("E01")


async def test_a_tenant_is_made_changed_suspended_and_deleted(world: World) -> None:
    async with as_admin(world):
        made = await world.post("/tenants", {"name": "Research", "quota": {"devices": 4}})
        assert (made.status_code, made.json()["quota"]["devices"]) == (201, 4)
        path = f"/tenants/{made.json()['id']}"
        stale = await world.patch(path, {"is_suspended": True}, if_match='"7"')
        assert stale.status_code == 412
        changes = {"is_suspended": True, "quota": {"replicas": 2}}
        changed = await world.patch(path, changes, if_match=made.headers["etag"])
        assert (changed.status_code, changed.json()["is_suspended"]) == (200, True)
        assert changed.json()["quota"] == {"devices": 4, "replicas": 2, "storage_bytes": None}
        assert (await world.post("/tenants", {"name": "Research"})).json()["code"] == "name_taken"
        assert (await world.delete(path)).status_code == 204
        assert (await world.get(path)).status_code == 404
        assert (await world.post("/tenants", {"name": "Research"})).status_code == 201


async def test_every_fault_of_a_tenant_is_told_at_once(sqlite_world: World) -> None:
    async with as_admin(sqlite_world):
        body = {"name": " ", "quota": {"devices": -1}, "request_log": {"keep_days": 0}}
        refused = await sqlite_world.post("/tenants", body)
    assert refused.status_code == 422
    assert {one["field"] for one in refused.json()["errors"]} == {"name", "quota.devices", "request_log.keep_days"}


async def test_a_tenants_administrator_turns_its_request_log_on_and_nothing_else(world: World) -> None:
    ann = await new_person(world, "ann", roles=["administrator"])
    async with acting(world, ann):
        log = {"request_log": {"level": "metadata", "keep_days": 7}}
        assert (await world.patch("/tenants/ten_default", log)).json()["request_log"]["keep_days"] == 7
        refused = await world.patch("/tenants/ten_default", {"quota": {"devices": 1000}})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert [one["id"] for one in (await world.get("/tenants")).json()["items"]] == ["ten_default"]
        assert (await world.post("/tenants", {"name": "mine"})).status_code == 403


async def test_other_tenants_are_not_there_for_who_may_not_see_them(world: World) -> None:
    other = await new_tenant(world, "other")
    eve = await new_person(world, "eve", other, roles=["administrator"])
    async with as_admin(world, other):
        project = (await world.post("/projects", {"name": "p"})).json()["id"]
        role = (await world.post("/roles", {"name": "r", "actions": ["logs:read"]})).json()["id"]
        account = (await world.post("/service-accounts", {"name": "s"})).json()["id"]
    ann = await new_person(world, "ann", roles=["administrator"])
    async with acting(world, ann):
        for path in (
            f"/tenants/{other}",
            f"/users/{eve}",
            f"/members/{eve}",
            f"/projects/{project}",
            f"/roles/{role}",
            f"/service-accounts/{account}",
        ):
            found = await world.get(path)
            assert found.status_code == 404, path
            assert "eve" not in found.text
        for path in ("/users", "/members", "/projects", "/service-accounts"):
            assert other not in (await world.get(path)).text
        named = await world.get("/users", name="eve")
        assert named.json()["items"] == []


async def test_a_project_counts_in_the_tenants_generation(world: World) -> None:
    async with as_admin(world):
        before = (await world.get("/tenants/ten_default")).json()["generation"]
        made = (await world.post("/projects", {"name": "search", "quota": {"replicas": 1}})).json()
        path = f"/projects/{made['id']}"
        assert (await world.patch(path, {"name": "find"})).json()["name"] == "find"
        assert (await world.get("/projects", name="find")).json()["items"][0]["id"] == made["id"]
        assert (await world.delete(path)).status_code == 204
        assert (await world.get(path)).status_code == 404
        assert (await world.get("/tenants/ten_default")).json()["generation"] == before + 3


async def test_a_person_is_made_once_and_joins_other_tenants_by_their_login_name(world: World) -> None:
    ann = await new_person(world, "ann@example.org", display_name="Ann", roles=["deployer"])
    other = await new_tenant(world, "other")
    async with as_admin(world, other):
        assert (await world.post("/users", {"name": "ann@example.org"})).json()["code"] == "name_taken"
        joined = await world.post("/members", {"name": "ann@example.org", "roles": ["viewer"]})
        assert (joined.status_code, joined.json()["id"], joined.json()["roles"]) == (201, ann, ["viewer"])
        assert (await world.post("/members", {"name": "ann@example.org"})).json()["code"] == "already_member"
        unknown = await world.post("/members", {"name": "nobody"})
        assert unknown.json()["errors"][0]["field"] == "name"
    async with acting(world, ann, other):
        me = (await world.get("/me")).json()
    assert {(one["name"], *one["roles"]) for one in me["tenants"]} == {("default", "deployer"), ("other", "viewer")}
    assert (me["tenant_name"], me["display_name"], me["view"]) == ("other", "Ann", "operations")


@pytest.mark.contract("E08")
async def test_me_tells_which_view_is_somebodys(world: World) -> None:
    async with as_admin(world):
        project = (await world.post("/projects", {"name": "p"})).json()["id"]
    ann = await new_person(world, "ann", roles=["user"])
    bob = await new_person(world, "bob", project_roles={project: ["deployer"]})
    async with acting(world, ann):
        me = (await world.get("/me")).json()
        assert (me["view"], [one["id"] for one in me["projects"]]) == ("user", [project])
    async with acting(world, bob):
        me = (await world.get("/me")).json()
        assert (me["view"], me["actions"]) == ("operations", ["self:read", "self:write"])
        assert [one["roles"] for one in me["projects"]] == [["deployer"]]
        assert "deployments:write" in me["projects"][0]["actions"]


@pytest.mark.contract("E02")
async def test_nobody_gives_or_takes_more_than_they_hold(world: World) -> None:
    async with as_admin(world):
        role = {"name": "people", "actions": ["members:read", "members:write", "logs:read"]}
        people = (await world.post("/roles", role)).json()["id"]
    ann = await new_person(world, "ann", roles=["user"], own_role_ids=[people])
    boss = await new_person(world, "boss", roles=["administrator"])
    bob = await new_person(world, "bob")
    async with acting(world, ann):
        refusals = [
            await world.patch(f"/members/{bob}", {"roles": ["operator"]}),
            await world.patch(f"/members/{ann}", {"roles": ["administrator"]}),
            await world.patch(f"/members/{boss}", {"roles": []}),
            await world.delete(f"/members/{boss}"),
            await world.post("/roles", {"name": "more", "actions": ["audit:read"]}),
            await world.patch(f"/roles/{people}", {"actions": ["members:write", "nodes:read"]}),
            await world.patch(f"/roles/{people}", {"actions": ["members:write", "keys:admin"]}),
            await world.post("/users", {"name": "eve", "platform_roles": ["viewer"]}),
            await world.post("/service-accounts", {"name": "bot", "roles": ["deployer"]}),
        ]
        codes = [(one.status_code, one.json()["code"]) for one in refusals]
        held = (403, "more_than_held")
        assert codes == [held] * 5 + [(422, "invalid_input"), held, (403, "forbidden"), held]
        given = await world.patch(f"/members/{bob}", {"roles": ["user"], "own_role_ids": [people]})
        assert given.status_code == 200, given.text


@pytest.mark.contract("E02")
async def test_the_last_administrator_stays_one(world: World) -> None:
    async with as_admin(world):
        refusals = [
            await world.patch("/users/usr_admin", {"platform_roles": []}),
            await world.patch("/users/usr_admin", {"is_disabled": True}),
            await world.delete("/users/usr_admin"),
            await world.patch("/members/usr_admin", {"roles": ["viewer"]}),
            await world.delete("/members/usr_admin"),
        ]
        assert {one.json()["code"] for one in refusals} == {"last_administrator"}
    await new_person(world, "ann", roles=["administrator"], platform_roles=["administrator"])
    async with as_admin(world):
        assert (await world.delete("/members/usr_admin")).status_code == 204
        assert (await world.patch("/users/usr_admin", {"platform_roles": []})).status_code == 200


@pytest.mark.contract("E02")
async def test_own_roles_stand_beside_the_templates(world: World) -> None:
    async with as_admin(world):
        made = (await world.post("/roles", {"name": "log reader", "actions": ["logs:read"]})).json()
        listed = (await world.get("/roles", limit=200)).json()["items"]
        assert {one["name"] for one in listed} >= {"administrator", "viewer", "log reader"}
        assert [one["is_template"] for one in listed if one["id"] == made["id"]] == [False]
        first = (await world.get("/roles", limit=3)).json()
        second = (await world.get("/roles", limit=200, cursor=first["next_cursor"])).json()
        assert [*first["items"], *second["items"]] == listed
        assert (await world.get("/roles/viewer")).json()["is_template"] is True
        assert (await world.patch("/roles/viewer", {"actions": ["logs:read"]})).status_code == 404
        ann = await new_person(world, "ann", own_role_ids=[made["id"]])
        assert (await world.delete(f"/roles/{made['id']}")).json()["code"] == "role_in_use"
        assert (await world.patch(f"/members/{ann}", {"own_role_ids": []})).status_code == 200
        assert (await world.delete(f"/roles/{made['id']}")).status_code == 204


async def test_a_service_account_belongs_to_its_tenant(world: World) -> None:
    async with as_admin(world):
        made = await world.post("/service-accounts", {"name": "nightly", "roles": ["user"]})
        account = made.json()["id"]
        assert (made.status_code, made.json()["kind"]) == (201, "service-account")
        assert (await world.get(f"/users/{account}")).status_code == 404
        assert (await world.get(f"/members/{account}")).json()["roles"] == ["user"]
        disabled = await world.patch(f"/service-accounts/{account}", {"is_disabled": True})
        assert disabled.json()["is_disabled"] is True
        assert (await world.delete(f"/service-accounts/{account}")).status_code == 204
        assert (await world.get(f"/members/{account}")).status_code == 404


async def test_a_write_of_the_directory_that_is_sent_twice_happens_once(world: World) -> None:
    async with as_admin(world):
        for path, body in (
            ("/tenants", {"name": "t"}),
            ("/projects", {"name": "p"}),
            ("/users", {"name": "u"}),
            ("/roles", {"name": "r", "actions": ["logs:read"]}),
            ("/service-accounts", {"name": "s"}),
        ):
            first = await world.post(path, body, idempotency_key=path)
            again = await world.post(path, body, idempotency_key=path)
            assert (first.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')

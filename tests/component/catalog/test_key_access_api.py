"""Keys of one's own and of others, what is put into them, their rotation; and whose keys may use a deployment."""

from typing import Any

import httpx
import pytest

from roundhouse_catalog.domain.records import key_record
from roundhouse_catalog.domain.routes import route_record
from roundhouse_catalog.store.keys import find_key
from roundhouse_catalog.store.routes import all_routes
from roundhouse_common.auth import Role, Subject, hash_api_key
from roundhouse_common.contracts.routing import Access, ApiKeyRecord, RouteRecord
from tests.component.catalog.world import API, World


def as_user(world: World, user_id: str, *roles: Role, projects: dict[str, Role] | None = None) -> dict[str, str]:
    held = {name: frozenset([role]) for name, role in (projects or {}).items()}
    subject = Subject(id=user_id, tenant_id="ten_default", roles=frozenset(roles or [Role.USER]), project_roles=held)
    return {"authorization": f"Bearer {world.signer.sign(subject, 3600)}"}


async def made(world: World, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await world.http.post(f"{API}/api-keys", json={"name": "k", **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def published(world: World, key_id: str) -> ApiKeyRecord:
    async with world.db.read() as session:
        key = await find_key(session, "ten_default", key_id)
    assert key is not None
    return key_record(key)


async def own_route(world: World, deployment_id: str) -> RouteRecord:
    async with world.db.read() as session:
        return next(route_record(one) for one in await all_routes(session) if one.deployment_id == deployment_id)


@pytest.mark.contract("B12")
async def test_what_a_key_may_is_checked_kept_and_published(world: World) -> None:
    limits = {"models": ["llama-*", "tiny"], "ip_ranges": ["10.0.0.0/8", "2001:DB8::/32", "192.0.2.7"], "priority": 5}
    key = await made(world, limits)
    assert key["ip_ranges"] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]
    record = await published(world, key["id"])
    assert (record.models, record.priority) == (("llama-*", "tiny"), 5)
    body = {"models": [], "ip_ranges": ["10.0.0.0/9"], "name": "renamed"}
    changed = await world.patch(f"/api-keys/{key['id']}", body)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["models"], changed.json()["name"]) == ([], "renamed")
    assert (await published(world, key["id"])).ip_ranges == ("10.0.0.0/9",)
    refused = await world.post("/api-keys", {"name": "k", "ip_ranges": ["10.0.0.1/8", "x"], "models": [""]})
    assert {fault["field"] for fault in refused.json()["errors"]} == {"ip_ranges.0", "ip_ranges.1", "models.0"}


@pytest.mark.contract("B12")
async def test_a_rotation_shows_a_new_secret_and_keeps_the_old_one_for_a_while(world: World) -> None:
    key = await made(world, {})
    rotated = (await world.post(f"/api-keys/{key['id']}:rotate", {"overlap_s": 60})).json()
    record = await published(world, key["id"])
    assert record.sha256 == hash_api_key(rotated["secret"]) != hash_api_key(key["secret"])
    assert (record.previous_sha256, record.previous_until) == (hash_api_key(key["secret"]), world.clock.now() + 60)
    assert rotated["secret"].endswith(rotated["last_four"])
    at_once = (await world.post(f"/api-keys/{key['id']}:rotate", {"overlap_s": 0})).json()
    record = await published(world, key["id"])
    assert (record.sha256, record.previous_sha256) == (hash_api_key(at_once["secret"]), "")
    assert (await world.delete(f"/api-keys/{key['id']}")).status_code == 204
    assert (await world.post(f"/api-keys/{key['id']}:rotate", {})).json()["code"] == "api_key_revoked"
    assert (await world.patch(f"/api-keys/{key['id']}", {"name": "x"})).status_code == 409


@pytest.mark.contract("E04")
async def test_everybody_has_their_own_keys_and_keys_admin_those_of_all(world: World) -> None:
    ann, bob = as_user(world, "usr_ann"), as_user(world, "usr_bob")
    key = await made(world, {}, ann)
    path = f"{API}/api-keys/{key['id']}"
    listed = (await world.http.get(f"{API}/api-keys", headers=bob)).json()["items"]
    assert listed == []
    for answer in (
        await world.http.get(path, headers=bob),
        await world.http.patch(path, json={"name": "x"}, headers=bob),
        await world.http.post(f"{path}:rotate", json={}, headers=bob),
        await world.http.delete(path, headers=bob),
    ):
        assert answer.status_code == 404, "nobody learns of keys of others"
    finance = as_user(world, "usr_f", Role.FINANCE)
    assert [one["id"] for one in (await world.http.get(f"{API}/api-keys", headers=finance)).json()["items"]] == [
        key["id"]
    ]
    assert (await world.http.delete(path, headers=finance)).status_code == 403
    for_ann = await world.http.post(f"{API}/api-keys", json={"name": "k", "user_id": "usr_ann"}, headers=bob)
    assert for_ann.status_code == 403
    assert (await made(world, {"user_id": "usr_ann"}))["user_id"] == "usr_ann", "an administrator may"
    assert (await world.http.get(f"{API}/api-keys?user_id=usr_ann")).json()["items"][0]["user_id"] == "usr_ann"
    assert (await world.http.delete(path)).status_code == 204


async def test_a_key_shows_the_limits_that_name_it(world: World) -> None:
    key = await made(world, {})
    limit = {"name": "few", "per": ["key"], "key_ids": [key["id"]], "requests_per_minute": 5}
    assert (await world.post("/limits", limit)).status_code == 201
    shown = (await world.get(f"/api-keys/{key['id']}")).json()
    assert [(one["name"], one["bounds"]) for one in shown["limits"]] == [("few", {"requests_per_minute": 5})]


@pytest.mark.contract("B10")
async def test_a_new_deployment_is_private_until_it_is_opened(world: World) -> None:
    await world.model()
    deployment = await world.deployment()
    assert deployment["access"] == "private"
    route = await own_route(world, deployment["id"])
    assert (route.access, route.owner_id) == (Access.PRIVATE, "usr_test")
    opened = await world.patch(f"/deployments/{deployment['id']}", {"access": "tenant"})
    assert opened.json()["access"] == "tenant"
    assert (await own_route(world, deployment["id"])).access is Access.TENANT
    shown = (await world.get("/routes")).json()["items"][0]
    refused = await world.patch(f"/routes/{shown['id']}", {"access": "private"})
    assert "change it there" in refused.json()["detail"]
    assert (await world.patch(f"/deployments/{deployment['id']}", {"access": "open"})).status_code == 422


@pytest.mark.contract("B10")
async def test_only_the_platforms_administrator_opens_something_to_all_tenants(world: World) -> None:
    await world.model()
    body = {"name": "mine", "model": "smol", "access": "public"}
    operator = as_user(world, "usr_o", Role.ADMINISTRATOR)
    answers: list[httpx.Response] = [
        await world.http.post(f"{API}/deployments", json=body, headers=operator),
        await world.http.post(
            f"{API}/routes", json={"name": "r", "alias_of": "mine", "access": "public"}, headers=operator
        ),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert (await world.deployment(access="public"))["access"] == "public"


@pytest.mark.contract("B11")
async def test_a_key_may_name_only_deployments_that_its_maker_may_use(world: World) -> None:
    await world.model()
    private, opened = await world.deployment(), await world.deployment(name="open", access="tenant")
    bob = as_user(world, "usr_bob")
    assert (await made(world, {"deployment_ids": [opened["id"]]}, bob))["deployment_ids"] == [opened["id"]]
    refused = await world.http.post(
        f"{API}/api-keys", json={"name": "k", "deployment_ids": [private["id"]]}, headers=bob
    )
    assert refused.status_code == 422
    assert "that you may use" in refused.json()["detail"]
    assert (await made(world, {"deployment_ids": [private["id"]]}))["deployment_ids"] == [private["id"]]


async def test_a_key_is_for_a_project_that_its_maker_is_in(world: World) -> None:
    project = (await world.post("/projects", {"name": "one"})).json()
    inside = as_user(world, "usr_in", projects={project["id"]: Role.USER})
    body = {"project_id": project["id"]}
    assert (await made(world, body, inside))["project_id"] == project["id"]
    outside = as_user(world, "usr_out")
    refused = await world.http.post(f"{API}/api-keys", json={"name": "k", **body}, headers=outside)
    assert refused.status_code == 422


@pytest.mark.contract("B12")
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_an_end_that_no_answer_could_tell_is_refused_and_the_list_stays_readable(world: World, time: str) -> None:
    key = await made(world, {})
    for answer in (
        await world.post("/api-keys", {"name": "k", "expires_at": time}),
        await world.patch(f"/api-keys/{key['id']}", {"expires_at": time}),
        await world.post("/tokens", {"name": "t", "expires_at": time}),
        await world.post("/audit:seal", {"before": time}),
    ):
        assert (answer.status_code, "1970-01-01" in answer.text) == (422, True), answer.text
    listed = (await world.http.get(f"{API}/api-keys")).json()["items"]
    assert [one["expires_at"] for one in listed] == [None]
    assert (await world.http.get(f"{API}/audit", params={"since": time})).status_code == 422


@pytest.mark.contract("E02")
async def test_who_has_roles_in_a_project_only_has_keys_for_that_project(world: World) -> None:
    mine, other = [(await world.post("/projects", {"name": name})).json()["id"] for name in ("mine", "other")]
    only = Subject(id="usr_ann", tenant_id="ten_default", project_roles={mine: frozenset({Role.USER})})
    ann = {"authorization": f"Bearer {world.signer.sign(only, 60)}"}
    key = await made(world, {"project_id": mine}, ann)
    for body, status in (({}, 403), ({"project_id": other}, 403)):
        answer = await world.http.post(f"{API}/api-keys", json={"name": "k", **body}, headers=ann)
        assert answer.status_code == status, answer.text
    path = f"{API}/api-keys/{key['id']}"
    assert [one["id"] for one in (await world.http.get(f"{API}/api-keys", headers=ann)).json()["items"]] == [key["id"]]
    assert (await world.http.post(f"{path}:rotate", json={}, headers=ann)).status_code == 200
    assert (await world.http.delete(path, headers=ann)).status_code == 204


@pytest.mark.contract("E03")
async def test_a_key_for_somebody_who_is_not_in_the_project_is_refused(world: World) -> None:
    project = (await world.post("/projects", {"name": "search"})).json()["id"]
    bob = (await world.post("/users", {"name": "bob", "roles": ["user"]})).json()["id"]
    refused = await world.post("/api-keys", {"name": "k", "user_id": bob, "project_id": project})
    assert (refused.status_code, [fault["field"] for fault in refused.json()["errors"]]) == (422, ["user_id"])
    member = {"project_roles": {project: ["user"]}}
    assert (await world.patch(f"/members/{bob}", member)).status_code == 200
    wakes = world.wakes
    await made(world, {"user_id": bob, "project_id": project})
    assert (await world.patch(f"/members/{bob}", {"project_roles": {}})).status_code == 200
    assert world.wakes > wakes + 1, "routers hear of it at once"

"""Limits over REST: made, changed and deleted as operators do it, on SQLite and on Postgres."""

from typing import Any

import pytest

from roundhouse_common.auth import Role
from tests.component.catalog.people import add_tenant
from tests.component.catalog.world import World, created

pytestmark = pytest.mark.contract("D01")


async def limit(world: World, name: str, **changes: Any) -> dict[str, Any]:
    return created(await world.post("/limits", {"name": name, **changes}))


def fields(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["errors"]}


async def test_a_limit_is_made_shown_listed_changed_and_deleted(world: World) -> None:
    answer = await world.post("/limits", {"name": "each key", "per": ["key", "route"], "requests_per_minute": 100})
    made = created(answer)
    path = f"/limits/{made['id']}"
    assert (answer.headers["etag"], answer.headers["location"]) == ('"1"', f"/api/v1{path}")
    assert (made["per"], made["requests_per_minute"], made["tokens_per_day"]) == (["key", "route"], 100, None)

    changed = await world.patch(path, {"tokens_per_day": 10_000, "requests_per_minute": None})
    assert (changed.json()["tokens_per_day"], changed.json()["requests_per_minute"]) == (10_000, None)
    assert (await world.get(path)).json() == changed.json()
    assert [one["name"] for one in (await world.get("/limits", name="each key")).json()["items"]] == ["each key"]

    assert (await world.delete(path)).status_code == 204
    assert (await world.get(path)).json()["code"] == "limit_not_found"
    assert (await world.get("/limits")).json()["items"] == []
    await limit(world, "each key", requests_per_second=1)


async def test_a_limit_names_keys_users_and_routes_that_exist(world: World) -> None:
    await world.model()
    await world.deployment(name="smol")
    [route] = (await world.get("/routes")).json()["items"]
    key = created(await world.post("/api-keys", {"name": "laptop"}))
    named = {"key_ids": [key["id"]], "user_ids": ["usr_test", "usr_admin"], "route_ids": [route["id"]]}
    made = await limit(world, "few", **named, concurrent_requests=0)
    assert {name: made[name] for name in named} == named

    wrong = {"key_ids": ["key_x"], "user_ids": ["usr_x"], "route_ids": ["rte_x"], "requests_per_day": 1}
    found = fields(await world.post("/limits", {"name": "none", **wrong}))
    assert found.keys() == {"key_ids.0", "user_ids.0", "route_ids.0"}

    alias = created(await world.post("/routes", {"name": "chat", "alias_of": "smol"}))
    aliased = {"name": "none", "route_ids": [alias["id"]], "requests_per_day": 1}
    assert 'name "smol"' in fields(await world.post("/limits", aliased))["route_ids.0"]


async def test_a_limit_of_a_route_that_is_gone_can_still_be_changed(world: World) -> None:
    await world.model()
    await world.deployment(name="smol")
    route = created(await world.post("/routes", {"name": "chat", "targets": [await target(world)]}))
    made = await limit(world, "chat", route_ids=[route["id"]], requests_per_day=1)
    assert (await world.delete(f"/routes/{route['id']}")).status_code == 204
    changed = await world.patch(f"/limits/{made['id']}", {"route_ids": [route["id"]], "requests_per_day": 2})
    assert (changed.status_code, changed.json()["route_ids"]) == (200, [route["id"]])


async def target(world: World) -> dict[str, str]:
    [deployment] = (await world.get("/deployments")).json()["items"]
    return {"deployment_id": deployment["id"]}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"name": "x"}, "bounds", "state at least one of requests_per_second"),
        ({"name": "", "requests_per_day": 1}, "name", "empty"),
        ({"name": "x", "requests_per_day": -1}, "requests_per_day", "-1 found; 0 to"),
        ({"name": "x", "requests_per_day": 10**30}, "requests_per_day", "found; 0 to"),
        ({"name": "x", "requests_per_day": 1, "per": ["keys"]}, "per.0", 'Did you mean "key"?'),
        ({"name": "x", "requests_per_day": 1, "per": ["key", "key"]}, "per", "twice"),
        ({"name": "x", "requests_per_day": 1, "per": ["key", "user", "route"]}, "per", "2 at most"),
        ({"name": "x", "requests_per_day": 1, "tenant_ids": ["ten_default"]}, "tenant_ids", "only limits of the"),
        ({"name": "x", "request_per_day": 1}, "request_per_day", "requests_per_day"),
    ],
)
async def test_what_is_wrong_is_said_in_words(sqlite_world: World, body: Any, field: str, words: str) -> None:
    assert words in fields(await sqlite_world.post("/limits", body))[field]


async def test_the_last_bound_does_not_end(sqlite_world: World) -> None:
    made = await limit(sqlite_world, "x", requests_per_day=1)
    ended = await sqlite_world.patch(f"/limits/{made['id']}", {"requests_per_day": None})
    assert "nothing is bounded" in fields(ended)["bounds"]


async def test_names_are_unique_among_what_is_not_deleted(world: World) -> None:
    await limit(world, "x", requests_per_day=1)
    other = await limit(world, "y", requests_per_day=1)
    for refused in (
        await world.post("/limits", {"name": "x", "requests_per_day": 1}),
        await world.patch(f"/limits/{other['id']}", {"name": "x"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    await limit(world, "x", requests_per_day=1, is_platform=True)


async def test_a_changed_limit_is_not_overwritten_and_what_changes_nothing_is_no_change(world: World) -> None:
    path = f"/limits/{(await limit(world, 'x', requests_per_day=1))['id']}"
    assert (await world.patch(path, {}, if_match=None)).status_code == 428
    assert (await world.patch(path, {"requests_per_day": 2}, if_match='"7"')).status_code == 412
    assert (await world.patch(path, {"requests_per_day": 1})).headers["etag"] == '"1"'


async def test_a_limit_sent_twice_is_made_once(world: World) -> None:
    body = {"name": "x", "requests_per_day": 1}
    first = await world.post("/limits", body, idempotency_key="one")
    again = await world.post("/limits", body, idempotency_key="one")
    assert (again.status_code, again.json()) == (201, first.json())


async def test_limits_of_the_platform_and_of_others_are_not_seen(world: World) -> None:
    shared = await limit(world, "all", requests_per_day=1, is_platform=True, tenant_ids=["ten_default"])
    mine = await limit(world, "mine", requests_per_day=1)
    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    assert [one["name"] for one in (await world.get("/limits")).json()["items"]] == ["mine"]
    assert (await world.get(f"/limits/{shared['id']}")).status_code == 404
    await add_tenant(world, "ten_other")
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR, tenant_id='ten_other')}"
    assert [one["name"] for one in (await world.get("/limits")).json()["items"]] == ["all"]
    assert (await world.delete(f"/limits/{mine['id']}")).status_code == 404

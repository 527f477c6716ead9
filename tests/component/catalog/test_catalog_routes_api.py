"""Routes over REST: made, changed and deleted as operators do it, on SQLite and on Postgres."""

from typing import Any

import pytest
from sqlalchemy import insert

from roundhouse_catalog.store import tables
from roundhouse_common.auth import Role
from roundhouse_common.contracts.scheduler import VersionState
from tests.component.catalog.people import add_tenant
from tests.component.catalog.world import World, created

pytestmark = pytest.mark.contract("D08")


async def deployed(world: World, *names: str) -> dict[str, str]:
    """Deploy a model under these names and return the ids by name."""
    await world.model()
    return {name: (await world.deployment(name=name))["id"] for name in names}


async def route(world: World, name: str, **changes: Any) -> dict[str, Any]:
    return created(await world.post("/routes", {"name": name, **changes}))


def fields(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["errors"]}


async def test_a_route_is_made_shown_listed_changed_and_deleted(world: World) -> None:
    ids = await deployed(world, "stable", "canary")
    targets = [{"deployment_id": ids["stable"], "weight": 90}, {"deployment_id": ids["canary"], "weight": 10}]
    answer = await world.post("/routes", {"name": "chat", "targets": targets})
    made = created(answer)
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/api/v1/routes/{made['id']}"
    assert [(one["deployment_id"], one["weight"]) for one in made["targets"]] == [
        (ids["stable"], 90),
        (ids["canary"], 10),
    ]
    assert (made["model_kind"], made["deployment_id"], made["balancing"]["strategy"]) == ("chat", "", "least-in-flight")

    changed = await world.patch(f"/routes/{made['id']}", {"cache": {"ttl_s": 600}, "is_coalesced": True})
    assert (changed.json()["cache"]["ttl_s"], changed.json()["generation"]) == (600.0, 2)
    assert (await world.get(f"/routes/{made['id']}")).json() == changed.json()
    assert [one["name"] for one in (await world.get("/routes", name="chat")).json()["items"]] == ["chat"]

    assert (await world.delete(f"/routes/{made['id']}")).status_code == 204
    assert (await world.get(f"/routes/{made['id']}")).json()["code"] == "route_not_found"
    assert (await world.get("/routes", name="chat")).json()["items"] == []
    await route(world, "chat", targets=targets)


async def test_every_setting_comes_back_as_it_was_sent(world: World) -> None:
    ids = await deployed(world, "one", "two")
    key = created(await world.post("/api-keys", {"name": "laptop"}))
    await route(world, "spare", targets=[{"deployment_id": ids["two"]}])
    sent: dict[str, Any] = {
        "name": "chat-*",
        "targets": [
            {
                "deployment_id": ids["one"],
                "provider_id": "",
                "model": "",
                "weight": 3,
                "priority": 1,
                "match": {"header": "x-beta", "value": "yes", "key_ids": [key["id"]], "user_ids": ["ann"]},
            },
            {
                "deployment_id": ids["two"],
                "provider_id": "",
                "model": "",
                "weight": 1,
                "priority": 0,
                "match": None,
            },
        ],
        "balancing": {
            "strategy": "session-affinity",
            "weights": {"eu": 3},
            "session_header": "x-session",
            "load_ceiling": 2.0,
            "is_local_preferred": False,
            "spill_in_flight": 4,
        },
        "split_by": "user",
        "fallbacks": [{"reason": "context-length", "route": "spare"}, {"reason": "error", "route": "one"}],
        "timeouts": {"first_token_s": 5.0, "idle_s": 2.5, "total_s": 60.0},
        "retries": {"max_attempts": 2, "is_429_retried": False},
        "queue": {"in_flight_per_endpoint": 8, "max_waiting": 100, "deadline_s": 10.0},
        "cache": {"ttl_s": 600.0, "max_answer_bytes": 1000},
        "is_coalesced": True,
        "is_continued": True,
        "key_ids": [key["id"]],
        "tenant_ids": [],
    }
    made = await route(world, **sent)
    assert {name: made[name] for name in sent} == sent


async def test_a_deployment_comes_with_its_route_and_takes_it_along(world: World) -> None:
    ids = await deployed(world, "smol", "other")
    [own] = (await world.get("/routes", name="smol")).json()["items"]
    path = f"/routes/{own['id']}"
    assert (own["deployment_id"], own["targets"][0]["deployment_id"]) == (ids["smol"], ids["smol"])

    both = [{"deployment_id": ids["smol"], "weight": 9}, {"deployment_id": ids["other"]}]
    changed = await world.patch(path, {"targets": both, "balancing": {"strategy": "prefix-affinity"}})
    assert changed.json()["balancing"]["strategy"] == "prefix-affinity"

    without = await world.patch(path, {"targets": [{"deployment_id": ids["other"]}]})
    assert "stays a target of its own route" in fields(without)["targets"]
    assert "keeps its name" in fields(await world.patch(path, {"name": "better"}))["name"]
    refused = await world.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "route_of_deployment")

    await stop_and_delete(world, ids["smol"])
    assert (await world.get(path)).status_code == 404


async def stop_and_delete(world: World, deployment_id: str) -> None:
    path = f"/deployments/{deployment_id}"
    version_id = (await world.get(path)).json()["active_version"]["id"]
    await world.post(f"{path}:stop")
    world.states[version_id] = VersionState.STOPPED
    answer = await world.delete(path)
    assert answer.status_code == 204, answer.text


async def test_a_new_version_leaves_the_settings_of_its_route(world: World) -> None:
    ids = await deployed(world, "smol")
    [own] = (await world.get("/routes", name="smol")).json()["items"]
    await world.patch(f"/routes/{own['id']}", {"cache": {"ttl_s": 60}})
    await world.post(f"/deployments/{ids['smol']}/versions", {"parameters": {"parallel": "2"}})
    [after] = (await world.get("/routes", name="smol")).json()["items"]
    assert (after["cache"]["ttl_s"], after["generation"]) == (60.0, 2)


async def test_a_deployment_and_a_route_do_not_share_a_name(world: World) -> None:
    ids = await deployed(world, "smol")
    taken = await world.post("/routes", {"name": "smol", "alias_of": "x", "targets": []})
    assert taken.status_code in (409, 422)
    taken = await world.post("/routes", {"name": "smol", "targets": [{"deployment_id": ids["smol"]}]})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert 'Another deployment is called "smol"' in taken.json()["detail"]

    await route(world, "chat", alias_of="smol")
    refused = await world.post("/deployments", {"name": "chat", "model": "smol"})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert 'Another route is called "chat"' in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"name": "x"}, "targets", "none found"),
        ({"name": " x", "alias_of": "smol"}, "name", "blanks"),
        ({"name": "x" * 129, "alias_of": "smol"}, "name", "129 characters"),
        ({"name": "x", "alias_of": "smal"}, "alias_of", 'Did you mean "smol"?'),
        ({"name": "x", "alias_of": "x"}, "alias_of", "is the route itself"),
        ({"name": "x", "targets": [{"deployment_id": "dep_x"}]}, "targets.0.deployment_id", "no deployment"),
        ({"name": "x", "targets": [{"provider_id": "prv_x"}]}, "targets.0.provider_id", "no provider"),
        ({"name": "x", "targets": [{}]}, "targets.0", "nothing found"),
        ({"name": "x", "targets": [{"deployment_id": "a", "provider_id": "b"}]}, "targets.0", "both"),
        ({"name": "x", "alias_of": "smol", "split_by": "weight"}, "split_by", "allowed are request, key, user"),
        ({"name": "x", "alias_of": "smol", "timeouts": {"idle_s": -1}}, "timeouts.idle_s", "-1.0 found; 0.0 to"),
        ({"name": "x", "alias_of": "smol", "key_ids": ["key_x"]}, "key_ids.0", "no API key"),
        ({"name": "x", "alias_of": "smol", "tenant_ids": ["ten_default"]}, "tenant_ids", "only routes of the platform"),
        ({"name": "x", "targets": [{"weight": "1"}]}, "targets.0.weight", "whole number"),
    ],
)
async def test_what_is_wrong_is_said_in_words(sqlite_world: World, body: Any, field: str, words: str) -> None:
    await deployed(sqlite_world, "smol")
    assert words in fields(await sqlite_world.post("/routes", body))[field]


async def test_aliases_and_fallbacks_lead_in_no_circle(world: World) -> None:
    ids = await deployed(world, "smol")
    await route(world, "a", alias_of="smol")
    await route(world, "b", alias_of="a")
    made = await route(world, "c", targets=[{"deployment_id": ids["smol"]}])
    back = await world.patch(f"/routes/{made['id']}", {"fallbacks": [{"reason": "error", "route": "smol"}]})
    assert back.status_code == 200
    [own] = (await world.get("/routes", name="smol")).json()["items"]
    circle = await world.patch(f"/routes/{own['id']}", {"fallbacks": [{"reason": "context-length", "route": "c"}]})
    assert "smol -> c -> smol" in fields(circle)["fallbacks"]
    [a] = (await world.get("/routes", name="a")).json()["items"]
    assert "a -> b -> a" in fields(await world.patch(f"/routes/{a['id']}", {"alias_of": "b"}))["alias_of"]


async def test_a_route_that_others_name_is_not_deleted_and_keeps_its_name(world: World) -> None:
    ids = await deployed(world, "smol")
    made = await route(world, "chat", targets=[{"deployment_id": ids["smol"]}])
    await route(world, "gpt-4", alias_of="chat")
    await route(
        world, "big", targets=[{"deployment_id": ids["smol"]}], fallbacks=[{"reason": "error", "route": "chat"}]
    )
    path = f"/routes/{made['id']}"
    for refused in (await world.delete(path), await world.patch(path, {"name": "talk"})):
        assert (refused.status_code, refused.json()["code"]) == (409, "route_in_use")
        assert "by the routes big, gpt-4" in refused.json()["detail"]


async def test_a_deployment_that_routes_lead_to_is_not_deleted(world: World) -> None:
    ids = await deployed(world, "smol", "other")
    await route(world, "chat", targets=[{"deployment_id": ids["smol"]}])
    await route(world, "gpt-4", alias_of="other")
    for name, code in (("smol", "deployment_in_use"), ("other", "route_in_use")):
        path = f"/deployments/{ids[name]}"
        await world.post(f"{path}:stop")
        refused = await world.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert "gpt-4" in refused.json()["detail"]


async def test_targets_are_of_one_kind(world: World) -> None:
    ids = await deployed(world, "smol")
    await world.model(name="embed", kind="embedding")
    embed = await world.deployment(name="embed", model="embed")
    both = [{"deployment_id": ids["smol"]}, {"deployment_id": embed["id"]}]
    assert (
        "smol (chat), embed (embedding)"
        in fields(await world.post("/routes", {"name": "x", "targets": both}))["targets"]
    )
    wrong = {"name": "x", "alias_of": "smol", "model_kind": "embedding"}
    assert "of the kind chat" in fields(await world.post("/routes", wrong))["model_kind"]
    spare = {
        "name": "x",
        "targets": [{"deployment_id": ids["smol"]}],
        "fallbacks": [{"reason": "error", "route": "embed"}],
    }
    assert "of the kind embedding" in fields(await world.post("/routes", spare))["fallbacks.0.route"]
    assert (await route(world, "vectors", alias_of="embed"))["model_kind"] == "embedding"


async def test_a_changed_route_is_not_overwritten_and_what_changes_nothing_is_no_change(world: World) -> None:
    await deployed(world, "smol")
    made = await route(world, "chat", alias_of="smol")
    path = f"/routes/{made['id']}"
    assert (await world.patch(path, {}, if_match=None)).status_code == 428
    assert (await world.patch(path, {"is_coalesced": True}, if_match='"7"')).status_code == 412
    same = await world.patch(path, {"alias_of": "smol"})
    assert (same.json()["generation"], same.headers["etag"]) == (1, '"1"')
    assert (await world.delete(path, if_match='"7"')).status_code == 412


async def test_a_route_sent_twice_is_made_once(world: World) -> None:
    await deployed(world, "smol")
    first = await world.post("/routes", {"name": "chat", "alias_of": "smol"}, idempotency_key="one")
    again = await world.post("/routes", {"name": "chat", "alias_of": "smol"}, idempotency_key="one")
    assert (again.status_code, again.json()) == (201, first.json())


async def test_an_alias_becomes_a_route_with_targets_and_back(world: World) -> None:
    ids = await deployed(world, "smol")
    path = f"/routes/{(await route(world, 'chat', alias_of='smol'))['id']}"
    both = await world.patch(path, {"targets": [{"deployment_id": ids["smol"]}]})
    assert "either" in fields(both)["alias_of"]
    changed = await world.patch(path, {"alias_of": "", "targets": [{"deployment_id": ids["smol"]}]})
    assert (changed.status_code, changed.json()["alias_of"]) == (200, "")
    back = await world.patch(path, {"alias_of": "smol", "targets": []})
    assert (back.json()["alias_of"], back.json()["targets"]) == ("smol", [])


async def test_routes_of_the_platform_are_for_those_who_run_it(world: World) -> None:
    ids = await deployed(world, "smol")
    made = await route(
        world, "shared", is_platform=True, targets=[{"deployment_id": ids["smol"]}], tenant_ids=["ten_default"]
    )
    assert (made["tenant_id"], made["is_platform"]) == ("", True)
    await route(world, "shared", targets=[{"deployment_id": ids["smol"]}])
    assert len((await world.get("/routes", name="shared")).json()["items"]) == 2

    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    assert [one["is_platform"] for one in (await world.get("/routes", name="shared")).json()["items"]] == [False]
    assert (await world.get(f"/routes/{made['id']}")).status_code == 404


async def test_a_route_of_the_platform_for_others_is_not_there(world: World) -> None:
    ids = await deployed(world, "smol")
    async with world.db.write() as session:
        await session.execute(insert(tables.tenants).values(id="ten_other", name="other", created_at=1.0))
    shared = {"is_platform": True, "targets": [{"deployment_id": ids["smol"]}]}
    await route(world, "theirs", tenant_ids=["ten_other"], **shared)
    await route(world, "ours", tenant_ids=["ten_default", "ten_other"], **shared)
    refused = await world.post("/routes", {"name": "chat", "alias_of": "theirs"})
    assert "no route" in fields(refused)["alias_of"]
    await route(world, "chat", alias_of="ours")


async def test_another_tenant_sees_and_reaches_nothing(world: World) -> None:
    ids = await deployed(world, "smol")
    made = await route(world, "chat", alias_of="smol")
    await add_tenant(world, "ten_other")
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR, tenant_id='ten_other')}"
    assert (await world.get("/routes")).json()["items"] == []
    assert (await world.get(f"/routes/{made['id']}")).status_code == 404
    assert (await world.delete(f"/routes/{made['id']}")).status_code == 404
    lent = await world.post("/routes", {"name": "mine", "targets": [{"deployment_id": ids["smol"]}]})
    assert "no deployment" in fields(lent)["targets.0.deployment_id"]
    assert "no route" in fields(await world.post("/routes", {"name": "mine", "alias_of": "chat"}))["alias_of"]

"""Where a request would go, asked over REST."""

from typing import Any

import pytest

from roundhouse_common.auth import Role
from tests.component.catalog.directory import acting, as_admin, new_person
from tests.component.catalog.world import World, created

pytestmark = pytest.mark.contract("D08", "D09")


async def ids_of(world: World, *names: str) -> dict[str, str]:
    await world.model()
    return {name: (await world.deployment(name=name))["id"] for name in names}


async def look(world: World, model: str, route: Any = None, **request: Any) -> dict[str, Any]:
    answer = await world.post("/routes:preview", {"request": {"model": model, **request}, "route": route})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_alias_leads_to_targets_with_percents_settings_fallbacks_and_limits(world: World) -> None:
    ids = await ids_of(world, "stable", "canary", "spare")
    targets = [
        {"deployment_id": ids["stable"], "weight": 90},
        {"deployment_id": ids["canary"], "weight": 10},
        {"deployment_id": ids["spare"], "priority": 1},
    ]
    chat = created(
        await world.post(
            "/routes",
            {
                "name": "chat",
                "targets": targets,
                "fallbacks": [{"reason": "error", "route": "spare"}],
                "cache": {"ttl_s": 600},
            },
        )
    )
    await world.post("/routes", {"name": "gpt-*", "alias_of": "chat"})
    await world.post("/limits", {"name": "each key", "per": ["key"], "requests_per_minute": 100})
    await world.post("/limits", {"name": "chat", "route_ids": [chat["id"]], "concurrent_requests": 5})
    await world.post("/limits", {"name": "everybody", "is_platform": True, "tokens_per_day": 7})
    [spare] = (await world.get("/routes", name="spare")).json()["items"]
    await world.post("/limits", {"name": "spare only", "route_ids": [spare["id"]], "concurrent_requests": 5})

    found = await look(world, "gpt-4o")

    assert (found["is_routed"], found["why_not"]) == (True, "")
    assert (found["named"]["name"], found["path"], found["route"]["name"]) == ("gpt-*", ["gpt-*", "chat"], "chat")
    told = [(one["deployment_name"], one["priority"], one["percent"]) for one in found["targets"]]
    assert told == [("stable", 0, 90.0), ("canary", 0, 10.0), ("spare", 1, 100.0)]
    assert found["fallbacks"] == [{"reason": "error", "route": "spare", "is_usable": True}]
    assert found["settings"]["cache"]["ttl_s"] == 600.0
    assert [(one["name"], one["per"], one["bounds"]) for one in found["limits"]] == [
        ("each key", ["key"], {"requests_per_minute": 100}),
        ("chat", [], {"concurrent_requests": 5}),
        ("everybody", [], {"tokens_per_day": 7}),
    ]


async def test_a_header_a_key_and_a_user_decide(world: World) -> None:
    ids = await ids_of(world, "stable", "beta", "mine", "ann")
    key = created(await world.post("/api-keys", {"name": "laptop"}))
    targets = [
        {"deployment_id": ids["stable"]},
        {"deployment_id": ids["beta"], "match": {"header": "x-beta", "value": "yes"}},
        {"deployment_id": ids["mine"], "match": {"key_ids": [key["id"]]}},
        {"deployment_id": ids["ann"], "match": {"user_ids": ["ann"]}},
    ]
    created(await world.post("/routes", {"name": "chat", "targets": targets}))

    async def leads(**request: Any) -> list[str]:
        return [one["deployment_name"] for one in (await look(world, "chat", **request))["targets"]]

    assert await leads() == ["stable"]
    assert await leads(headers={"X-Beta": "yes"}) == ["beta"]
    assert await leads(headers={"X-Beta": "no"}) == ["stable"]
    assert await leads(key_id=key["id"]) == ["mine"]
    assert await leads(user="ann") == ["ann"]


async def test_what_leads_nowhere_says_why(world: World) -> None:
    ids = await ids_of(world, "stable", "other")
    narrow = created(await world.post("/api-keys", {"name": "narrow", "deployment_ids": [ids["other"]]}))
    wide = created(await world.post("/api-keys", {"name": "wide"}))
    only = [{"deployment_id": ids["stable"], "match": {"header": "x-beta"}}]
    await world.post("/routes", {"name": "beta", "targets": only})
    await world.post("/routes", {"name": "private", "alias_of": "stable", "key_ids": [narrow["id"]]})

    assert 'Did you mean "stable"?' in (await look(world, "stabel"))["why_not"]
    assert "other deployments" in (await look(world, "stable", key_id=narrow["id"]))["why_not"]
    assert "matches none" in (await look(world, "beta"))["why_not"]
    assert "other API keys" in (await look(world, "private", key_id=wide["id"]))["why_not"]
    assert "other API keys" in (await look(world, "private"))["why_not"]


async def test_a_key_that_routers_refuse_is_refused(world: World) -> None:
    key = created(await world.post("/api-keys", {"name": "old"}))
    await world.delete(f"/api-keys/{key['id']}")
    for key_id, words in ((key["id"], "revoked"), ("key_x", "no API key")):
        answer = await world.post("/routes:preview", {"request": {"model": "x", "key_id": key_id}})
        assert words in answer.json()["errors"][0]["message"]


async def test_a_route_that_is_not_there_yet_is_looked_at_and_not_made(world: World) -> None:
    ids = await ids_of(world, "stable", "canary")
    both = [{"deployment_id": ids["stable"], "weight": 3}, {"deployment_id": ids["canary"]}]
    found = await look(world, "chat", {"name": "chat", "targets": both})
    assert [one["percent"] for one in found["targets"]] == [75.0, 25.0]
    assert (await world.get("/routes", name="chat")).json()["items"] == []

    found = await look(world, "stable", {"name": "stable", "targets": both})
    assert [one["deployment_name"] for one in found["targets"]] == ["stable", "canary"]
    assert len((await look(world, "stable"))["targets"]) == 1

    wrong = {"request": {"model": "chat"}, "route": {"name": "chat", "alias_of": "gone"}}
    assert (await world.post("/routes:preview", wrong)).json()["errors"][0]["field"] == "alias_of"


async def test_viewers_may_look_and_learn_where_the_platforms_routes_lead(world: World) -> None:
    ids = await ids_of(world, "stable")
    shared = {"name": "shared-*", "is_platform": True, "targets": [{"deployment_id": ids["stable"]}]}
    created(await world.post("/routes", shared))
    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    found = await look(world, "shared-x")
    assert (found["named"]["is_platform"], found["targets"][0]["deployment_name"]) == (True, "stable")
    refused = await world.post("/routes:preview", {"request": {"model": "x"}, "route": shared})
    assert refused.status_code == 403


@pytest.mark.contract("B10", "E03")
async def test_a_preview_finds_what_the_caller_or_the_key_may_use_and_nothing_else(world: World) -> None:
    await world.model()
    ann = await new_person(world, "ann", roles=["deployer"])
    bob = await new_person(world, "bob", roles=["deployer"])
    async with acting(world, ann):
        body = {"name": "secret", "model": "smol", "access": "private"}
        created(await world.post("/deployments", body))
        key = created(await world.post("/api-keys", {"name": "anns"}))
        assert (await look(world, "secret"))["is_routed"]
    async with acting(world, bob):
        hidden = await look(world, "secret")
        guessed = await look(world, "secrets")
        foreign = await world.post("/routes:preview", {"request": {"model": "secret", "key_id": key["id"]}})
    assert (hidden["is_routed"], hidden["named"], hidden["targets"]) == (False, None, [])
    assert "Did you mean" not in guessed["why_not"]
    assert (foreign.status_code, "there is no API key" in foreign.text) == (422, True)
    async with as_admin(world):
        assert (await look(world, "secret"))["is_routed"], "who manages routes sees them all"
        assert (await look(world, "secret", key_id=key["id"]))["is_routed"]
        own = created(await world.post("/api-keys", {"name": "admins"}))
        assert not (await look(world, "secret", key_id=own["id"]))["is_routed"]

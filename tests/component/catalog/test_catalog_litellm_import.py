"""`/routes:import-litellm`: all at once or nothing; again without doubling; and nothing said about secrets."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from roundhouse_catalog.store import tenants
from roundhouse_catalog.store.providers import named_providers
from roundhouse_common.auth import Role
from tests.component.catalog.world import World

FIXTURES = Path(__file__).parents[2] / "fixtures/litellm"
PATH = "/routes:import-litellm"
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-openai-one-1111",
    "OPENAI_API_KEY_2": "sk-openai-two-2222",
    "ANTHROPIC_API_KEY": "sk-ant-api-3333",
    "OPENROUTER_API_KEY": "sk-or-v1-4444",
    "REPLICATE_API_KEY": "r8-replicate-5555",
}
SMALL = """
model_list:
  - model_name: chat
    litellm_params: {model: openai/gpt-4o, api_key: sk-small-first-1111, rpm: 10}
router_settings: {routing_strategy: usage-based-routing, fallbacks: [{chat: [other]}]}
"""
OTHER = """
  - model_name: other
    litellm_params: {model: anthropic/claude-x, api_key: sk-small-other-2222, rpm: 10}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def a_body(config: str, **more: Any) -> dict[str, Any]:
    return {"config": config, "environment": {}, **more}


def team(**more: Any) -> dict[str, Any]:
    return a_body((FIXTURES / "team.yaml").read_text(), environment=ENVIRONMENT, **more)


async def rows(world: World) -> dict[str, int]:
    async with world.db.write() as session:
        tables = ("providers", "routes", "limits")
        return {one: len((await session.execute(text(f"SELECT id FROM {one}"))).all()) for one in tables}


async def listed(world: World, noun: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await world.get(f"/{noun}", limit=100)).json()["items"]}


@pytest.mark.contract("D18")
@pytest.mark.contract("D19")
async def test_a_teams_file_becomes_providers_and_routes(world: World) -> None:
    answer = await world.post(PATH, team())
    made = answer.json()
    assert answer.status_code == 200, answer.text
    assert set(made["providers"]["created"]) >= {"openai", "anthropic", "together-ai", "openrouter", "replicate"}
    assert (made["environment_needed"], made["is_dry_run"]) == ([], False)
    routes, providers = await listed(world, "routes"), await listed(world, "providers")
    assert set(routes) == set(made["routes"]["created"])
    chat = routes["gpt-4o"]
    names = {one["id"]: name for name, one in providers.items()}
    assert [(names[one["provider_id"]], one["model"], one["priority"]) for one in chat["targets"]] == [
        ("openai", "gpt-4o", 0),
        ("ollama-gpu-1-11434", "llama3.1", 1),
    ]
    assert chat["fallbacks"] == [{"reason": "error", "route": "claude"}]
    assert (chat["retries"]["max_attempts"], chat["cache"]["ttl_s"], chat["generation"]) == (3, 120, 1)
    assert (routes["gpt-4"]["alias_of"], routes["embed"]["model_kind"]) == ("gpt-4o", "embedding")
    assert [key["last_four"] for key in providers["openai"]["keys"]] == ["1111", "2222"]
    async with world.db.read() as session:
        stored = (await named_providers(session, tenants.DEFAULT_TENANT_ID))["anthropic"]
    assert world.secrets.box().open(stored.keys[0].sealed) == ENVIRONMENT["ANTHROPIC_API_KEY"]
    for secret in [*ENVIRONMENT.values(), "literal-together-key", "hunter2", "sk-1234"]:
        assert secret not in answer.text


async def test_again_changes_nothing_and_doubles_nothing(world: World) -> None:
    await world.post(PATH, team())
    before, routes = await rows(world), await listed(world, "routes")
    world.clock.seconds += 60
    again = (await world.post(PATH, team())).json()
    for kind in ("providers", "routes", "limits"):
        assert (again[kind]["created"], again[kind]["updated"]) == ([], []), again[kind]
    assert (await rows(world), await listed(world, "routes")) == (before, routes)


async def test_a_changed_file_changes_what_it_names_and_adds_keys(world: World) -> None:
    await world.post(PATH, a_body(SMALL.replace("router_settings", OTHER.strip("\n") + "\nrouter_settings")))
    changed = SMALL.replace("sk-small-first-1111", "sk-small-new-3333").replace("rpm: 10", "rpm: 20")
    answer = (await world.post(PATH, a_body(changed))).json()
    assert (answer["providers"]["updated"], answer["limits"]["updated"]) == (["openai"], ["litellm chat"])
    providers, limits = await listed(world, "providers"), await listed(world, "limits")
    assert [key["last_four"] for key in providers["openai"]["keys"]] == ["1111", "3333"]
    assert limits["litellm chat"]["requests_per_minute"] == 20
    assert (await listed(world, "routes"))["chat"]["fallbacks"] == [{"reason": "error", "route": "other"}]
    assert "other" in await listed(world, "routes")


async def test_a_dry_run_tells_everything_and_writes_nothing(world: World) -> None:
    dry = await world.post(PATH, team(is_dry_run=True))
    assert dry.json()["is_dry_run"] is True
    assert await rows(world) == {"providers": 0, "routes": 0, "limits": 0}
    real = (await world.post(PATH, team())).json()
    assert dry.json()["routes"]["created"] == real["routes"]["created"]
    assert dry.json()["lines"] == real["lines"]


async def test_without_a_variable_nothing_is_made_unless_that_is_allowed(world: World) -> None:
    given = {name: value for name, value in ENVIRONMENT.items() if name != "ANTHROPIC_API_KEY"}
    refused = await world.post(PATH, {**team(), "environment": given})
    assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (
        422,
        ["environment.ANTHROPIC_API_KEY"],
    )
    assert await rows(world) == {"providers": 0, "routes": 0, "limits": 0}
    dry = await world.post(PATH, {**team(), "environment": given, "is_dry_run": True})
    assert dry.json()["environment_needed"] == ["ANTHROPIC_API_KEY"]
    allowed = await world.post(PATH, {**team(), "environment": given, "allows_missing_keys": True})
    assert allowed.status_code == 200
    assert (await listed(world, "providers"))["anthropic"]["keys"] == []


async def test_what_the_catalog_cannot_have_is_left_out_with_the_reason(world: World) -> None:
    await world.model()
    await world.deployment(name="chat")
    taken = {"name": "together-ai", "format": "openai", "base_url": "https://elsewhere.example.com/v1"}
    await world.post("/providers", taken)
    config = """
    model_list:
      - {model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: sk-x-aaaaaaaa}}
      - {model_name: t, litellm_params: {model: together_ai/x, api_key: sk-y-bbbbbbbb}}
      - {model_name: bad, litellm_params: {model: openai/x, api_base: "http://169.254.169.254/v1", api_key: sk}}
      - {model_name: good, litellm_params: {model: openai/x, api_key: sk-x-aaaaaaaa}}
    router_settings:
      fallbacks: [{good: [nowhere]}]
      model_group_alias: {alias: nothing, fine: good}
    """
    answer = (await world.post(PATH, a_body(config))).json()
    assert (answer["routes"]["created"], answer["providers"]["created"]) == (["good", "fine"], ["openai"])
    left_out = [one["detail"] for one in answer["lines"] if one["outcome"] == "left_out"]
    for words in (
        "the deployment chat has the route of this name",
        "speaks openai at https://elsewhere.example.com/v1 already",
        "the route t: targets",
        "where clouds tell machines their credentials",
        "the route good: its fallbacks",
        "the route alias: alias_of",
    ):
        assert any(words in detail for detail in left_out), (words, left_out)
    assert (await listed(world, "routes"))["chat"]["deployment_id"]


async def test_a_provider_that_an_imported_route_needs_is_not_removed(world: World) -> None:
    await world.post(PATH, a_body(SMALL))
    provider = (await listed(world, "providers"))["openai"]
    refused = await world.delete(f"/providers/{provider['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "provider_in_use")
    assert "the routes chat" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("model_list: [", "it is not YAML"),
        (BOMB, "more than 100000 values"),
        ("a: &a [*a]", "deeper than 32"),
        ("[" * 5000, "deep"),
        ("a: !!python/object/apply:os.system [x]", "it is not YAML"),
        ("a: 1\n---\nb: 2", "it is not YAML"),
    ],
)
async def test_files_that_are_no_configuration_are_refused_in_bounds(
    sqlite_world: World, config: str, words: str
) -> None:
    refused = await sqlite_world.post(PATH, a_body(config))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "config")
    assert words in refused.json()["errors"][0]["message"]


@pytest.mark.contract("E02")
async def test_viewers_import_nothing(sqlite_world: World) -> None:
    sqlite_world.http.headers["authorization"] = f"Bearer {sqlite_world.token(Role.VIEWER)}"
    assert (await sqlite_world.post(PATH, team(is_dry_run=True))).status_code == 403

"""`/templates`: durable, numbered, imported and exported; deploying from one needs only a model."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from roundhouse_common.auth import Role
from roundhouse_common.contracts.models import ModelFacts, ModelFormat, ModelInspected
from tests.component.catalog.people import add_tenant
from tests.component.catalog.world import GIB, World, created

SMALL = {
    "name": "small",
    "description": "One replica on the CPU.",
    "suits": {"kinds": ["chat"]},
    "parameters": {"parallel": "2", "context": "1024"},
    "resources": {"memory_bytes": GIB, "cpu_millis": 500},
    "rollout": {"max_surge": 2},
    "is_evictable": True,
}
RECIPES = """
# What operators keep in a file.
name: small
description: One replica on the CPU.
suits: {kinds: [chat]}
parameters:
  parallel: 2
  context: 1024
resources:
  memory_bytes: 1073741824
---
name: wide
engine: vllm
alternatives:
  - name: h100
    device_vendor: nvidia
    device_model: "*H100*"
    resources: {device_count: 2}
    parameters: {prefix_cache: true}
  - name: l4
    device_model: "*L4*"
    resources: {device_count: 4}
"""


async def imported(world: World, text: str, kind: str = "application/yaml") -> httpx.Response:
    return await world.http.post("/api/v1/templates:import", content=text, headers={"content-type": kind})


@pytest.mark.contract("A09")
async def test_deploying_from_a_template_needs_only_the_model(world: World) -> None:
    await world.model(name="SmolLM2 135M".replace(" ", "-"), memory_bytes=0)
    created(await world.post("/templates", SMALL))
    deployment = created(await world.post("/deployments", {"model": "SmolLM2-135M", "template": "small"}))
    version = deployment["active_version"]
    assert (deployment["name"], deployment["is_evictable"], deployment["rollout"]["max_surge"]) == (
        "smollm2-135m",
        True,
        2,
    )
    assert (version["template"], version["parameters"], version["resources"]["memory_bytes"]) == (
        "small@1",
        SMALL["parameters"],
        GIB,
    )


async def test_what_is_stated_goes_before_the_template(world: World) -> None:
    await world.model()
    created(await world.post("/templates", SMALL))
    body = {"model": "smol", "template": "small@1", "replicas": 0, "parameters": {"parallel": "8"}}
    deployment = created(await world.post("/deployments", body))
    assert (deployment["replicas"], deployment["active_version"]["parameters"]) == (
        0,
        {"parallel": "8", "context": "1024"},
    )


@pytest.mark.contract("A14")
async def test_numbers_stay_as_they_were_made(world: World) -> None:
    await world.model()
    first = created(await world.post("/templates", SMALL))
    second = created(await world.post("/templates/small/versions", {"parameters": {"parallel": "4"}}))
    assert (first["number"], second["number"], second["description"]) == (1, 2, "")
    assert (await world.get("/templates/small")).json() == second
    assert (await world.get("/templates/small/versions/1")).json() == first
    assert [one["number"] for one in (await world.get("/templates/small/versions")).json()["items"]] == [1, 2]
    assert [one["number"] for one in (await world.get("/templates")).json()["items"]] == [2]
    old = created(await world.post("/deployments", {"name": "old", "model": "smol", "template": "small@1"}))
    assert old["active_version"]["parameters"] == SMALL["parameters"]


async def test_two_people_who_edit_one_number_do_not_hide_each_others_change(world: World) -> None:
    created(await world.post("/templates", SMALL))
    read = (await world.get("/templates/small")).headers["etag"]
    path = "/templates/small/versions"
    first = await world.post(path, {"parameters": {"parallel": "4"}}, if_match=read)
    assert (first.status_code, first.headers["etag"]) == (201, '"2"')
    second = await world.post(path, {"parameters": {"parallel": "8"}}, if_match=read)
    deleted = await world.delete("/templates/small", if_match=read)
    assert (second.status_code, deleted.status_code) == (412, 412)
    assert (await world.get("/templates/small")).json()["parameters"] == {"parallel": "4"}
    assert (await world.delete("/templates/small", if_match='"2"')).status_code == 204


async def test_a_deleted_template_frees_its_name_and_not_its_numbers(world: World) -> None:
    created(await world.post("/templates", SMALL))
    taken = await world.post("/templates", SMALL)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (await world.delete("/templates/small")).status_code == 204
    for gone in (await world.get("/templates/small"), await world.delete("/templates/small")):
        assert (gone.status_code, gone.json()["code"]) == (404, "template_not_found")
    assert created(await world.post("/templates", SMALL))["number"] == 2


@pytest.mark.parametrize(
    ("template", "told"),
    [("smal", 'Did you mean "small"?'), ("small@9", 'no template "small@9"'), ("small@x", "name@number")],
)
async def test_a_template_that_is_not_there_is_answered_with_close_names(
    sqlite_world: World, template: str, told: str
) -> None:
    await sqlite_world.model()
    created(await sqlite_world.post("/templates", SMALL))
    refused = await sqlite_world.post("/deployments", {"model": "smol", "template": template})
    [fault] = refused.json()["errors"]
    assert (refused.status_code, fault["field"]) == (422, "template")
    assert told in fault["message"]


async def test_the_architecture_is_read_in_the_files_when_a_template_asks_for_it(sqlite_world: World) -> None:
    await sqlite_world.model()
    created(await sqlite_world.post("/templates", {**SMALL, "suits": {"architectures": ["qwen*"]}}))
    facts = ModelFacts(format=ModelFormat.GGUF, architecture="llama", weight_bytes=1)
    sqlite_world.files["/models/smol.gguf"] = ModelInspected(facts=facts)
    refused = await sqlite_world.post("/deployments", {"model": "smol", "template": "small"})
    assert "the model is a llama" in refused.json()["errors"][0]["message"]


@pytest.mark.contract("A14")
async def test_recipes_are_imported_from_yaml_and_again_only_where_they_differ(world: World) -> None:
    first = await imported(world, RECIPES)
    assert first.status_code == 200, first.text
    assert [(one["name"], one["number"], one["change"]) for one in first.json()["items"]] == [
        ("small", 1, "created"),
        ("wide", 1, "created"),
    ]
    wide = (await world.get("/templates/wide")).json()
    assert [one["parameters"] for one in wide["alternatives"]] == [{"prefix_cache": "true"}, {}]
    again = await imported(world, RECIPES.replace("parallel: 2", "parallel: 3"))
    assert [(one["number"], one["change"]) for one in again.json()["items"]] == [(2, "updated"), (1, "unchanged")]


@pytest.mark.contract("A14")
async def test_an_exported_template_can_be_imported_as_it_is(world: World) -> None:
    created(await world.post("/templates", SMALL))
    exported = await world.get("/templates/small", format="yaml")
    assert exported.headers["content-type"].startswith("application/yaml")
    assert yaml.safe_load(exported.text)["name"] == "small"
    shown = (await world.get("/templates/small")).json()
    for text, kind in ((exported.text, "application/yaml"), (json.dumps(shown), "application/json")):
        assert (await imported(world, text, kind)).json()["items"][0]["change"] == "unchanged"
    elsewhere = exported.text.replace("name: small", "name: copied", 1)
    await imported(world, elsewhere)
    copied = (await world.get("/templates/copied")).json()
    differing = {"id", "name", "created_at"}
    assert {name: value for name, value in copied.items() if name not in differing} == {
        name: value for name, value in shown.items() if name not in differing
    }


async def test_a_list_of_json_documents_is_imported_whole_or_not_at_all(world: World) -> None:
    documents: list[dict[str, Any]] = [SMALL, {**SMALL, "name": "other", "parameters": {"paralel": "1"}}]
    refused = await imported(world, json.dumps(documents), "application/json")
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["1.parameters.paralel"]
    assert (await world.get("/templates")).json()["items"] == []


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        ("name: small\nengine: vlm\n", "engine", "line 2: "),
        ("name: small\nparameters:\n  parallel: 2\n  paralel: 2\n", "parameters.paralel", "line 4: llama.cpp has no"),
        ("name: small\nreplica: 2\n", "replica", "line 2: there is no such field here"),
        ("name: small\nreplicas: two\n", "replicas", 'line 2: "two" found; a whole number is wanted'),
        ("name: a\n---\nname: b\nengine: x\n", "1.engine", "line 4: "),
        ("- name: a\n- engine: llama.cpp\n", "1.name", "line 2: it is missing"),
        ("name: small\nname: large\n", "name", "line 2: it is stated twice"),
        ("name: [small\n", "body", "it is not YAML: "),
        ("name: small\n\tx: 1\n", "body", "at line 2"),
        ("a: &x [1]\nb: *x\n", "body", "line 1: anchors and aliases are not allowed"),
        ("[" * 40, "body", "nested deeper than 32 levels"),
        ("name: 2026-01-01", "name", '"2026-01-01" found; a text, in quotes, is wanted'),
        (f"name: a\nreplicas: {'9' * 5_000}", "body", "more than 4300 digits"),
        ("", "body", "0 documents found"),
        ("just words", "body", '"just words" found'),
        ("name: !!python/object/apply:os.system [id]\n", "body", "could not determine a constructor"),
    ],
)
async def test_a_fault_in_a_recipe_is_told_with_its_line(sqlite_world: World, text: str, field: str, told: str) -> None:
    refused = await imported(sqlite_world, text)
    assert refused.status_code == 422, refused.text
    fault = refused.json()["errors"][0]
    assert fault["field"] == field, fault
    assert told in fault["message"], fault


async def test_json_that_is_none_is_told_with_its_line(sqlite_world: World) -> None:
    for text, told in (
        ('{"name":\n}', "at line 2"),
        ('{"name": "a", "name": "b"}', "twice"),
        ("[" * 100_000, "deeper"),
        (f'{{"name": "a", "replicas": {"9" * 5_000}}}', "more than 4300 digits"),
    ):
        refused = await imported(sqlite_world, text, "application/json")
        assert (refused.status_code, told in refused.json()["detail"]) == (422, True), refused.text


async def test_other_types_and_too_much_of_it_are_refused(sqlite_world: World) -> None:
    assert "application/yaml" in (await imported(sqlite_world, "a", "text/plain")).json()["detail"]
    assert (await imported(sqlite_world, "#" * 2_000_000)).status_code == 413


async def test_other_tenants_have_their_own(world: World) -> None:
    created(await world.post("/templates", SMALL))
    await add_tenant(world, "ten_other")
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR, tenant_id='ten_other')}"
    assert (await world.get("/templates")).json()["items"] == []
    assert (await world.get("/templates/small")).status_code == 404


async def test_the_examples_of_the_guide_are_taken(sqlite_world: World) -> None:
    guide = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "use-templates.md"
    examples = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    answer = await imported(sqlite_world, "---\n".join(examples))
    assert [one["change"] for one in answer.json()["items"]] == ["created"] * len(examples), answer.text
    await sqlite_world.model()
    created(await sqlite_world.post("/deployments", {"model": "smol", "template": "chat-on-cpu"}))

"""Files that nodes fetch: looked at when a model is added, pinned to one commit, and the same for all replicas."""

from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.models import ModelInspected
from tests.component.catalog.test_catalog_facts import FACTS
from tests.component.catalog.world import World, created, deployment_body

HUB: dict[str, Any] = {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B-GGUF", "patterns": ["*Q8_0*.gguf"]}
FIRST, SECOND = "1" * 40, "2" * 40


def looked(revision: str) -> ModelInspected:
    return ModelInspected(facts=FACTS, revision=revision, total_bytes=639_446_688, file_count=1)


@pytest.mark.contract("G08")
async def test_a_repository_is_pinned_when_it_is_added(world: World) -> None:
    world.files[HUB["uri"]] = looked(FIRST)
    model = await world.model(source=HUB, memory_bytes=0)
    assert (model["resolved_revision"], model["total_bytes"], model["file_count"]) == (FIRST, 639_446_688, 1)
    assert (model["generation"], model["source"]["revision"]) == (1, "")
    assert (await world.get(f"/models/{model['id']}")).json() == model
    version = (await world.deployment())["active_version"]
    assert version["source"] == {**HUB, "revision": FIRST, "sha256": ""}
    assert world.inspections == 1


async def test_all_versions_have_one_commit_until_somebody_looks_again(world: World) -> None:
    world.files[HUB["uri"]] = looked(FIRST)
    model = await world.model(source=HUB)
    deployment = await world.deployment()
    world.files[HUB["uri"]] = looked(SECOND)
    path = f"/deployments/{deployment['id']}/versions"
    assert created(await world.post(path, {"parameters": {"parallel": "2"}}))["source"]["revision"] == FIRST
    assert (await world.post(f"/models/{model['id']}:inspect")).json()["resolved_revision"] == SECOND
    assert created(await world.post(path, {}))["source"]["revision"] == SECOND


async def test_another_source_forgets_the_commit(world: World) -> None:
    world.files[HUB["uri"]] = looked(FIRST)
    model = await world.model(source=HUB)
    changed = (await world.patch(f"/models/{model['id']}", {"source": {**HUB, "patterns": ["*Q4_0*.gguf"]}})).json()
    assert (changed["resolved_revision"], changed["total_bytes"], changed["facts"]) == ("", 0, None)
    same = (await world.patch(f"/models/{model['id']}", {"source": {**HUB, "patterns": ["*Q4_0*.gguf"]}})).json()
    assert same["generation"] == changed["generation"]


@pytest.mark.parametrize("is_away", [False, True])
async def test_a_repository_that_no_node_reaches_is_added_and_pinned_by_its_first_deployment(
    sqlite_world: World, is_away: bool
) -> None:
    sqlite_world.scheduler_is_away = is_away
    assert (await sqlite_world.model(source=HUB))["resolved_revision"] == ""
    refused = await sqlite_world.post("/deployments", deployment_body())
    [fault] = refused.json()["errors"]
    assert (refused.status_code, fault["field"]) == (422, "model")
    assert "which commit the main branch" in fault["message"]
    assert ("nobody answers" if is_away else "no node has the files") in fault["message"]
    sqlite_world.scheduler_is_away = False
    sqlite_world.files[HUB["uri"]] = looked(FIRST)
    assert (await sqlite_world.deployment())["active_version"]["source"]["revision"] == FIRST


async def test_a_whole_commit_needs_nobody_to_look(sqlite_world: World) -> None:
    await sqlite_world.model(source={**HUB, "revision": SECOND})
    assert (await sqlite_world.deployment())["active_version"]["source"]["revision"] == SECOND


async def test_a_file_by_http_keeps_its_digest(sqlite_world: World) -> None:
    source = {"kind": "http", "uri": "https://models.example/m.gguf?download=1", "sha256": "a" * 64}
    sqlite_world.files[source["uri"]] = msgspec.structs.replace(looked(""), total_bytes=5)
    model = await sqlite_world.model(source=source)
    assert (model["source"]["sha256"], model["total_bytes"], model["resolved_revision"]) == ("a" * 64, 5, "")
    assert (await sqlite_world.deployment())["active_version"]["source"]["uri"] == source["uri"]


async def test_files_on_the_node_are_not_looked_at_when_a_model_is_added(sqlite_world: World) -> None:
    await sqlite_world.model()
    assert sqlite_world.inspections == 0


async def test_a_faulty_source_is_refused_before_any_node_is_asked(sqlite_world: World) -> None:
    body = {"name": "m", "kind": "chat", "source": {"kind": "hugging-face", "uri": "no-owner", "sha256": "x"}}
    refused = await sqlite_world.post("/models", body)
    assert {fault["field"] for fault in refused.json()["errors"]} == {"source.uri", "source.sha256"}
    assert sqlite_world.inspections == 0


async def test_the_engine_s_version_is_part_of_a_version(world: World) -> None:
    await world.model()
    stated = {"engine_version": "0.4.2", "installs_engine": True}
    deployment = await world.deployment(**stated)
    version = deployment["active_version"]
    assert {name: version[name] for name in stated} == stated
    path = f"/deployments/{deployment['id']}/versions"
    kept = created(await world.post(path, {"parameters": {"parallel": "2"}}))
    assert {name: kept[name] for name in stated} == stated
    other = created(await world.post(path, {"engine": "llama-server"}))
    assert (other["engine_version"], other["installs_engine"]) == ("", True)
    checked = (await world.post("/deployments:validate", {"model": "smol", **stated})).json()
    assert {name: checked["version"][name] for name in stated} == stated


@pytest.mark.parametrize("version", ["latest version", ">=0.4", "-1", "a" * 65])
async def test_a_version_that_no_engine_has_is_refused(sqlite_world: World, version: str) -> None:
    await sqlite_world.model()
    refused = await sqlite_world.post("/deployments", deployment_body(engine_version=version))
    [fault] = refused.json()["errors"]
    assert (refused.status_code, fault["field"]) == (422, "engine_version")


async def test_a_template_settles_the_engine_s_version(world: World) -> None:
    await world.model()
    template = {"name": "pinned", "engine": "llama.cpp", "engine_version": "0.4.2", "installs_engine": True}
    assert (await world.post("/templates", template)).status_code == 201
    version = (await world.deployment(template="pinned"))["active_version"]
    assert (version["engine_version"], version["installs_engine"]) == ("0.4.2", True)
    laid = (await world.deployment(name="b", template="pinned", engine_version="0.5"))["active_version"]
    assert (laid["engine_version"], laid["installs_engine"]) == ("0.5", True)
    other = (await world.deployment(name="c", template="pinned", engine="llama-server"))["active_version"]
    assert (other["engine_version"], other["installs_engine"]) == ("", True)


async def test_a_template_with_an_engine_s_version_survives_export_and_import(world: World) -> None:
    template = {"name": "pinned", "engine_version": "0.4.2", "installs_engine": True}
    await world.post("/templates", template)
    for format, kind in (("yaml", "application/yaml"), ("json", "application/json")):  # noqa: A001 - as in the API
        document = (await world.get("/templates/pinned", format=format)).content
        imported = await world.http.post("/api/v1/templates:import", content=document, headers={"content-type": kind})
        assert [item["change"] for item in imported.json()["items"]] == ["unchanged"], imported.text

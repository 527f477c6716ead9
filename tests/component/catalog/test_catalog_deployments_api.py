"""`/deployments`: every change is a new generation, versions stay as they were made, running ones stay."""

import asyncio
from typing import Any

import pytest

from roundhouse_catalog.domain.engines import ENGINES
from roundhouse_common.auth import Role
from tests.component.catalog.people import add_tenant
from tests.component.catalog.world import GIB, World, deployment_body


@pytest.mark.contract("A09")
async def test_a_model_and_a_name_are_enough_to_deploy(world: World) -> None:
    model = await world.model()
    answer = await world.post("/deployments", deployment_body())
    assert answer.status_code == 201
    deployment = answer.json()
    version = deployment["active_version"]
    assert (deployment["desired"], deployment["replicas"], deployment["generation"]) == ("run", 1, 1)
    assert (version["number"], version["engine"], version["model_id"]) == (1, "llama.cpp", model["id"])
    assert version["resources"] == {
        "memory_bytes": GIB,
        "cpu_millis": 0,
        "device_count": 0,
        "node_count": 1,
        "is_exclusive": False,
    }
    assert answer.headers["location"] == f"/api/v1/deployments/{deployment['id']}"
    assert (await world.get(f"/deployments/{deployment['id']}")).json() == deployment


async def test_a_deployment_takes_the_id_of_a_model_too(world: World) -> None:
    model = await world.model()
    deployment = await world.deployment(model=model["id"])
    assert deployment["active_version"]["model_name"] == "smol"


async def test_everything_that_can_be_stated_is_kept(world: World) -> None:
    await world.model()
    stated: dict[str, Any] = {  # Any: members of a request
        "parameters": {"parallel": "4", "context": "2048"},
        "resources": {
            "memory_bytes": 2 * GIB,
            "cpu_millis": 500,
            "device_count": 2,
            "node_count": 1,
            "is_exclusive": True,
        },
        "placement": {
            "node_labels": {"disk": "ssd"},
            "region": "eu-1",
            "zone": "eu-1a",
            "device_vendor": "nvidia",
            "device_model": "*H100*",
            "device_uuids": ["GPU-1", "GPU-2"],
            "node_ids": ["nod_1"],
            "strategy": "pack",
            "node_anti_affinity": "none",
            "zone_anti_affinity": "required",
        },
    }
    deployment = await world.deployment(**stated, replicas=3, disconnect_grace_s=5, drain_timeout_s=0)
    shown = deployment["active_version"]
    assert {name: {key: shown[name][key] for key in value} for name, value in stated.items()} == stated
    assert (deployment["replicas"], deployment["disconnect_grace_s"], deployment["drain_timeout_s"]) == (3, 5.0, 0.0)


async def test_an_unknown_model_is_answered_with_close_names(world: World) -> None:
    await world.model(name="SmolLM2-135M-Instruct")
    refused = await world.post("/deployments", deployment_body(model="smollm2-135m"))
    assert refused.status_code == 422
    [fault] = refused.json()["errors"]
    assert fault["field"] == "model"
    assert 'Did you mean "SmolLM2-135M-Instruct"?' in fault["message"]


async def test_an_unknown_engine_is_answered_with_the_engines_there_are(sqlite_world: World) -> None:
    await sqlite_world.model()
    refused = await sqlite_world.post("/deployments", deployment_body(engine="vlmm"))
    assert refused.json()["errors"] == [
        {"field": "engine", "message": f'"vlmm" found; engines are {", ".join(sorted(ENGINES))}. Did you mean "vllm"?'},
    ]


async def test_unpublished_models_are_for_those_who_may_change_models(world: World) -> None:
    await world.model(is_published=False)
    assert (await world.deployment())["active_version"]["model_name"] == "smol"


async def test_a_name_is_taken_until_its_deployment_is_deleted(world: World) -> None:
    await world.model()
    first = await world.deployment()
    taken = await world.post("/deployments", deployment_body())
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    await world.post(f"/deployments/{first['id']}:stop")
    await world.delete(f"/deployments/{first['id']}")
    assert (await world.deployment())["id"] != first["id"]


@pytest.mark.contract("A05")
async def test_scaling_makes_the_next_generation(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    etag = (await world.get(path)).headers["etag"]
    assert (await world.patch(path, {"replicas": 3}, if_match=None)).status_code == 428
    scaled = await world.patch(path, {"replicas": 3}, if_match=etag)
    assert (scaled.json()["replicas"], scaled.json()["generation"], scaled.headers["etag"]) == (3, 2, '"2"')
    assert (await world.patch(path, {"replicas": 5}, if_match=etag)).status_code == 412


async def test_only_one_of_two_changes_for_the_same_generation_wins(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    answers = await asyncio.gather(*(world.patch(path, {"replicas": n}, if_match='"1"') for n in range(2, 6)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert (await world.get(path)).json()["generation"] == 2


@pytest.mark.parametrize("replicas", [-1, 1001, 1.5, "2", True])
async def test_replicas_are_a_whole_number_to_1000(sqlite_world: World, replicas: object) -> None:
    await sqlite_world.model()
    refused = await sqlite_world.post("/deployments", deployment_body(replicas=replicas))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "replicas")


async def test_the_name_cannot_be_patched(sqlite_world: World) -> None:
    await sqlite_world.model()
    refused = await sqlite_world.patch(f"/deployments/{(await sqlite_world.deployment())['id']}", {"name": "other"})
    assert refused.status_code == 422
    assert "there are replicas, disconnect_grace_s, drain_timeout_s" in refused.json()["errors"][0]["message"]


@pytest.mark.contract("B03")
async def test_stop_and_start_are_generations_and_repeating_them_is_not(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    seen = [(await world.post(f"{path}:{verb}")).json() for verb in ("stop", "stop", "start", "start")]
    assert [(one["desired"], one["generation"]) for one in seen] == [("stop", 2), ("stop", 2), ("run", 3), ("run", 3)]


@pytest.mark.contract("B06")
async def test_a_deployment_is_deleted_only_when_it_is_stopped(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    refused = await world.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "deployment_running")
    assert ":stop" in refused.json()["detail"]
    await world.post(f"{path}:stop")
    assert (await world.delete(path)).status_code == 204
    for gone in (await world.get(path), await world.delete(path), await world.post(f"{path}:start")):
        assert (gone.status_code, gone.json()["code"]) == (404, "deployment_not_found")
    assert (await world.get("/deployments")).json()["items"] == []
    assert (await world.get("/routes")).json()["items"] == []


@pytest.mark.contract("B04")
async def test_versions_are_numbered_and_stay_as_they_were_made(world: World) -> None:
    model = await world.model()
    path = f"/deployments/{(await world.deployment(parameters={'parallel': '2'}))['id']}"
    await world.patch(f"/models/{model['id']}", {"source": {"kind": "path", "uri": "/models/new.gguf"}})
    added = await world.post(f"{path}/versions", {"parameters": {"parallel": "8"}})
    assert (added.status_code, added.json()["number"], added.headers["etag"]) == (201, 2, '"2"')
    versions = (await world.get(f"{path}/versions")).json()["items"]
    assert [one["number"] for one in versions] == [1, 2]
    assert [one["parameters"]["parallel"] for one in versions] == ["2", "8"]
    assert [one["source"]["uri"] for one in versions] == ["/models/smol.gguf", "/models/new.gguf"]
    shown = (await world.get(path)).json()
    assert (shown["active_version"], shown["generation"]) == (versions[1], 2)


async def test_versions_are_listed_in_pages_by_number(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}/versions"
    for _ in range(11):
        await world.post(path, {})
    first = (await world.get(path, limit=10)).json()
    second = (await world.get(path, limit=10, cursor=first["next_cursor"])).json()
    assert [one["number"] for page in (first, second) for one in page["items"]] == list(range(1, 13))
    other = (await world.get("/deployments", limit=1)).json()
    assert other["next_cursor"] is None


async def test_a_cursor_of_another_listing_is_refused(sqlite_world: World) -> None:
    await sqlite_world.model(name="a")
    await sqlite_world.model(name="b")
    cursor = (await sqlite_world.get("/models", limit=1)).json()["next_cursor"]
    deployment = await sqlite_world.deployment(model="a")
    refused = await sqlite_world.get(f"/deployments/{deployment['id']}/versions", cursor=cursor)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_route_follows_its_deployment(world: World) -> None:
    await world.model()
    await world.model(name="e5", kind="embedding")
    deployment = await world.deployment()
    [route] = (await world.get("/routes", name="smol-a")).json()["items"]
    assert [(one["deployment_id"], one["weight"]) for one in route["targets"]] == [(deployment["id"], 1)]
    assert (route["name"], route["model_kind"]) == ("smol-a", "chat")
    await world.post(f"/deployments/{deployment['id']}/versions", {"model": "e5"})
    [after] = (await world.get("/routes")).json()["items"]
    assert after == {**route, "model_kind": "embedding", "generation": 2}


async def test_deployments_are_found_by_name(world: World) -> None:
    await world.model()
    await world.deployment()
    other = await world.deployment(name="smol-b")
    assert (await world.get("/deployments", name="smol-b")).json()["items"] == [other]


async def test_other_tenants_do_not_exist(world: World) -> None:
    await world.model()
    deployment = await world.deployment()
    await add_tenant(world, "ten_other")
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR, tenant_id='ten_other')}"
    assert (await world.get("/deployments")).json()["items"] == []
    assert (await world.get(f"/deployments/{deployment['id']}")).status_code == 404
    assert (await world.post(f"/deployments/{deployment['id']}:stop")).status_code == 404


async def test_only_changes_hurry_the_publishers(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    assert world.wakes == 1
    await world.patch(path, {"replicas": 1})
    await world.post(f"{path}:start")
    await world.patch(path, {"replicas": 9999})
    assert world.wakes == 1
    await world.patch(path, {"replicas": 2})
    assert world.wakes == 2

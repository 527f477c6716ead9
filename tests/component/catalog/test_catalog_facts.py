"""What is known of models from their files: read when asked for, and when a deployment needs it."""

from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.models import AttentionKind, LayerGroup, ModelFacts, ModelFormat, ModelInspected
from tests.component.catalog.world import GIB, World, created, deployment_body

FACTS = ModelFacts(
    format=ModelFormat.GGUF,
    architecture="llama",
    weight_bytes=100_000_000,
    context_length=2048,
    layers=30,
    hidden_size=576,
    intermediate_size=1536,
    attention_heads=9,
    kv_heads=3,
    vocab_size=49_152,
    groups=(LayerGroup(layers=30, attention=AttentionKind.FULL, kv_heads=3, key_dim=64, value_dim=64),),
)
URI = "/models/smol.gguf"


async def test_an_inspected_model_keeps_what_its_files_say(world: World) -> None:
    model = await world.model()
    assert model["facts"] is None
    world.files[URI] = ModelInspected(facts=FACTS)
    shown = (await world.post(f"/models/{model['id']}:inspect")).json()
    assert (shown["facts"]["architecture"], shown["facts"]["attention_heads"], shown["generation"]) == ("llama", 9, 2)
    assert (await world.get(f"/models/{model['id']}")).json() == shown
    assert (await world.post(f"/models/{model['id']}:inspect")).json() == shown


async def test_other_files_have_other_facts(world: World) -> None:
    model = await world.model()
    world.files[URI] = ModelInspected(facts=FACTS)
    await world.post(f"/models/{model['id']}:inspect")
    path = f"/models/{model['id']}"
    assert (await world.patch(path, {"licence": "MIT"})).json()["facts"] is not None
    assert (await world.patch(path, {"source": {"kind": "path", "uri": "/models/new.gguf"}})).json()["facts"] is None


async def test_files_that_no_node_can_read_are_told(sqlite_world: World) -> None:
    model = await sqlite_world.model()
    refused = await sqlite_world.post(f"/models/{model['id']}:inspect")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_not_readable")
    assert "no node has the files" in refused.json()["detail"]
    sqlite_world.scheduler_is_away = True
    assert (await sqlite_world.post(f"/models/{model['id']}:inspect")).status_code == 503


async def test_files_are_read_at_the_first_deployment_that_needs_their_size(world: World) -> None:
    await world.model(memory_bytes=0)
    world.files[URI] = ModelInspected(facts=FACTS)
    version = (await world.deployment())["active_version"]
    need = version["memory_need"]
    assert version["resources"]["memory_bytes"] == need["total_bytes"] > FACTS.weight_bytes
    assert version["context_length"] == 2048
    await world.deployment(name="second")
    assert world.inspections == 1


@pytest.mark.parametrize("stated", [{"resources": {"memory_bytes": GIB}}, {"model": "known"}])
async def test_files_are_not_read_where_the_memory_is_stated(sqlite_world: World, stated: dict[str, Any]) -> None:
    await sqlite_world.model(memory_bytes=0)
    await sqlite_world.model(name="known")
    await sqlite_world.deployment(**stated)
    assert sqlite_world.inspections == 0


async def test_memory_that_is_known_nowhere_is_refused_with_why_the_files_were_not_read(sqlite_world: World) -> None:
    await sqlite_world.model(memory_bytes=0)
    for is_away, why in ((False, "no node has the files"), (True, "nobody answers")):
        sqlite_world.scheduler_is_away = is_away
        refused = await sqlite_world.post("/deployments", deployment_body())
        [fault] = refused.json()["errors"]
        assert (refused.status_code, fault["field"]) == (422, "resources.memory_bytes")
        assert "is not known; state it here in bytes" in fault["message"]
        assert why in fault["message"]


async def test_a_new_version_needs_what_its_parameters_make_of_it(world: World) -> None:
    await world.model(memory_bytes=0)
    world.files[URI] = ModelInspected(facts=FACTS)
    deployment = await world.deployment(parameters={"parallel": "1"})
    more = created(await world.post(f"/deployments/{deployment['id']}/versions", {"parameters": {"parallel": "8"}}))
    assert more["memory_need"]["kv_cache_bytes"] > deployment["active_version"]["memory_need"]["kv_cache_bytes"]


async def test_heads_that_devices_cannot_share_are_refused_before_anything_is_made(sqlite_world: World) -> None:
    await sqlite_world.model()
    facts = msgspec.structs.replace(FACTS, format=ModelFormat.SAFETENSORS, dtype="bfloat16")
    sqlite_world.files[URI] = ModelInspected(facts=facts)
    body = deployment_body(engine="vllm", resources={"device_count": 2})
    refused = await sqlite_world.post("/deployments", body)
    assert refused.json()["errors"] == [
        {
            "field": "resources.device_count",
            "message": "tensor parallel 2 found; it must divide the 9 attention heads; possible are 1, 3, 9",
        }
    ]
    assert (await sqlite_world.get("/deployments")).json()["items"] == []


async def test_files_are_read_for_a_context_that_may_be_too_long(sqlite_world: World) -> None:
    await sqlite_world.model(context_length=0)
    sqlite_world.files[URI] = ModelInspected(facts=FACTS)
    refused = await sqlite_world.post("/deployments", deployment_body(parameters={"context": "4096"}))
    assert refused.json()["errors"] == [
        {
            "field": "parameters.context",
            "message": '"4096" found; "smol" was made for 2048 tokens: 1 to 2048 is allowed',
        }
    ]


async def test_a_context_is_taken_on_trust_where_the_memory_is_stated_and_no_node_has_the_files(
    sqlite_world: World,
) -> None:
    await sqlite_world.model(context_length=0)
    await sqlite_world.deployment(parameters={"context": "4096"})


async def test_validating_shows_what_would_be_and_makes_nothing(world: World) -> None:
    await world.model(memory_bytes=0)
    world.files[URI] = ModelInspected(facts=FACTS)
    checked = await world.post("/deployments:validate", {"model": "smol"})
    assert (checked.status_code, checked.json()["name"], checked.json()["replicas"]) == (200, "smol", 1)
    assert checked.json()["version"]["memory_need"]["context_tokens"] == 2048
    assert (await world.get("/deployments")).json()["items"] == []
    refused = await world.post("/deployments:validate", {"model": "smol", "parameters": {"context": "4096"}})
    assert "1 to 2048 is allowed" in refused.json()["errors"][0]["message"]

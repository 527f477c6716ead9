"""`/models:from-modelfile` and `/models/{id}/modelfile`."""

import pytest

from roundhouse_common.contracts.models import ModelInspected
from tests.component.catalog.test_catalog_facts import FACTS
from tests.component.catalog.uploading import GGUF, uploaded
from tests.component.catalog.world import World, created

PIRATE = """\
FROM smol
PARAMETER temperature 0.2
PARAMETER num_ctx 4096
SYSTEM You are a pirate.
"""


@pytest.mark.contract("A25")
async def test_a_model_is_made_of_another_one(world: World) -> None:
    base = await world.model(licence="MIT", defaults={"parameters": {"top_k": 40}})
    model = created(await world.post("/models:from-modelfile", {"name": "pirate", "modelfile": PIRATE}))
    assert model["defaults"] == {
        "system_message": "You are a pirate.",
        "parameters": {"top_k": 40, "temperature": 0.2},
        "chat_template": "",
    }
    assert (model["source"], model["licence"], model["memory_bytes"]) == (
        base["source"],
        base["licence"],
        base["memory_bytes"],
    )
    assert (model["generation"], model["is_published"]) == (1, False)
    [note] = model.pop("notes")
    assert 'as the engine parameter "context"' in note
    assert (await world.get(f"/models/{model['id']}")).json() == model


@pytest.mark.contract("A25")
async def test_a_model_is_made_of_an_uploaded_gguf(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    body = {"name": "mine", "modelfile": f"FROM {upload_id}\nSYSTEM x", "kind": "completion", "is_published": True}
    model = created(await world.post("/models:from-modelfile", body))
    assert (model["kind"], model["source"]["kind"], model["source"]["uri"]) == ("completion", "upload", upload_id)
    assert (model["is_published"], model["facts"], world.inspections) == (True, None, 1)


async def test_a_model_of_a_repository_is_pinned(sqlite_world: World) -> None:
    sqlite_world.files["a/b-GGUF"] = ModelInspected(facts=FACTS, revision="1" * 40, total_bytes=7, file_count=1)
    body = {"name": "mine", "modelfile": "FROM hf.co/a/b-GGUF:Q4_K_M"}
    model = created(await sqlite_world.post("/models:from-modelfile", body))
    assert (model["source"]["patterns"], model["resolved_revision"]) == (["*Q4_K_M*.gguf"], "1" * 40)


async def test_a_faulty_modelfile_makes_nothing(sqlite_world: World) -> None:
    for text, told in (
        ("FROM llama3.2", "there is no model with the id or name"),
        ("FROM ./m.gguf", "on your own machine"),
        ("FROM /m.gguf\nADAPTER x", "line 2: ADAPTER found"),
        ("FROM /m.gguf\nPARAMETER temperature 9", "from 0 to 2"),
        (f"FROM upl_{'0' * 32}", "there is no upload"),
    ):
        refused = await sqlite_world.post("/models:from-modelfile", {"name": "mine", "modelfile": text})
        assert refused.status_code == 422, refused.text
        assert told in refused.json()["errors"][0]["message"]
    assert (await sqlite_world.get("/models")).json()["items"] == []


@pytest.mark.contract("A25")
async def test_a_model_is_shown_as_a_modelfile_that_makes_it_again(world: World) -> None:
    await world.model()
    model = created(await world.post("/models:from-modelfile", {"name": "pirate", "modelfile": PIRATE}))
    shown = await world.get(f"/models/{model['id']}/modelfile")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    again = created(await world.post("/models:from-modelfile", {"name": "again", "modelfile": shown.text}))
    assert (again["source"], again["defaults"], again["notes"]) == (model["source"], model["defaults"], [])
    assert (await world.get("/models/mdl_x/modelfile")).status_code == 404


async def test_a_text_that_no_modelfile_can_quote_is_told(sqlite_world: World) -> None:
    model = await sqlite_world.model(defaults={"system_message": 'say """'})
    refused = await sqlite_world.get(f"/models/{model['id']}/modelfile")
    assert (refused.status_code, refused.json()["code"]) == (409, "modelfile_unwritable")

"""What a model's owner sets for its callers, from the model to the versions made of it."""

import pytest

from tests.component.catalog.world import World, created, model_body

DEFAULTS = {
    "system_message": "You are a pirate.",
    "parameters": {"temperature": 0.5, "top_k": 40, "stop": ["###"]},
    "chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
}


@pytest.mark.contract("A25")
async def test_versions_copy_the_defaults_of_their_model(world: World) -> None:
    model = await world.model(defaults=DEFAULTS)
    assert model["defaults"] == DEFAULTS
    deployment = await world.deployment()
    assert deployment["active_version"]["defaults"] == DEFAULTS
    await world.patch(f"/models/{model['id']}", {"defaults": {"system_message": "You are a cook."}})
    kept = (await world.get(f"/deployments/{deployment['id']}")).json()
    assert kept["active_version"]["defaults"] == DEFAULTS
    version = created(await world.post(f"/deployments/{deployment['id']}/versions", {}))
    assert version["defaults"] == {"system_message": "You are a cook.", "parameters": {}, "chat_template": ""}


async def test_defaults_that_set_nothing_are_none(world: World) -> None:
    model = await world.model(defaults=DEFAULTS)
    path = f"/models/{model['id']}"
    assert (await world.patch(path, {"licence": "MIT"})).json()["defaults"] == DEFAULTS
    assert (await world.patch(path, {"defaults": {}})).json()["defaults"] is None
    assert (await world.get(path)).json()["defaults"] is None


async def test_faulty_defaults_are_refused_field_by_field(sqlite_world: World) -> None:
    defaults = {"parameters": {"temperature": 3, "temprature": 1, "top_p": True, "seed": 1.5}, "chat_template": "hello"}
    refused = await sqlite_world.post("/models", model_body(defaults=defaults))
    assert refused.status_code == 422
    assert "defaults.parameters.top_p" in refused.text
    del defaults["parameters"]["top_p"]  # type: ignore[attr-defined]  # the values of the body differ in type
    refused = await sqlite_world.post("/models", model_body(defaults=defaults))
    faults = {fault["field"]: fault["message"] for fault in refused.json()["errors"]}
    assert set(faults) == {
        "defaults.parameters.temperature",
        "defaults.parameters.temprature",
        "defaults.parameters.seed",
        "defaults.chat_template",
    }
    assert 'Did you mean "temperature"?' in faults["defaults.parameters.temprature"]


@pytest.mark.contract("A25")
async def test_a_copy_has_the_same_files_facts_and_defaults(world: World) -> None:
    model = await world.model(defaults=DEFAULTS, licence="MIT", tags=["demo"])
    copy = created(await world.post(f"/models/{model['id']}:copy", {"name": "mine"}))
    own = {"id", "name", "created_at", "updated_at"}
    assert {name: value for name, value in copy.items() if name not in own} == {
        name: value for name, value in model.items() if name not in own
    }
    await world.patch(f"/models/{copy['id']}", {"defaults": {}})
    assert (await world.get(f"/models/{model['id']}")).json() == model
    taken = await world.post(f"/models/{model['id']}:copy", {"name": "mine"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (await world.post(f"/models/{model['id']}:copy", {"name": "no good"})).status_code == 422
    assert (await world.post("/models/mdl_x:copy", {"name": "b"})).status_code == 404

"""A model may name a deployment that everybody who sees it may try."""

from typing import Any

import pytest

from tests.component.catalog.world import World


async def named(world: World, model: dict[str, Any], deployment_id: str) -> dict[str, Any]:
    answer = await world.patch(f"/models/{model['id']}", {"trial_deployment_id": deployment_id})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.contract("G04")
async def test_a_model_says_what_to_try_it_with_while_that_is_to_run_and_open(world: World) -> None:
    model = await world.model()
    path = f"/models/{model['id']}"
    assert (model["trial_deployment_id"], model["trial"]) == ("", None)
    deployment = await world.deployment(access="tenant")
    trial = {"deployment_id": deployment["id"], "name": deployment["name"]}
    assert (await named(world, model, deployment["id"]))["trial"] == trial
    assert [one["trial"] for one in (await world.get("/models")).json()["items"]] == [trial]
    own = f"/deployments/{deployment['id']}"
    for shut, opened in (
        (world.patch(own, {"access": "private"}), world.patch(own, {"access": "tenant"})),
        (world.post(f"{own}:stop"), world.post(f"{own}:start")),
    ):
        assert (await shut).status_code == 200
        assert (await world.get(path)).json()["trial"] is None
        assert (await opened).status_code == 200
        assert (await world.get(path)).json()["trial"] == trial
    gone = await named(world, model, "")
    assert (gone["trial_deployment_id"], gone["trial"]) == ("", None)


async def test_a_trial_is_a_deployment_of_the_model_that_others_may_use(world: World) -> None:
    model, other = await world.model(), await world.model(name="other")
    deployment = await world.deployment(access="private")
    for one, wanted, why in (
        (other, deployment["id"], "runs"),
        (model, deployment["id"], "private"),
        (model, "dep_nothing", "dep_nothing"),
    ):
        refused = await world.patch(f"/models/{one['id']}", {"trial_deployment_id": wanted})
        assert refused.status_code == 422, refused.text
        [fault] = refused.json()["errors"]
        assert fault["field"] == "trial_deployment_id"
        assert why in fault["message"]


async def test_a_copy_is_not_on_trial_and_a_name_stays_known_after_other_changes(world: World) -> None:
    model = await world.model()
    deployment = await world.deployment(access="tenant")
    await named(world, model, deployment["id"])
    copy = await world.post(f"/models/{model['id']}:copy", {"name": "mine"})
    assert (copy.json()["trial_deployment_id"], copy.json()["trial"]) == ("", None)
    changed = await world.patch(f"/models/{model['id']}", {"licence": "MIT"})
    assert changed.json()["trial"]["name"] == deployment["name"]

"""`/models`: what is stored is shown, a change needs the ETag, what is in use stays."""

import pytest

from roundhouse_common.auth import Role
from tests.component.catalog.world import World, model_body


async def test_an_added_model_is_shown_whole(world: World) -> None:
    body = model_body(context_length=8192, licence="Apache-2.0", tags=["demo"])
    answer = await world.post("/models", body)
    assert answer.status_code == 201
    model = answer.json()
    source = {**body["source"], "revision": "", "patterns": [], "sha256": ""}
    assert {name: model[name] for name in body} == {**body, "source": source}
    assert (model["generation"], model["created_at"]) == (1, "2026-11-18T11:06:40.000Z")
    assert answer.headers["location"] == f"/api/v1/models/{model['id']}"
    assert (await world.get(f"/models/{model['id']}")).json() == model


async def test_what_is_not_stated_of_a_model_is_unknown_and_unpublished(world: World) -> None:
    body = {"name": "m", "kind": "embedding", "source": {"kind": "python-package", "uri": "pkg/m.gguf"}}
    model = (await world.post("/models", body)).json()
    assert (model["context_length"], model["memory_bytes"], model["is_published"]) == (0, 0, False)


async def test_two_models_cannot_have_one_name(world: World) -> None:
    await world.model()
    refused = await world.post("/models", model_body())
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


async def test_a_faulty_model_is_refused_field_by_field(sqlite_world: World) -> None:
    refused = await sqlite_world.post(
        "/models", model_body(kind="chta", source={"kind": "path", "uri": "x"}, licence="?")
    )
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    faults = {fault["field"]: fault["message"] for fault in refused.json()["errors"]}
    assert set(faults) == {"kind", "source.uri", "licence"}
    assert '"chta" found; allowed are chat, completion' in faults["kind"]


async def test_a_body_that_does_not_fit_says_what_was_found_and_what_is_wanted(sqlite_world: World) -> None:
    body = {"kind": 5, "source": {"kind": "path"}, "tag": [], "memory_bytes": "1"}
    faults = {fault["field"]: fault["message"] for fault in (await sqlite_world.post("/models", body)).json()["errors"]}
    assert faults["name"] == "it is missing; it must be stated"
    assert faults["kind"] == "5 found; a text, in quotes, is wanted"
    assert faults["source.uri"] == "it is missing; it must be stated"
    assert faults["memory_bytes"] == '"1" found; a whole number is wanted'
    assert 'Did you mean "tags"?' in faults["tag"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"{bad", "It is not JSON: Expecting property name enclosed in double quotes, at character 1."),
        (b"[]", "a list found; an object is wanted"),
        (b"null", "null found; an object is wanted"),
        (b"", "Field required"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused_as_such(sqlite_world: World, sent: bytes, told: str) -> None:
    refused = await sqlite_world.http.post("/api/v1/models", content=sent, headers={"content-type": "application/json"})
    assert (refused.status_code, refused.json()["errors"]) == (422, [{"field": "body", "message": told}])


async def test_half_a_character_is_refused(sqlite_world: World) -> None:
    headers = {"content-type": "application/json"}
    refused = await sqlite_world.http.post(
        "/api/v1/deployments", content=b'{"name":"a","model":"\\ud800"}', headers=headers
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "model")


async def test_a_change_needs_the_etag_of_what_was_read(world: World) -> None:
    model = await world.model(is_published=False)
    path = f"/models/{model['id']}"
    etag = (await world.get(path)).headers["etag"]
    assert (await world.patch(path, {"is_published": True}, if_match=None)).status_code == 428
    changed = await world.patch(path, {"is_published": True}, if_match=etag)
    assert (changed.status_code, changed.json()["is_published"], changed.headers["etag"]) == (200, True, '"2"')
    late = await world.patch(path, {"licence": "MIT"}, if_match=etag)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (await world.get(path)).json()["licence"] == ""


async def test_a_change_of_nothing_keeps_the_generation(world: World) -> None:
    model = await world.model()
    assert (await world.patch(f"/models/{model['id']}", {"name": model["name"]})).json() == model


async def test_a_rename_to_a_taken_name_is_refused(world: World) -> None:
    await world.model(name="a")
    other = await world.model(name="b")
    refused = await world.patch(f"/models/{other['id']}", {"name": "a"})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


@pytest.mark.contract("G02")
async def test_users_see_a_model_once_it_is_published(world: World) -> None:
    model = await world.model(is_published=False)
    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    assert (await world.get(f"/models/{model['id']}")).status_code == 404
    assert (await world.get("/models")).json()["items"] == []
    assert (await world.get("/models", published=False)).json()["items"] == []
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR)}"
    await world.patch(f"/models/{model['id']}", {"is_published": True})
    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    assert [item["id"] for item in (await world.get("/models")).json()["items"]] == [model["id"]]


async def test_models_are_listed_in_pages_and_by_filters(world: World) -> None:
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        await world.model(name=name, kind="embedding" if name == "c" else "chat", is_published=name != "d")
    first = (await world.get("/models", limit=2)).json()
    second = (await world.get("/models", limit=2, cursor=first["next_cursor"])).json()
    third = (await world.get("/models", limit=2, cursor=second["next_cursor"])).json()
    pages = [first, second, third]
    assert [model["name"] for page in pages for model in page["items"]] == names
    assert third["next_cursor"] is None
    assert [m["name"] for m in (await world.get("/models", kind="embedding")).json()["items"]] == ["c"]
    assert [m["name"] for m in (await world.get("/models", published=False)).json()["items"]] == ["d"]
    assert [m["name"] for m in (await world.get("/models", name="e")).json()["items"]] == ["e"]


async def test_a_filter_by_an_unknown_kind_is_refused(sqlite_world: World) -> None:
    refused = await sqlite_world.get("/models", kind="chatt")
    assert refused.status_code == 422
    assert 'Did you mean "chat"?' in refused.json()["detail"]


async def test_a_model_in_use_cannot_be_deleted_until_its_deployments_are(world: World) -> None:
    model = await world.model()
    deployment = await world.deployment()
    path = f"/models/{model['id']}"
    refused = await world.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    assert "smol-a" in refused.json()["detail"]
    await world.post(f"/deployments/{deployment['id']}:stop")
    await world.delete(f"/deployments/{deployment['id']}")
    assert (await world.delete(path)).status_code == 204
    assert (await world.get(path)).status_code == 404
    assert (await world.delete(path)).status_code == 404


async def test_an_older_version_keeps_its_model_in_use(world: World) -> None:
    model = await world.model()
    await world.model(name="other")
    deployment = await world.deployment()
    await world.post(f"/deployments/{deployment['id']}/versions", {"model": "other"})
    assert (await world.delete(f"/models/{model['id']}")).status_code == 409


async def test_the_name_of_a_deleted_model_is_free(world: World) -> None:
    model = await world.model()
    await world.delete(f"/models/{model['id']}")
    assert (await world.model())["id"] != model["id"]


async def test_a_delete_may_say_what_it_was_meant_for(world: World) -> None:
    model = await world.model()
    path = f"/models/{model['id']}"
    assert (await world.delete(path, if_match='"7"')).status_code == 412
    assert (await world.delete(path, if_match='"1"')).status_code == 204

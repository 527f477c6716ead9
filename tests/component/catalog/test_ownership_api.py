"""What somebody owns is given to others before they leave; keys of theirs keep their secrets."""

from typing import Any

import pytest

from roundhouse_catalog.store.keys import all_keys
from tests.component.catalog.directory import acting, as_admin, new_person
from tests.component.catalog.world import World, created

pytestmark = pytest.mark.contract("B10", "E03")


async def owner_of_much(world: World) -> tuple[str, str, dict[str, str]]:
    """Return somebody who made one of everything, somebody else, and the ids of the things by kind."""
    await world.model()
    ann = await new_person(world, "ann", roles=["administrator"])
    bob = await new_person(world, "bob", roles=["user"])
    async with acting(world, ann):
        made = {
            "api-key": created(await world.post("/api-keys", {"name": "mine"})),
            "deployment": created(await world.post("/deployments", {"name": "ours", "model": "smol"})),
            "project": created(await world.post("/projects", {"name": "search"})),
            "service-account": created(await world.post("/service-accounts", {"name": "bot"})),
        }
    return ann, bob, {kind: str(one["id"]) for kind, one in made.items()}


async def owned_by(world: World, user_id: str) -> dict[str, str]:
    answer = await world.get(f"/members/{user_id}/belongings")
    assert answer.status_code == 200, answer.text
    return {item["kind"]: item["id"] for item in answer.json()["items"]}


async def entries(world: World, action: str) -> list[Any]:  # Any: JSON
    found: list[Any] = (await world.get("/audit", action=action)).json()["items"]
    return found


async def test_nobody_leaves_with_things_of_theirs_before_somebody_takes_them_over(world: World) -> None:
    ann, bob, things = await owner_of_much(world)
    async with as_admin(world):
        assert await owned_by(world, ann) == things
        refused = await world.delete(f"/members/{ann}")
        assert (refused.status_code, refused.json()["code"]) == (409, "still_owns")
        assert 'api-key "mine"' in refused.json()["detail"]
        for stranger in ("usr_none", ann):
            assert (await world.delete(f"/members/{ann}?successor={stranger}")).status_code == 422
        assert await owned_by(world, ann) == things
        assert (await world.delete(f"/members/{ann}?successor={bob}")).status_code == 204
        assert await owned_by(world, bob) == things
        given = [(await entries(world, f"{kind}.transfer"))[0]["change"]["owner_id"] for kind in things]
    assert given == [[ann, bob]] * 4


async def test_a_key_that_is_given_away_keeps_its_secret(world: World) -> None:
    ann, bob, things = await owner_of_much(world)
    async with world.db.read() as session:
        [before] = [key for key in await all_keys(session) if key.key_id == things["api-key"]]
    path = f"/api-keys/{things['api-key']}:transfer"
    async with acting(world, bob):
        assert (await world.post(path, {"user_id": bob})).status_code == 403
    async with as_admin(world):
        moved = await world.post(path, {"user_id": bob})
        assert (moved.status_code, moved.json()["owner_id"]) == (200, bob), moved.text
        assert "api-key" not in await owned_by(world, ann)
    async with world.db.read() as session:
        [after] = [key for key in await all_keys(session) if key.key_id == things["api-key"]]
    assert (after.user_id, after.sha256, after.generation) == (bob, before.sha256, before.generation + 1)


async def test_a_key_for_a_project_is_given_to_somebody_who_is_in_it(world: World) -> None:
    _, bob, things = await owner_of_much(world)
    async with as_admin(world):
        key = created(await world.post("/api-keys", {"name": "k", "project_id": things["project"]}))
        path = f"/api-keys/{key['id']}:transfer"
        refused = await world.post(path, {"user_id": bob})
        assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (422, ["user_id"])
        member = {"project_roles": {things["project"]: ["user"]}}
        assert (await world.patch(f"/members/{bob}", member)).status_code == 200
        assert (await world.post(path, {"user_id": bob})).status_code == 200


async def test_each_kind_of_thing_can_be_given_alone_and_only_to_members(world: World) -> None:
    _, bob, things = await owner_of_much(world)
    places = {"deployment": "deployments", "project": "projects", "service-account": "service-accounts"}
    async with as_admin(world):
        for kind, place in places.items():
            path = f"/{place}/{things[kind]}:transfer"
            assert (await world.post(path, {"user_id": "usr_none"})).status_code == 422, kind
            assert (await world.post(path, {"user_id": bob})).status_code == 200, kind
        assert set(await owned_by(world, bob)) == set(places)
        [route] = (await world.get("/routes", name="ours")).json()["items"]
    assert route["created_by"] == f"user:{bob}", "its keys reach what is private by the route's owner"


async def test_what_is_abandoned_stays_and_its_keys_are_refused(world: World) -> None:
    ann, _, _ = await owner_of_much(world)
    async with as_admin(world):
        assert (await world.delete(f"/users/{ann}")).json()["code"] == "still_owns"
        assert (await world.delete(f"/users/{ann}?abandon=true")).status_code == 204
        assert [one["name"] for one in (await world.get("/deployments")).json()["items"]] == ["ours"]


@pytest.mark.contract("B11")
async def test_a_key_is_changed_by_whoever_saw_it_last(world: World) -> None:
    key = created(await world.post("/api-keys", {"name": "mine"}))
    shown = await world.get(f"/api-keys/{key['id']}")
    first = await world.patch(f"/api-keys/{key['id']}", {"priority": 1}, if_match=shown.headers["etag"])
    second = await world.patch(f"/api-keys/{key['id']}", {"priority": 2}, if_match=shown.headers["etag"])
    without = await world.patch(f"/api-keys/{key['id']}", {"priority": 2}, if_match=None)
    assert [one.status_code for one in (first, second, without)] == [200, 412, 428]
    assert first.headers["etag"] != shown.headers["etag"]

"""`/api-keys`: a secret is shown once, and never again in any way."""

import pytest
from sqlalchemy import text

from roundhouse_common.auth import hash_api_key
from tests.component.catalog.world import World


@pytest.mark.contract("E04")
async def test_the_secret_is_shown_once_and_stored_nowhere(world: World) -> None:
    answer = await world.post("/api-keys", {"name": "laptop"})
    key = answer.json()
    secret = key.pop("secret")
    assert answer.status_code == 201
    assert (key["prefix"], key["last_four"]) == (secret[:7], secret[-4:])
    assert (await world.get("/api-keys")).json()["items"] == [key]
    async with world.db.write() as session:
        [stored] = (await session.execute(text("SELECT * FROM api_keys"))).all()
    assert stored.sha256 == hash_api_key(secret)
    assert secret not in repr(stored)


async def test_a_replayed_creation_shows_the_key_without_its_secret(world: World) -> None:
    first = await world.post("/api-keys", {"name": "laptop"}, idempotency_key="k1")
    again = await world.post("/api-keys", {"name": "laptop"}, idempotency_key="k1")
    assert again.headers["idempotent-replayed"] == "true"
    assert "secret" not in again.json()
    assert again.json()["id"] == first.json()["id"]
    async with world.db.write() as session:
        rows = (await session.execute(text("SELECT * FROM idempotency_keys"))).all()
    assert first.json()["secret"] not in repr(rows)


@pytest.mark.contract("B11")
async def test_a_key_can_be_for_one_deployment(world: World) -> None:
    await world.model()
    deployment = await world.deployment()
    key = (await world.post("/api-keys", {"name": "x", "deployment_ids": [deployment["id"]]})).json()
    assert key["deployment_ids"] == [deployment["id"]]
    refused = await world.post("/api-keys", {"name": "x", "deployment_ids": [deployment["id"], "dep_none"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "deployment_ids.1")


async def test_a_key_can_expire(world: World) -> None:
    key = (await world.post("/api-keys", {"name": "x", "expires_at": "2026-12-01T00:00:00+01:00"})).json()
    assert key["expires_at"] == "2026-11-30T23:00:00.000Z"


@pytest.mark.parametrize("expires_at", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00", "tomorrow", 5])
async def test_an_expiry_in_the_past_or_without_a_zone_is_refused(sqlite_world: World, expires_at: object) -> None:
    refused = await sqlite_world.post("/api-keys", {"name": "x", "expires_at": expires_at})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "expires_at")


async def test_a_revoked_key_stays_listed_as_revoked(world: World) -> None:
    key = (await world.post("/api-keys", {"name": "x"})).json()
    path = f"/api-keys/{key['id']}"
    assert (await world.delete(path)).status_code == 204
    world.clock.seconds += 60
    assert (await world.delete(path)).status_code == 204
    [listed] = (await world.get("/api-keys")).json()["items"]
    assert (listed["is_revoked"], listed["revoked_at"]) == (True, "2026-11-18T11:06:40.000Z")


async def test_an_unknown_key_cannot_be_revoked(sqlite_world: World) -> None:
    refused = await sqlite_world.delete("/api-keys/key_none")
    assert (refused.status_code, refused.json()["code"]) == (404, "api_key_not_found")


async def test_creating_and_revoking_hurry_the_publishers(world: World) -> None:
    key = (await world.post("/api-keys", {"name": "x"})).json()
    await world.delete(f"/api-keys/{key['id']}")
    await world.delete(f"/api-keys/{key['id']}")
    assert world.wakes == 2

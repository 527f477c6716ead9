"""`/providers`: secrets go in sealed and never come out; keys come and go; the provider itself is asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from roundhouse_catalog.store import tenants
from roundhouse_catalog.store.providers import find_provider
from roundhouse_common.auth import Role
from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import PROVIDERS
from roundhouse_common.contracts.routing import ProviderRecord
from roundhouse_common.secret_box import new_secrets_key
from tests.component.catalog.world import World, created, on_the_bus
from tests.support.eventually import eventually

SECRET, OTHER = "sk-first-secret-1234", "sk-second-secret-5678"


def a_body(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "together",
        "format": "openai",
        "base_url": "https://api.together.xyz/v1/",
        "keys": [{"secret": SECRET, "name": "team a"}],
    }
    return {**body, **changes}


async def a_provider(world: World, **changes: Any) -> dict[str, Any]:
    return created(await world.post("/providers", a_body(**changes)))


@pytest.mark.contract("D21")
async def test_a_secret_goes_in_and_never_comes_out(world: World) -> None:
    made = await world.post("/providers", a_body(), idempotency_key="one")
    provider = created(made)
    path = f"/providers/{provider['id']}"
    assert (provider["base_url"], provider["generation"]) == ("https://api.together.xyz/v1", 1)
    assert [(key["name"], key["last_four"]) for key in provider["keys"]] == [("team a", "1234")]
    assert made.headers["location"] == f"/api/v1{path}"
    answers = [made, await world.get(path), await world.get("/providers"), await world.post("/providers", a_body())]
    again = await world.post("/providers", a_body(), idempotency_key="one")
    assert again.json() == provider
    assert answers[-1].json()["code"] == "name_taken"
    async with world.db.write() as session:
        rows = [(await session.execute(text(f"SELECT * FROM {table}"))).all() for table in ("providers", "outbox")]
        rows.append((await session.execute(text("SELECT * FROM idempotency_keys"))).all())
    assert SECRET not in repr(rows) + "".join(answer.text for answer in [*answers, again])


async def test_keys_are_added_and_removed_one_by_one(world: World) -> None:
    provider = await a_provider(world)
    path = f"/providers/{provider['id']}"
    added = created(await world.post(f"{path}/keys", {"secret": OTHER}))
    assert added["last_four"] == "5678"
    [first, second] = (await world.get(path)).json()["keys"]
    assert second == added
    assert (await world.delete(f"{path}/keys/{first['id']}")).status_code == 204
    assert (await world.delete(f"{path}/keys/{first['id']}")).status_code == 204
    shown = (await world.get(path)).json()
    assert ([key["id"] for key in shown["keys"]], shown["generation"]) == ([added["id"]], 3)


async def test_changes_say_what_they_were_made_for(world: World) -> None:
    provider = await a_provider(world)
    path = f"/providers/{provider['id']}"
    changes = {"headers": {"X-Team": "a"}, "features": ["chat"], "in_flight_most": 5}
    assert (await world.patch(path, changes, if_match=None)).status_code == 428
    assert (await world.patch(path, changes, if_match='"7"')).status_code == 412
    changed = (await world.patch(path, changes, if_match='"1"')).json()
    assert {name: changed[name] for name in changes} == {**changes, "headers": {"x-team": "a"}}
    assert (await world.patch(path, changes, if_match='"2"')).headers["etag"] == '"2"'
    refused = await world.patch(path, {"base_url": "https://elsewhere.example.com"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "base_url")


@pytest.mark.parametrize("secret", ["", "sk with blanks", "sk-ü", 5, None])
async def test_a_bad_secret_is_refused_by_its_field_and_not_shown(sqlite_world: World, secret: object) -> None:
    refused = await sqlite_world.post("/providers", a_body(keys=[{"secret": secret}]))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "keys.0.secret")
    assert not isinstance(secret, str) or not secret or secret not in refused.text


async def test_without_a_file_of_keys_providers_have_none(sqlite_world: World, tmp_path: Any) -> None:
    (tmp_path / "secrets.keys").unlink()
    refused = await sqlite_world.post("/providers", a_body())
    assert (refused.status_code, refused.json()["code"]) == (503, "secrets_unavailable")
    assert SECRET not in refused.text
    assert (await sqlite_world.post("/providers", a_body(keys=[]))).status_code == 201


@pytest.mark.contract("E02")
async def test_tenants_do_not_see_each_others_and_change_none_of_the_platforms(world: World) -> None:
    own = await a_provider(world)
    shared = await a_provider(world, name="shared", is_platform=True)
    async with world.db.write() as session:
        await session.execute(text("INSERT INTO tenants (id, name, created_at) VALUES ('ten_other', 'other', 1)"))
    token = world.token(Role.VIEWER, tenant_id="ten_other")
    world.http.headers["authorization"] = f"Bearer {token}"
    assert [one["id"] for one in (await world.get("/providers")).json()["items"]] == [shared["id"]]
    assert (await world.get(f"/providers/{own['id']}")).status_code == 404
    assert (await world.get(f"/providers/{shared['id']}")).json()["is_platform"] is True
    assert (await world.delete(f"/providers/{shared['id']}")).status_code == 403
    assert tenants.DEFAULT_TENANT_ID not in (await world.get("/providers")).text


async def test_resealing_moves_every_secret_to_the_first_key(world: World, tmp_path: Any) -> None:
    provider = await a_provider(world)
    keys = tmp_path / "secrets.keys"
    old = keys.read_text().strip()
    new = new_secrets_key(lambda count: b"n" * count)
    keys.write_text(f"{new}\n{old}\n")
    assert (await world.post("/providers:reseal")).json() == {"resealed": 1, "total": 1}
    assert (await world.post("/providers:reseal")).json() == {"resealed": 0, "total": 1}
    keys.write_text(f"{new}\n")
    async with world.db.read() as session:
        stored = await find_provider(session, tenants.DEFAULT_TENANT_ID, provider["id"])
    assert stored is not None
    assert world.secrets.box().open(stored.keys[0].sealed) == SECRET


async def test_routers_get_providers_sealed_and_tombstones_without_keys(world: World) -> None:
    broker = MemoryBroker(world.clock)
    async with on_the_bus(world, broker):
        router = MemoryBus(broker, Service.ROUTER, clock=world.clock)
        await router.connect()

        async def record() -> ProviderRecord | None:
            try:
                return next(iter(entry.value for entry in (await router.bucket(PROVIDERS).list()).values()), None)
            except BusUnavailable:
                return None

        provider = await a_provider(world)
        published = await eventually(record)
        assert published is not None
        assert SECRET not in repr(published)
        assert world.secrets.box().open(published.keys[0].sealed) == SECRET
        assert (published.base_url, published.tenant_id) == ("https://api.together.xyz/v1", tenants.DEFAULT_TENANT_ID)
        await world.delete(f"/providers/{provider['id']}")

        async def is_gone() -> bool:
            found = await record()
            return found is not None and found.is_deleted and not found.keys

        await eventually(is_gone)
        await router.close()


@asynccontextmanager
async def scripted_provider(answers: dict[str, tuple[int, object]]) -> AsyncIterator[str]:
    """Serve `GET /v1/models` with the answer for each Authorization header, and give the base address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        given = next((line.partition(": ")[2] for line in head.splitlines() if line.startswith("authorization")), "")
        is_known = head.startswith("get /v1/models ")
        status, document = answers.get(given, (500, {})) if is_known else (404, {"error": "no such path"})
        body = json.dumps(document).encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_check_says_what_the_provider_says_to_each_key(world: World) -> None:
    answers: dict[str, tuple[int, object]] = {
        f"bearer {SECRET}": (200, {"data": [{"id": "a"}, {"id": "b"}]}),
        f"bearer {OTHER}": (401, {"error": {"message": f"bad key {OTHER}"}}),
    }
    async with scripted_provider(answers) as base_url:
        keys = [{"secret": SECRET}, {"secret": OTHER}]
        provider = await a_provider(world, base_url=base_url, keys=keys)
        checked = await world.post(f"/providers/{provider['id']}:check")
    body = checked.json()
    assert [(one["result"], one["last_four"], one["models"]) for one in body["checks"]] == [
        ("ok", "1234", 2),
        ("refused", "5678", 0),
    ]
    assert (body["is_usable"], body["models"]) == (True, ["a", "b"])
    assert OTHER not in checked.text


async def test_a_check_of_a_provider_that_is_away_or_elsewhere_says_so(world: World) -> None:
    async with scripted_provider({"": (200, {"data": []})}) as base_url:
        right = await a_provider(world, name="right", base_url=base_url, keys=[])
        wrong = await a_provider(world, name="wrong", base_url=f"{base_url}/v1", keys=[])
        assert (await world.post(f"/providers/{right['id']}:check")).json()["checks"][0]["result"] == "ok"
        [found] = (await world.post(f"/providers/{wrong['id']}:check")).json()["checks"]
        assert (found["result"], "is the base_url right" in found["detail"]) == ("failed", True)
    answer: httpx.Response = await world.post(f"/providers/{right['id']}:check")
    assert answer.json()["checks"][0]["result"] == "unreachable"
    assert answer.json()["is_usable"] is False

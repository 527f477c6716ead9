"""Nothing of another tenant can be read, changed or found out: not by ids, filters, references, lists or error texts.

`zebra` is the other tenant: everything in it has the word in its name. The caller administers its own tenant, holds
every role there, and knows every id.
"""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_metering.bus.replicas import ReplicaRecorder
from roundhouse_scheduler.store import tables as scheduler_tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.access.worlds import Platform
from tests.component.catalog.directory import acting, as_admin, new_person, new_tenant
from tests.component.scheduler.test_scheduler_store import a_spec
from tests.support.access_routes import Endpoint
from tests.support.metering import transition
from tests.support.scheduler import a_replica

pytestmark = pytest.mark.contract("E03")

OURS = "ten_default"
MARK = "zebra"


async def made(platform: Platform, path: str, body: Any) -> dict[str, Any]:
    answer = await platform.catalog.post(path, body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def theirs(platform: Platform) -> dict[str, str]:
    """Fill the other tenant, and return the ids by the names that paths have for them."""
    world = platform.catalog
    zebra = await new_tenant(world, f"{MARK} incorporated")
    person = await new_person(world, f"{MARK}@example.org", zebra, display_name=MARK, roles=["administrator"])
    async with acting(world, person, zebra):
        model = await made(platform, "/models", {
            "name": f"{MARK}-model", "kind": "chat", "source": {"kind": "path", "uri": f"/models/{MARK}.gguf"},
            "memory_bytes": 1024, "is_published": True,
        })  # fmt: skip
        deployment = await made(platform, "/deployments", {"name": f"{MARK}-chat", "model": f"{MARK}-model"})
        key = await made(platform, "/api-keys", {"name": f"{MARK} key"})
        bound = {"name": f"{MARK} limit", "requests_per_minute": 5}
        file = {"path": f"{MARK}.gguf", "size": 3, "sha256": "0" * 64}
        ids = {
            "tenant_id": zebra,
            "user_id": person,
            "model_id": model["id"],
            "deployment_id": deployment["id"],
            "number": "1",
            "key_id": key["id"],
            "limit_id": (await made(platform, "/limits", bound))["id"],
            "upload_id": (await made(platform, "/uploads", {"files": [file]}))["id"],
            "path": f"{MARK}.gguf",
            "project_id": (await made(platform, "/projects", {"name": f"{MARK} project"}))["id"],
            "role_id": (await made(platform, "/roles", {"name": f"{MARK} role", "actions": ["logs:read"]}))["id"],
            "account_id": (await made(platform, "/service-accounts", {"name": f"{MARK} bot"}))["id"],
            "route_id": next(one["id"] for one in (await world.get("/routes")).json()["items"]),
            "replica_id": "rep_1",
        }
    of_deployment = {"deployment_id": ids["deployment_id"]}
    async with platform.services["scheduler"].db.write() as session:
        spec = a_spec(**of_deployment, tenant_id=zebra, name=f"{MARK}-chat")
        await take_specs(session, [spec], at=1.0)
        replica = a_replica("rep_1", **of_deployment, detail=f"{MARK} starts")
        await add(session, scheduler_tables.replicas, replica)
    recorder = ReplicaRecorder(platform.services["metering"].db, registry=CollectorRegistry())
    started = transition(1.0, Phase.PENDING, Phase.READY, tenant_id=zebra, replica_id="rep_1", **of_deployment)
    await recorder([Delivery(message=started, event_id="evt_1", subject="", stream_sequence=1, deliveries=1)])
    return ids


def caller() -> Subject:
    return Subject(id="usr_test", tenant_id=OURS, roles=frozenset(Role))


async def seen_inside(platform: Platform, ids: dict[str, str]) -> dict[str, str]:
    """Return what the other tenant's own administrator reads at every address."""
    insider = Subject(id=ids["user_id"], tenant_id=ids["tenant_id"], roles=frozenset(Role))
    found = {}
    for endpoint in platform.endpoints():
        if endpoint.service == "metering":
            continue  # its answers tell the time
        if endpoint.method == "GET" and endpoint.permits(insider) and not endpoint.path.endswith(":follow"):
            got = await platform.call(endpoint, insider, values=ids)
            found[endpoint.key] = f"{got.status_code} {got.text}" if got.status_code < 300 else str(got.status_code)
    return found


def is_about_something(endpoint: Endpoint, ids: dict[str, str]) -> bool:
    return any(name in ids for name in endpoint.parameters)


async def test_ids_of_another_tenant_open_nothing_and_change_nothing(platform: Platform) -> None:
    ids = await theirs(platform)
    before = await seen_inside(platform, ids)
    told = [key for key, text in before.items() if MARK in text]
    assert len(told) > 15, told
    wrong: dict[str, tuple[int | str, str]] = {}
    for endpoint in platform.endpoints():
        if not is_about_something(endpoint, ids) or not endpoint.permits(caller()):
            continue
        got = await platform.call(endpoint, caller(), values=ids)
        hidden = got.text.replace(f"{MARK}.gguf", "")  # the address says this one itself
        is_empty = got.status_code == 200 and got.json().get("replicas") == []
        if got.status_code not in (401, 403, 404, 422) and not is_empty:
            wrong[endpoint.key] = (got.status_code, got.text[:200])
        elif MARK in hidden:
            wrong[endpoint.key] = ("told", got.text[:300])
    assert wrong == {}
    assert await seen_inside(platform, ids) == before


async def test_lists_and_filters_show_nothing_of_another_tenant(platform: Platform) -> None:
    ids = await theirs(platform)
    values = {**ids, "user": ids["user_id"], "deployment": ids["deployment_id"], "model": f"{MARK}-model"}
    values |= {"name": f"{MARK}-chat", "project": ids["project_id"], "tenant": ids["tenant_id"], "key": ids["key_id"]}
    wrong = {}
    for endpoint in platform.endpoints():
        if endpoint.method != "GET" or endpoint.parameters or not endpoint.permits(caller()):
            continue
        for query in ({}, {name: values[name] for name in endpoint.query if name in values}):
            got = await platform.call(endpoint, caller(), query=query)
            text = got.text
            for value in query.values():
                text = text.replace(value, "")
            if MARK in text or any(one in text for one in ids.values() if "_" in one):
                wrong[endpoint.key] = (query, got.text[:300])
    assert wrong == {}


async def test_bodies_that_name_things_of_another_tenant_are_refused_without_a_word_about_them(
    platform: Platform,
) -> None:
    ids = await theirs(platform)
    async with as_admin(platform.catalog):
        await made(platform, "/models", {
            "name": "ours", "kind": "chat", "source": {"kind": "path", "uri": "/models/ours.gguf"},
            "memory_bytes": 1024, "is_published": True,
        })  # fmt: skip
    posts: list[tuple[str, Any]] = [
        ("/deployments", {"name": "a", "model": f"{MARK}-model"}),
        ("/deployments", {"name": "a", "model": ids["model_id"]}),
        ("/deployments", {"name": "a", "model": "ours", "project_id": ids["project_id"]}),
        ("/api-keys", {"name": "a", "deployment_ids": [ids["deployment_id"]]}),
        ("/api-keys", {"name": "a", "project_id": ids["project_id"]}),
        ("/limits", {"name": "a", "key_ids": [ids["key_id"]], "requests_per_minute": 1}),
        ("/limits", {"name": "a", "user_ids": [ids["user_id"]], "requests_per_minute": 1}),
        ("/limits", {"name": "a", "route_ids": [ids["route_id"]], "requests_per_minute": 1}),
        ("/routes", {"name": "a", "targets": [{"deployment_id": ids["deployment_id"]}]}),
        ("/routes", {"name": "a", "alias_of": f"{MARK}-chat"}),
        ("/users", {"name": "a", "own_role_ids": [ids["role_id"]]}),
        ("/users", {"name": "a", "project_roles": {ids["project_id"]: ["viewer"]}}),
        ("/service-accounts", {"name": "a", "own_role_ids": [ids["role_id"]]}),
        ("/uploads", {"files": [{"path": "a", "size": 1, "sha256": "0" * 64}], "project_id": ids["project_id"]}),
        ("/models", {"name": "a", "kind": "chat", "source": {"kind": "upload", "uri": ids["upload_id"]}}),
    ]
    wrong = {}
    token = platform.catalog.signer.sign(caller(), 3600)
    platform.catalog.http.headers["authorization"] = f"Bearer {token}"
    for path, body in posts:
        got = await platform.catalog.post(path, body)
        text = got.text.replace(f"{MARK}-model", "").replace(f"{MARK}-chat", "")  # what was asked for
        if got.status_code not in (404, 422) or MARK in text:
            wrong[path, str(body)] = (got.status_code, got.text[:300])
    assert wrong == {}


async def test_an_idempotency_key_of_another_tenant_replays_nothing(platform: Platform) -> None:
    """The same person, with a token for each of two tenants, and the same request twice."""
    world = platform.catalog
    ids = await theirs(platform)
    body = {"name": "p"}
    async with as_admin(world, ids["tenant_id"]):
        first = await world.post("/projects", body, idempotency_key="one")
    async with as_admin(world):
        second = await world.post("/projects", body, idempotency_key="one")
    assert (first.status_code, second.status_code, second.json()["tenant_id"]) == (201, 201, OURS)

"""Nothing of another tenant can be read, changed or found out: not by ids, filters, references, lists or error texts.

`zebra` is the other tenant: everything in it has the word in its name. The caller administers its own tenant, holds
every role there, and knows every id.
"""

from typing import Any

import pytest

from tests.component.access.neighbours import MARK, OURS, everybody, made, neighbour
from tests.component.access.worlds import Platform
from tests.component.catalog.directory import as_admin
from tests.support.access_routes import Endpoint

pytestmark = pytest.mark.contract("E03")
TELLING = {
    "catalog GET /api/v1/audit",
    "catalog GET /api/v1/audit:export",
    "metering GET /api/v1/budgets",
    "metering GET /api/v1/usage/events",
    "metering GET /api/v1/usage/records",
    "metering GET /api/v1/usage/records.csv",
    "metering GET /v1/organization/usage/{kind}",
    "scheduler GET /api/v1/deployment-statuses",
}
"""Lists and exports that say the tenant's names to its own people: that they say nothing to others means something."""


async def seen_inside(platform: Platform, ids: dict[str, str]) -> dict[str, str]:
    """Return what the other tenant's own administrator reads at every address."""
    insider = everybody(ids["tenant_id"], ids["user_id"])
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
    ids = await neighbour(platform)
    before = await seen_inside(platform, ids)
    told = [key for key, text in before.items() if MARK in text]
    assert len(told) > 15, told
    wrong: dict[str, tuple[int | str, str]] = {}
    for endpoint in platform.endpoints():
        if not is_about_something(endpoint, ids) or not endpoint.permits(everybody()):
            continue
        got = await platform.call(endpoint, everybody(), values=ids)
        hidden = got.text.replace(f"{MARK}.gguf", "")  # the address says this one itself
        is_empty = got.status_code == 200 and got.json().get("replicas") == []
        if got.status_code not in (401, 403, 404, 422) and not is_empty:
            wrong[endpoint.key] = (got.status_code, got.text[:200])
        elif MARK in hidden:
            wrong[endpoint.key] = ("told", got.text[:300])
    assert wrong == {}
    assert await seen_inside(platform, ids) == before


def listings(platform: Platform) -> list[Endpoint]:
    """Return what is asked without naming one thing; OpenAI's usage has the kind of request in its path."""
    return [one for one in platform.endpoints() if one.method == "GET" and one.parameters in ([], ["kind"])]


def filters(endpoint: Endpoint, ids: dict[str, str]) -> list[dict[str, str]]:
    """Return the queries: none, each filter with what the other tenant has for it, and all of them."""
    named = {"user": "user_id", "deployment": "deployment_id", "project": "project_id", "tenant": "tenant_id"}
    named |= {"key": "key_id", "user_ids": "user_id", "project_ids": "project_id", "api_key_ids": "key_id"}
    named |= {"replica": "replica_id", "route": "route_id", "object_id": "deployment_id", "version": "version_id"}
    values = {**ids, **{name: ids[of] for name, of in named.items() if of in ids}}
    values |= {"model": f"{MARK}-model_requested", "models": f"{MARK}-model_served", "name": f"{MARK}-chat"}
    values |= {"served_model": f"{MARK}-model_served", "device_class": f"{MARK}-device_class", "node": f"nod_{MARK}"}
    values |= {"actor": f"user:{ids['user_id']}", "region": f"{MARK}-region"}
    given = {name: values[name] for name in endpoint.query if name in values}
    return [{}, given, *({name: value} for name, value in given.items())]


def needed(endpoint: Endpoint) -> dict[str, str]:
    """Return what some of them are not answered without."""
    times = {"since": "2026-11-01T00:00:00Z", "start_time": "1795219200"}
    return {name: value for name, value in times.items() if name in endpoint.query}


async def test_lists_and_exports_tell_their_own_people(platform: Platform) -> None:
    """The control: without it the test after this one would pass on empty answers."""
    ids = await neighbour(platform)
    insider = everybody(ids["tenant_id"], ids["user_id"])
    told = set()
    for endpoint in listings(platform):
        query = needed(endpoint) | ({"group_by": "model"} if "group_by" in endpoint.query else {})
        got = await platform.call(endpoint, insider, query=query, values={"kind": "completions"})
        if MARK in got.text:
            told.add(endpoint.key)
    assert told >= TELLING
    assert len(told) > 18, told


async def test_lists_and_filters_show_nothing_of_another_tenant(platform: Platform) -> None:
    ids = await neighbour(platform)
    wrong = {}
    for endpoint in listings(platform):
        if not endpoint.permits(everybody()):
            continue
        for query in filters(endpoint, ids):
            got = await platform.call(
                endpoint, everybody(), query=needed(endpoint) | query, values={"kind": "completions"}
            )
            text = got.text
            for value in query.values():
                text = text.replace(value, "")
            if MARK in text or any(one in text for one in ids.values() if "_" in one):
                wrong[endpoint.key] = (query, got.text[:300])
    assert wrong == {}


async def test_bodies_that_name_things_of_another_tenant_are_refused_without_a_word_about_them(
    platform: Platform,
) -> None:
    ids = await neighbour(platform)
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
    token = platform.catalog.signer.sign(everybody(), 3600)
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
    ids = await neighbour(platform)
    body = {"name": "p"}
    async with as_admin(world, ids["tenant_id"]):
        first = await world.post("/projects", body, idempotency_key="one")
    async with as_admin(world):
        second = await world.post("/projects", body, idempotency_key="one")
    assert (first.status_code, second.status_code, second.json()["tenant_id"]) == (201, 201, OURS)

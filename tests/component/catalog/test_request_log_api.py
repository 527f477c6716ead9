"""Request logs by choice of a tenant: chosen, bounded by the platform, in force on routers, read and audited."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from roundhouse_catalog.bus.request_logs import RequestLogs
from roundhouse_catalog.domain.request_logs import LogLevel
from roundhouse_common.auth import Role
from roundhouse_common.bus.memory import MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart
from roundhouse_common.runtime import SystemClock
from tests.component.catalog.directory import acting, new_person, new_tenant
from tests.component.catalog.world import World, a_world, on_the_bus
from tests.support.databases import Migrate
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, route
from tests.support.scripted_engine import Engine, answers, completion

TENANT = "/tenants/ten_default"
PATTERN = {"name": "staff_number", "expression": r"E-\d{6}"}
SAID = "I am E-123456 of ada@example.com"
OTHER_SECRET = "rh-" + "z" * 43


async def choose(world: World, **policy: Any) -> dict[str, Any]:  # Any: JSON
    answer = await world.patch(TENANT, {"request_log": policy})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["request_log"])


async def audited(world: World, action: str) -> list[dict[str, Any]]:  # Any: JSON
    return list((await world.get("/audit", action=action)).json()["items"])


@pytest.mark.contract("E05")
async def test_a_choice_is_kept_part_by_part_and_entered_into_the_audit(world: World) -> None:
    chosen = {"level": "bodies", "keep_days": 7, "patterns": [PATTERN]}
    assert await choose(world, **chosen) == chosen
    assert await choose(world, keep_days=8) == {**chosen, "keep_days": 8}
    assert await choose(world, level="off", patterns=[]) == {"level": "off", "keep_days": 8, "patterns": []}
    latest, _, first = await audited(world, "tenant.change")
    off = {"level": "off", "keep_days": 30, "patterns": []}
    assert first["change"] == {"request_log": [off, chosen]}
    assert latest["change"]["request_log"][1]["level"] == "off"


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"keep_days": 0}, "request_log.keep_days"),
        ({"keep_days": 3651}, "request_log.keep_days"),
        ({"patterns": [PATTERN, {"name": "x", "expression": "(a+)+b"}]}, "request_log.patterns.1"),
        ({"patterns": [{"name": "X y", "expression": "a"}]}, "request_log.patterns.0"),
        ({"patterns": [PATTERN, PATTERN]}, "request_log.patterns"),
        ({"patterns": [{"name": f"p{n}", "expression": "a"} for n in range(21)]}, "request_log.patterns"),
        ({"level": "everything"}, "request_log.level"),
    ],
)
async def test_what_cannot_be_chosen_is_refused_with_its_field(
    sqlite_world: World, policy: dict[str, Any], field: str
) -> None:
    refused = await sqlite_world.patch(TENANT, {"request_log": policy})
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == [field]


@pytest.mark.contract("E05")
async def test_the_platform_can_forbid_texts_also_those_that_were_chosen_before(
    sqlite_url: str, migrated: Migrate, tmp_path: Path
) -> None:
    await migrated(sqlite_url, "catalog")
    async with a_world(sqlite_url, tmp_path / "uploads") as world:
        await choose(world, level="bodies")
    async with a_world(sqlite_url, tmp_path / "uploads", request_logs_most=LogLevel.METADATA) as world:
        refused = await world.patch(TENANT, {"request_log": {"level": "bodies"}})
        assert refused.status_code == 422
        assert "allows off, metadata" in refused.json()["errors"][0]["message"]
        assert (await choose(world, keep_days=5))["level"] == "bodies", "what is not stated is not judged"

        async def none(query: ReadRequestLog) -> list[RequestLogPart]:
            return []

        world.read_routers = none
        assert (await world.get("/request-log")).json()["level"] == "metadata"


@pytest.mark.contract("E05", "E03")
async def test_a_choice_reaches_a_router_whose_lines_are_read_by_that_tenant_only(world: World, tmp_path: Path) -> None:
    async with Fleet() as fleet, Engine() as engine, RunningRouter(tmp_path / "router", fleet) as router:
        engine.script = answers(200, completion(SAID))
        await fleet.serve(engine)
        await fleet.put_key(api_key(OTHER_SECRET, key_id="key_2", tenant_id="ten_other"))
        await fleet.put_route(route("theirs", tenant_id="ten_other"))
        bus = MemoryBus(fleet.broker, Service.CATALOG, clock=SystemClock())
        await bus.connect()
        world.read_routers = RequestLogs(bus, timeout_s=5.0, quiet_s=0.05).read
        async with on_the_bus(world, fleet.broker):
            await router.ready()
            await choose(world, level="bodies", patterns=[PATTERN])
            snapshot = tmp_path / "router" / "snapshot.json"
            await eventually(lambda: snapshot.exists() and "staff_number" in snapshot.read_text())
            for secret, model in (("", "tiny"), (OTHER_SECRET, "theirs"), ("", "tiny")):
                await asked(router, model, secret)
            ids = await logged(world, 2)
            shown = (await world.get(f"/request-log/{ids[0]}")).json()
            assert shown["answer"]["choices"][0]["message"]["content"] == (
                "I am [redacted:staff_number] of [redacted:email]"
            )
            assert shown["request"]["messages"][0]["content"] == "[redacted:staff_number]"
            await readers_are_bounded(world, ids)
            await what_was_read_is_audited(world, ids[0])
        await bus.close()


async def asked(router: RunningRouter, model: str, secret: str) -> None:
    more = {"secret": secret} if secret else {}
    body = {"model": model, "messages": [{"role": "user", "content": "E-123456"}]}

    async def is_answered() -> None:
        async with router.post(body, **more) as answer:
            assert answer.status == 200
            await answer.read()

    await is_answered()


async def logged(world: World, number: int) -> list[str]:
    """Wait until so many requests are listed; return their ids, the newest first."""
    async with asyncio.timeout(10):
        while True:
            page = (await world.get("/request-log")).json()
            if len(page["items"]) >= number:
                break
    assert (page["level"], page["next_cursor"], page["routers"][0]["dropped"]) == ("bodies", None, 0)
    assert len(page["items"]) == number
    assert not any(one["request"] or one["answer"] for one in page["items"])
    ids = [str(one["request_id"]) for one in page["items"]]
    first = (await world.get("/request-log", limit=1, key_id="key_1", model="tiny", status=200)).json()
    second = (await world.get("/request-log", limit=1, cursor=first["next_cursor"])).json()
    assert [first["items"][0]["request_id"], second["items"][0]["request_id"]] == ids
    assert (await world.get("/request-log", model="theirs")).json()["items"] == []
    assert (await world.get("/request-log", until="2020-01-01T00:00:00Z")).json()["items"] == []
    return ids


async def readers_are_bounded(world: World, ids: list[str]) -> None:
    """Another tenant sees none of it, whatever its administrator asks for; nor does who has no permission."""
    other = await new_tenant(world, "other")
    eve = await new_person(world, "eve", other, roles=["administrator"])
    viewer = await new_person(world, "vic", roles=[Role.VIEWER.value])
    async with acting(world, eve, other):
        assert (await world.get("/request-log")).json()["items"] == []
        assert (await world.get(f"/request-log/{ids[0]}")).status_code == 404
        assert (await world.get("/request-log", key_id="key_1")).json()["items"] == []
    async with acting(world, viewer):
        assert (await world.get("/request-log")).status_code == 403
        assert (await world.get(f"/request-log/{ids[0]}")).status_code == 403


async def what_was_read_is_audited(world: World, request_id: str) -> None:
    [shown] = [one for one in await audited(world, "logged-request.show") if one["outcome"] == "done"]
    assert (shown["object_id"], shown["change"]["detail"][1]) == (request_id, "with its texts")
    details = [one["change"]["detail"][1] for one in await audited(world, "request-log.list") if one["change"]]
    assert any("'model': 'tiny'" in detail for detail in details)


async def test_without_a_router_that_answers_nothing_is_shown(sqlite_world: World) -> None:
    for path in ("/request-log", "/request-log/req_0193a0c5f0d97c3e8a4b5c6d7e8f9012"):
        answer = await sqlite_world.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "routers_away")
    assert (await sqlite_world.get("/request-log/no-such-id")).json()["code"] == "logged_request_not_found"

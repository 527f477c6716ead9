"""Request logs that tenants choose: in force at once, apart from each other, read over the bus, deleted in time."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.identity import RedactionPattern, RequestLogPolicy, TenantRecord
from roundhouse_common.contracts.request_log import ReadRequestLog
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, TENANT, Fleet, RunningRouter, api_key, route
from tests.support.scripted_engine import Engine, answers, completion

OTHER_SECRET = "rh-" + "z" * 43
PATTERN = RedactionPattern(name="staff_number", expression=r"E-\d{6}")
SAID = f"I am E-123456, my key is {SECRET}."


def tenant(generation: int, *, tenant_id: str = TENANT, is_deleted: bool = False, **policy: Any) -> TenantRecord:
    """Any: fields of RequestLogPolicy."""
    return TenantRecord(
        tenant_id=tenant_id,
        name=tenant_id,
        generation=generation,
        is_deleted=is_deleted,
        request_log=RequestLogPolicy(**policy),
    )


def folder(tmp_path: Path, tenant_id: str = TENANT) -> Path:
    return tmp_path / "requests" / "tenants" / tenant_id


def lines_of(tmp_path: Path, tenant_id: str = TENANT) -> list[dict[str, Any]]:  # Any: JSON
    paths = sorted(folder(tmp_path, tenant_id).glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


async def chosen(router: RunningRouter, fleet: Fleet, generation: int, **policy: Any) -> None:  # Any: as above
    """Publish the tenant's choice, and return once it is in force."""
    record = tenant(generation, **policy)
    await fleet.put_tenant(record)
    path = router.settings.state_dir / "snapshot.json"

    def is_saved() -> bool:
        saved = json.loads(path.read_bytes())["tenants"] if path.exists() else {}
        return TENANT in saved and saved[TENANT]["generation"] == generation

    await eventually(is_saved)


async def ask(router: RunningRouter, text: str = "Hi", **more: Any) -> str:  # Any: arguments of `post`
    async with router.post({"messages": [{"role": "user", "content": text}]}, **more) as answer:
        assert answer.status == 200
        await answer.read()
        return str(answer.headers["x-request-id"])


@pytest.mark.contract("E05")
async def test_a_tenants_choice_is_in_force_at_once_and_for_nobody_else(
    router: RunningRouter, fleet: Fleet, engine: Engine, tmp_path: Path
) -> None:
    await fleet.put_key(api_key(OTHER_SECRET, key_id="key_2", tenant_id="ten_other"))
    await fleet.put_route(route("theirs", tenant_id="ten_other"))
    await ask(router)
    await chosen(router, fleet, 1, is_on=True)
    logged = await ask(router)
    async with router.post({"model": "theirs"}, secret=OTHER_SECRET) as answer:
        assert answer.status == 200
    await eventually(lambda: lines_of(tmp_path))
    await chosen(router, fleet, 2, is_on=False)
    await ask(router)
    await eventually(lambda: len(fleet.records) == 4)
    assert [line["request_id"] for line in lines_of(tmp_path)] == [logged]
    assert not folder(tmp_path, "ten_other").exists()
    assert "request" not in lines_of(tmp_path)[0]


@pytest.mark.contract("E05")
async def test_texts_are_redacted_also_by_the_tenants_own_patterns(
    router: RunningRouter, fleet: Fleet, engine: Engine, tmp_path: Path
) -> None:
    engine.script = answers(200, completion(SAID))
    await chosen(router, fleet, 1, is_on=True, has_texts=True, patterns=(PATTERN,))
    await ask(router, SAID)
    await eventually(lambda: lines_of(tmp_path))
    [line] = lines_of(tmp_path)
    wanted = "I am [redacted:staff_number], my key is [redacted:api_key]."
    assert line["request"]["messages"][0]["content"] == wanted
    assert line["answer"]["choices"][0]["message"]["content"] == wanted


@pytest.mark.parametrize("expression", ["(a+)+b", "("])
async def test_with_a_pattern_that_cannot_be_used_no_text_is_written(
    router: RunningRouter, fleet: Fleet, engine: Engine, tmp_path: Path, expression: str
) -> None:
    pattern = RedactionPattern(name="bad", expression=expression)
    await chosen(router, fleet, 1, is_on=True, has_texts=True, patterns=(pattern,))
    await ask(router, SAID)
    await eventually(lambda: lines_of(tmp_path))
    [line] = lines_of(tmp_path)
    assert "request" not in line


async def test_the_platforms_own_log_is_apart(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with RunningRouter(tmp_path, fleet, request_log="bodies") as router:
        await fleet.serve(engine)
        await router.ready()
        await ask(router)
        await chosen(router, fleet, 1, is_on=True)
        await ask(router)
    [path] = (tmp_path / "requests").glob("*.jsonl")
    assert ["request" in json.loads(line) for line in path.read_text().splitlines()] == [True, True]
    assert ["request" in line for line in lines_of(tmp_path)] == [False]


@pytest.mark.contract("E05")
async def test_every_router_answers_with_its_own_lines_also_after_a_restart_without_the_bus(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    async with RunningRouter(first, fleet) as one, RunningRouter(second, fleet) as two:
        await fleet.serve(engine)
        for router in (one, two):
            await router.ready()
            await chosen(router, fleet, 1, is_on=True)
        ids = [await ask(router) for router in (one, two, one)]
    fleet.broker.stop()
    async with RunningRouter(first, fleet) as one, RunningRouter(second, fleet) as two:
        await one.ready()
        ids.append(await ask(one))  # by the snapshot
        await eventually(lambda: len(lines_of(first)) == 3)
        fleet.broker.start()
        await eventually(lambda: one.bus.is_connected and two.bus.is_connected)

        async def told(**query: Any) -> list[str]:  # Any: fields of ReadRequestLog
            parts = await fleet.read_request_log(ReadRequestLog(**{"tenant_id": TENANT, **query}))
            assert len({part.router_id for part in parts}) == 2
            lines = sorted((line for part in parts for line in part.lines), key=lambda line: line.at, reverse=True)
            return [line.request_id for line in lines]

        assert await told() == ids[::-1]
        assert await told(request_id=ids[1]) == [ids[1]]
        assert await told(key_id="key_9") == []
        assert await told(tenant_id="ten_other") == []
        assert await fleet.read_request_log(ReadRequestLog(tenant_id="../first")) == []


async def test_what_a_tenants_choice_has_outlived_is_neither_shown_nor_kept(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    for number in range(2):
        path = folder(tmp_path, f"ten_{number}") / "000000000001000.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text('{"logged_at":1.0,"request_id":"req_1"}\n')
    of_a_worker = tmp_path / "workers" / "3" / "requests" / "tenants" / "ten_0" / "000000000001000.jsonl"
    of_a_worker.parent.mkdir(parents=True)
    of_a_worker.write_text("{}\n")
    await fleet.put_tenant(tenant(1, tenant_id="ten_0", keep_days=3650))
    await fleet.put_tenant(tenant(1, tenant_id="ten_1", is_deleted=True))
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        [part] = await fleet.read_request_log(ReadRequestLog(tenant_id="ten_0"))
        assert part.lines == ()
    async with RunningRouter(tmp_path, fleet) as router:  # it knows the tenants from its start
        await router.ready()
        await eventually(lambda: not folder(tmp_path, "ten_1").exists())
        await eventually(lambda: not list(folder(tmp_path, "ten_0").glob("*")) and not of_a_worker.exists())


async def test_a_full_disk_loses_lines_and_nothing_else_and_says_so(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet, request_log_spare_bytes=2**60) as router:
        await fleet.serve(engine)
        await router.ready()
        await chosen(router, fleet, 1, is_on=True)
        await ask(router)
        await eventually(lambda: router.metric("roundhouse_router_request_log_dropped_total", reason="refused") == 1)
        [part] = await fleet.read_request_log(ReadRequestLog(tenant_id=TENANT))
        assert (part.lines, part.dropped) == ((), 1)
    assert os.listdir(tmp_path / "requests" / "tenants") == []

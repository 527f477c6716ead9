"""The REST API in process, on both databases and the memory bus."""

from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import REPUBLISH_USAGE
from roundhouse_common.contracts.usage import Outcome
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.store.ledger import enter
from tests.support.metering_api import CLOCK, Caller, who
from tests.support.usage import NOON, UsageRecords


@pytest_asyncio.fixture
async def filled(caller: Caller, ledger_db: Database) -> Caller:
    """Five requests of two keys in two hours; router-1 admitted a sixth that has no record."""
    one, two = UsageRecords("router-1"), UsageRecords("router-2")
    records = [
        one.next(key_id="key_1", admitted_at=NOON),
        one.next(key_id="key_1", admitted_at=NOON + 3600, outcome=Outcome.FAILED),
        one.next(key_id="key_2", admitted_at=NOON + 1, model_requested="other"),
        two.next(key_id="key_2", admitted_at=NOON + 2, outcome=Outcome.ABORTED),
        two.next(key_id="key_2", admitted_at=NOON + 3, tenant_id="ten_2"),
    ]
    one.sequence += 1
    records.append(one.next(key_id="key_2", admitted_at=NOON + 3601))
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON + 4000, prices=PriceTable())
    return caller


@pytest.mark.contract("F02")
async def test_usage_is_summed_by_key_with_totals(filled: Caller) -> None:
    answer = (await filled.get("/usage", {"by": "key"})).json()
    assert [(item["key"], item["requests"], item["input_tokens"]) for item in answer["items"]] == [
        ("key_1", 2, 20),
        ("key_2", 3, 30),
    ]
    totals = answer["totals"]
    assert (totals["requests"], totals["completed"], totals["failed"], totals["aborted"]) == (5, 3, 1, 1)


@pytest.mark.contract("F03")
async def test_usage_is_split_by_hour_and_filtered(filled: Caller) -> None:
    query = {"by": "model", "bucket": "1h", "since": "2026-11-21T14:00:00+02:00", "key_id": "key_2"}
    answer = (await filled.get("/usage", query)).json()
    assert [(item["bucket_start"], item["key"], item["requests"]) for item in answer["items"]] == [
        ("2026-11-21T12:00:00.000Z", "other", 1),
        ("2026-11-21T12:00:00.000Z", "smollm2", 1),
        ("2026-11-21T13:00:00.000Z", "smollm2", 1),
    ]


@pytest.mark.contract("F06")
async def test_every_request_can_be_inspected_page_by_page(filled: Caller) -> None:
    found: list[dict[str, Any]] = []
    query = {"limit": "2"}
    while True:
        page = (await filled.get("/usage/records", query)).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert [record["request_id"] for record in found] == [
        "req_router-1_000001",
        "req_router-1_000003",
        "req_router-2_000001",
        "req_router-1_000002",
        "req_router-1_000005",
    ]
    assert found[0]["admitted_at"] == "2026-11-21T12:00:00.000Z"
    assert found[0]["outcome"] == "completed"


async def test_a_tenant_sees_its_own_usage_only(filled: Caller) -> None:
    other = who("ten_2")
    assert (await filled.get("/usage", subject=other)).json()["totals"]["requests"] == 1
    records = (await filled.get("/usage/records", subject=other)).json()["items"]
    assert [record["request_id"] for record in records] == ["req_router-2_000002"]


async def test_the_reconciliation_shows_what_is_missing(filled: Caller) -> None:
    answer = (await filled.get("/reconciliation")).json()
    assert [(item["router_id"], item["admitted"], item["recorded"], item["missing"]) for item in answer["items"]] == [
        ("router-1", 5, 4, 1),
        ("router-2", 2, 2, 0),
    ]
    totals = answer["totals"]
    assert (totals["admitted"], totals["completed"], totals["failed"], totals["aborted"]) == (7, 4, 1, 1)
    assert (totals["missing"], totals["repeated"]) == (1, 0)


async def test_an_empty_ledger_answers_with_zeros(caller: Caller) -> None:
    assert (await caller.get("/usage")).json()["totals"]["requests"] == 0
    assert (await caller.get("/usage/records")).json() == {"items": [], "next_cursor": None}
    assert (await caller.get("/reconciliation")).json()["totals"]["admitted"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"by": "colour"}, "by.0"),
        ({"bucket": "7m", "since": "2026-11-21T12:00:00Z"}, "bucket"),
        ({"bucket": "1m", "since": "2020-01-01T00:00:00Z"}, "bucket"),
        ({"bucket": "1h"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-21T12:00:00"}, "since"),
    ],
)
async def test_a_question_without_an_answer_names_the_parameter(
    caller: Caller, query: dict[str, str], field: str
) -> None:
    answer = await caller.get("/usage", query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["nonsense", "MTphYmM", "MTpuYW4veA"])
async def test_a_cursor_that_is_not_ours_is_refused(caller: Caller, cursor: str) -> None:
    answer = await caller.get("/usage/records", {"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.contract("E02")
async def test_a_viewer_reads_usage_but_not_the_platform(caller: Caller) -> None:
    viewer = who(role=Role.VIEWER)
    assert (await caller.get("/usage", subject=viewer)).status_code == 200
    for answer in (
        await caller.get("/reconciliation", subject=viewer),
        await caller.get("/dead-letters", subject=viewer),
        await caller.post("/bus:rebuild", subject=viewer),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_without_a_token_nothing_is_shown(caller: Caller) -> None:
    for path in ("/usage", "/usage/records", "/reconciliation", "/dead-letters"):
        answer = await caller.http.get(f"/api/v1{path}")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_rebuild_asks_every_router(caller: Caller, broker: MemoryBroker) -> None:
    routers = [MemoryBus(broker, Service.ROUTER, clock=CLOCK, instance=f"router-{number}") for number in (1, 2)]
    for number, router in enumerate(routers, 1):

        async def republish(_: RebuildBus, ids: tuple[str, ...], number: int = number) -> Rebuilt:
            return Rebuilt(instance=f"router-{number}", written={"USAGE": number})

        await router.connect()
        await router.serve(REPUBLISH_USAGE, republish)
    answer = await caller.post("/bus:rebuild")
    assert sorted(answer.json()["items"], key=lambda item: str(item["instance"])) == [
        {"instance": "router-1", "written": {"USAGE": 1}},
        {"instance": "router-2", "written": {"USAGE": 2}},
    ]
    for router in routers:
        await router.close()


async def test_a_rebuild_without_routers_says_so(caller: Caller) -> None:
    answer = await caller.post("/bus:rebuild")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_records_go_back_in_time_where_that_is_asked(filled: Caller) -> None:
    """A page of a console begins with what has just happened."""
    forward = (await filled.get("/usage/records", {"limit": "100"})).json()["items"]
    back: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await filled.get("/usage/records", {"limit": "2", "newest_first": "true", **cursor})).json()
        back += [one["request_id"] for one in page["items"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert back == [one["request_id"] for one in reversed(forward)]
    assert len(back) > 2

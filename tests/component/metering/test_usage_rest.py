"""Usage over REST: charts, comparisons, the top, lines opened down to their records, and who sees what."""

import random
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.contracts.usage import Operation, Outcome
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.api.usage_schemas import Figures, Latency, UsageAnswer, UsageChart
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store.ledger import enter
from tests.support.hand_clock import HandClock
from tests.support.metering_api import Caller, who
from tests.support.usage import NOON, UsageRecords

SINCE, UNTIL = "2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"
RANGE = {"since": SINCE, "until": UNTIL}
SIXTY_DAYS = {"since": "2026-09-23T00:00:00Z", "until": "2026-11-22T00:00:00Z"}


def member(role: Role, *, user: str = "usr_2", tenant: str = "ten_default") -> Subject:
    return Subject(id=user, tenant_id=tenant, roles=frozenset({role}))


@pytest_asyncio.fixture
async def filled(caller: Caller, ledger_db: Database) -> Caller:
    """An hour of two users with a key each, one failure; a request before it, and one of another tenant."""
    one = UsageRecords()
    records = [
        one.next(admitted_at=NOON - 60, duration_ms=1.0),
        one.next(admitted_at=NOON, key_id="key_1", user_id="usr_1", duration_ms=100.0, time_to_first_token_ms=10.0),
        one.next(admitted_at=NOON + 60, key_id="key_1", user_id="usr_1", duration_ms=200.0),
        one.next(admitted_at=NOON + 1800, key_id="key_2", user_id="usr_2", duration_ms=400.0),
        one.next(admitted_at=NOON + 1801, key_id="key_2", user_id="usr_2", outcome=Outcome.FAILED, duration_ms=9e9),
        one.next(
            admitted_at=NOON + 2, key_id="key_3", user_id="usr_3", project_id="prj_1", operation=Operation.EMBEDDING
        ),
        one.next(admitted_at=NOON + 3, key_id="key_9", user_id="usr_9", tenant_id="ten_2"),
    ]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PriceTable())
    return caller


async def ask(caller: Caller, path: str, query: dict[str, str], *, subject: Subject | None = None) -> Any:
    answer = await caller.get(path, query, subject=subject)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.contract("C04", "C06")
async def test_a_chart_has_a_bar_for_every_interval_and_totals_of_the_range(filled: Caller) -> None:
    found = await ask(filled, "/usage/chart", {**RANGE, "bucket": "15m"})
    assert found["starts"] == [f"2026-11-21T12:{minute:02}:00.000Z" for minute in (0, 15, 30, 45)]
    (series,) = found["series"]
    assert series["points"] == {"requests": [3, 0, 2, 0]}
    assert (found["totals"]["requests"], found["totals"]["failed"]) == (5, 1)


@pytest.mark.contract("C05")
async def test_latency_curves_have_a_gap_where_nothing_was(filled: Caller) -> None:
    metrics = ["avg", "max", "p50", "p75", "p90", "p95", "p99"]
    query: dict[str, list[str]] = {"metric": [f"latency_ms.{name}" for name in metrics]}
    query |= {"bucket": ["30m"], "since": [SINCE], "until": ["2026-11-21T13:30:00Z"], "kind": ["chat"]}
    answer = await filled.http.get("/api/v1/usage/chart", params=query, headers=filled.headers(None))
    points = answer.json()["series"][0]["points"]
    assert points["latency_ms.avg"] == [150.0, 400.0, None]
    assert points["latency_ms.max"] == [200.0, 400.0, None]
    assert points["latency_ms.p50"][0] == pytest.approx(100.0, rel=0.02)
    assert all(points[f"latency_ms.{name}"][1] == pytest.approx(400.0, rel=0.02) for name in metrics)


@pytest.mark.contract("F02", "F04")
async def test_figures_tell_tokens_per_request_errors_and_what_has_no_price(filled: Caller) -> None:
    totals = (await ask(filled, "/usage", RANGE))["totals"]
    assert (totals["total_tokens"], totals["tokens_per_request"]) == (75, 15.0)
    assert totals["error_rate"] == pytest.approx(0.2)
    assert (totals["cost_nano"], totals["unpriced"]) == (0, 5)
    assert totals["time_to_first_token_ms"]["count"] == 1


async def test_answers_are_what_the_document_says(filled: Caller) -> None:
    asked = {**RANGE, "compare": "true", "bucket": "30m"}
    table = await ask(filled, "/usage", asked)
    drawn = await ask(filled, "/usage/chart", {**asked, "by": "key", "metric": "latency_ms.p95"})
    assert table.keys() == UsageAnswer.model_fields.keys()
    assert drawn.keys() == UsageChart.model_fields.keys()
    assert {*table["items"][0]} - Figures.model_fields.keys() == {"key", "keys", "bucket_start"}
    assert [item["bucket_start"] for item in table["items"]] == [
        SINCE.replace("Z", ".000Z"),
        "2026-11-21T12:30:00.000Z",
    ]
    of_items = [{name: item[name] for name in Figures.model_fields} for item in table["items"]]
    told = [*of_items, *(one["totals"] for one in (table, drawn, *drawn["series"])), table["previous_totals"]]
    for figures in told:
        read = Figures.model_validate(figures, strict=True, extra="forbid")
        assert read.model_dump() == figures
        assert read.latency_ms.model_fields_set == Latency.model_fields.keys()


@pytest.mark.contract("C05", "F04")
@pytest.mark.parametrize("is_counted", [False, True])
@pytest.mark.parametrize(("bucket", "width_s", "asked"), [("1m", 60, RANGE), ("1d", -86_400, SIXTY_DAYS)])
async def test_series_of_many_points_have_the_totals_of_the_range(
    caller: Caller, ledger_db: Database, bucket: str, width_s: int, asked: dict[str, str], is_counted: bool
) -> None:
    one, rng = UsageRecords(), random.Random(3)
    records = [
        one.next(
            admitted_at=NOON + 7.5 + width_s * (number % 60),
            model_requested=f"model-{number // 60 % 3}",
            duration_ms=rng.lognormvariate(6, 1),
            time_to_first_token_ms=rng.choice((None, 12.5)),
        )
        for number in range(420)
    ]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PriceTable())
    if is_counted:
        counting = UsageRollups(ledger_db, clock=HandClock(), rng=rng, registry=CollectorRegistry())
        await counting.count_all()
    table = await ask(caller, "/usage", {**asked, "by": "model"})
    drawing = {**asked, "bucket": bucket, "by": "model", "metric": "latency_ms.p95"}
    drawn = await ask(caller, "/usage/chart", drawing)
    assert {one["key"]: one["totals"] for one in drawn["series"]} == {
        item["key"]: {name: item[name] for name in Figures.model_fields} for item in table["items"]
    }
    assert drawn["totals"] == table["totals"]
    other, first = (await ask(caller, "/usage/chart", {**drawing, "top": "1"}))["series"]
    assert (first["totals"]["requests"], other["key"], other["totals"]["requests"]) == (180, "(other)", 240)
    assert other["totals"]["latency_ms"]["p95"] > 0
    assert [len(one["points"]["latency_ms.p95"]) for one in (first, other)] == [60, 60]
    table = await ask(caller, "/usage", {**asked, "by": "model", "top": "1"})
    assert [first["totals"], other["totals"]] == [
        {name: item[name] for name in Figures.model_fields} for item in table["items"]
    ]


@pytest.mark.contract("C06")
async def test_the_time_before_is_told_for_comparison(filled: Caller) -> None:
    found = await ask(filled, "/usage", {**RANGE, "compare": "true"})
    assert found["previous_totals"]["requests"] == 1
    refused = await filled.get("/usage", {"compare": "true"})
    assert refused.json()["errors"][0]["field"] == "since"


async def test_what_is_not_among_the_top_is_summed_up(filled: Caller) -> None:
    found = await ask(filled, "/usage", {**RANGE, "by": "key", "top": "1"})
    assert [(item["key"], item["requests"]) for item in found["items"]] == [("key_1", 2), ("(other)", 3)]
    assert found["totals"]["requests"] == 5


@pytest.mark.contract("F06")
async def test_a_line_is_opened_down_to_its_records(filled: Caller) -> None:
    query = {**RANGE, "key_id": "key_2", "kind": "chat"}
    (line,) = (await ask(filled, "/usage", {**query, "by": "key"}))["items"]
    records = (await ask(filled, "/usage/records", query))["items"]
    assert len(records) == line["requests"] == 2
    assert sum(record["input_tokens"] for record in records) == line["input_tokens"]
    assert {record["cost_nano"] for record in records} == {None}


@pytest.mark.contract("F03")
@pytest.mark.parametrize(
    ("wanted", "requests"),
    [({"kind": "embeddings"}, 1), ({"project": "prj_1"}, 1), ({"user": "usr_1"}, 2), ({"replica": "none"}, 0)],
)
async def test_filters_pick_their_records(filled: Caller, wanted: dict[str, str], requests: int) -> None:
    assert (await ask(filled, "/usage", {**RANGE, **wanted}))["totals"]["requests"] == requests


@pytest.mark.contract("E02", "E03")
async def test_a_user_sees_only_what_their_own_keys_used(filled: Caller) -> None:
    user = member(Role.USER)
    for path in ("/usage", "/usage/chart"):
        found = await ask(filled, path, {**RANGE, "bucket": "1h", "by": "key"}, subject=user)
        assert found["totals"]["requests"] == 2
    records = await ask(filled, "/usage/records", {}, subject=user)
    assert {record["user_id"] for record in records["items"]} == {"usr_2"}
    refused = await filled.get("/usage", {"user": "usr_1"}, subject=user)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await ask(filled, "/usage", {"key_id": "key_1"}, subject=user))["totals"]["requests"] == 0


@pytest.mark.contract("E03")
async def test_whoever_reads_a_project_sees_all_of_it(filled: Caller) -> None:
    subject = Subject(
        id="usr_2",
        tenant_id="ten_default",
        roles=frozenset({Role.USER}),
        project_roles={"prj_1": frozenset({Role.VIEWER})},
    )
    assert (await ask(filled, "/usage", {"project": "prj_1"}, subject=subject))["totals"]["requests"] == 1
    assert (await ask(filled, "/usage", {}, subject=subject))["totals"]["requests"] == 2


@pytest.mark.contract("E03")
async def test_another_tenant_is_for_roles_on_the_platform(filled: Caller) -> None:
    finance = member(Role.FINANCE)
    for tenant in ("ten_2", "ten_none", "all"):
        refused = await filled.get("/usage", {"tenant": tenant}, subject=finance)
        assert refused.status_code == 403
        assert tenant not in refused.text
    assert (await ask(filled, "/usage", RANGE, subject=finance))["totals"]["requests"] == 5
    platform = who()
    assert (await ask(filled, "/usage", {**RANGE, "tenant": "ten_2"}, subject=platform))["totals"]["requests"] == 1
    by_tenant = await ask(filled, "/usage", {**RANGE, "tenant": "all", "by": "tenant"}, subject=platform)
    assert [(item["key"], item["requests"]) for item in by_tenant["items"]] == [("ten_2", 1), ("ten_default", 5)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"bucket": "1h"}, "since"),
        ({**RANGE, "bucket": "1h", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({**RANGE, "bucket": "1h", "time_zone": "../../etc/passwd"}, "time_zone"),
        ({"since": "2026-01-01T00:00:00Z", "until": UNTIL, "bucket": "15m"}, "bucket"),
    ],
)
async def test_a_chart_that_cannot_be_drawn_names_the_parameter(
    caller: Caller, query: dict[str, str], field: str
) -> None:
    answer = await caller.get("/usage/chart", query)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])

"""What finance tools read: CSV, FOCUS rows, CloudEvents, OpenAI's usage and costs."""

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from roundhouse_common.auth import Role, Subject
from roundhouse_common.contracts.money import NANO, PriceRecord, Rates
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.store.ledger import enter
from roundhouse_metering.store.usage_cells import DROPPED, put_cursors
from tests.support.metering_api import Caller
from tests.support.usage import NOON, UsageRecords

SINCE = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z"}
NOON_S = int(NOON)
BOOK = {
    "currency": "USD",
    "valid_from": "2026-01-01T00:00:00Z",
    "lines": [{"model": "smollm2", "rates": {"input_per_million": NANO, "output_per_million": 2 * NANO}}],
}
PRICES = PriceTable(
    [
        PriceRecord(
            price_id="prc_1",
            book="standard",
            version=1,
            currency="USD",
            valid_from=1.0,
            model="smollm2",
            rates=Rates(input_per_million=NANO, output_per_million=2 * NANO),
        )
    ]
)
COST_NANO = 20_000  # of 10 tokens in and 5 out


@pytest_asyncio.fixture
async def filled(caller: Caller, ledger_db: Database) -> Caller:
    """Four priced requests, one without a price, and one of another tenant."""
    assert (await caller.send("POST", "/price-books/standard/versions", BOOK)).status_code == 201
    one = UsageRecords()
    records = [
        *(one.next(admitted_at=NOON + second, project_id="prj_1") for second in range(3)),
        one.next(admitted_at=NOON + 3600, operation=Operation.EMBEDDING, cached_input_tokens=4, output_tokens=0),
        one.next(admitted_at=NOON + 5, model_served="other", model_requested="=HYPERLINK(1)"),
        one.next(admitted_at=NOON + 6, tenant_id="ten_2"),
    ]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PRICES)
    return caller


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.contract("F06")
async def test_every_record_is_in_the_csv_and_no_formula(filled: Caller) -> None:
    answer = await filled.get("/usage/records.csv")
    rows = rows_of(answer.text)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["cost_nano"] for row in rows] == ["20000", "20000", "20000", "", "14000"]
    assert rows[3]["model_requested"] == "'=HYPERLINK(1)"
    assert {row["tenant_id"] for row in rows} == {"ten_default"}


MANDATORY = {
    # Column -> the form of a value, by the specification 1.2; an empty one is null.
    **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), r"-?\d+(\.\d+)?"),
    **dict.fromkeys(("BillingAccountId", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceName"), r".+"),
    **dict.fromkeys(("BillingAccountName", "ChargeDescription"), r".*"),
    "BillingCurrency": r"[A-Z]{3}",
    **dict.fromkeys(
        ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"),
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    ),
    "ChargeCategory": r"Usage|Purchase|Tax|Credit|Adjustment",
    "ChargeClass": r"|Correction",
    "PricingQuantity": r"\d+(\.\d+)?",
    "PricingUnit": r".+",
    "ServiceCategory": r"AI and Machine Learning",
}
CONDITIONAL = {
    "ChargeFrequency": r"One-Time|Recurring|Usage-Based",
    "ConsumedQuantity": r"\d+(\.\d+)?",
    "ConsumedUnit": r".+",
    "PricingCategory": r"Standard|Dynamic|Committed|Other",
    "ServiceSubcategory": r"Generative AI",
}


async def test_focus_rows_keep_the_rules_of_the_specification(filled: Caller) -> None:
    answer = await filled.get("/usage/focus.csv", SINCE)
    assert answer.status_code == 200, answer.text
    rows = rows_of(answer.text)
    assert len(MANDATORY) == 21
    for row in rows:
        for name, form in {**MANDATORY, **CONDITIONAL}.items():
            assert re.fullmatch(form, row[name]), (name, row[name])
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert bool(row["SubAccountId"]) == bool(row["SubAccountType"])
        assert bool(row["ResourceId"]) == bool(row["ResourceType"])
        assert isinstance(json.loads(row["Tags"]), dict)
        assert all(re.fullmatch(r"(x_)?[A-Z][A-Za-z]+", name) for name in row)
    assert sum(Decimal(row["BilledCost"]) for row in rows) * NANO == 3 * COST_NANO + 14_000
    assert sum(int(row["x_Requests"]) for row in rows) == 5
    assert sum(int(row["x_UnpricedRequests"]) for row in rows) == 1


async def test_without_a_price_there_is_no_currency_to_export(caller: Caller) -> None:
    answer = await caller.get("/usage/focus.csv", SINCE)
    assert answer.status_code == 422
    assert "price book" in answer.text


async def test_events_are_cloudevents_and_go_on_at_a_cursor(filled: Caller) -> None:
    found: list[Any] = []
    after = "0"
    while True:
        answer = await filled.get("/usage/events", {"after": after, "limit": "2"})
        assert answer.headers["content-type"] == "application/cloudevents-batch+json"
        after = answer.headers["roundhouse-next-after"]
        if not answer.json():
            break
        found += answer.json()
    events = [
        from_structured_event(
            HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=json.dumps(event).encode())
        )
        for event in found
    ]
    assert [event.get_id() for event in events] == [f"req_router-1_00000{number}" for number in range(1, 6)]
    assert {event.get_type() for event in events} == {"io.roundhouse.usage.request.settled.v1"}
    records: list[Any] = [event.get_data() for event in events]
    assert [record["cost_nano"] for record in records] == [COST_NANO] * 3 + [14_000, None]


@pytest.mark.contract("E02")
async def test_an_export_needs_its_own_permission(filled: Caller) -> None:
    user = Subject(id="usr_admin", tenant_id="ten_default", roles=frozenset({Role.USER}))
    for path in ("/usage/records.csv", "/usage/focus.csv", "/usage/events"):
        assert (await filled.get(path, SINCE, subject=user)).status_code == 403


async def organization(caller: Caller, path: str, **query: Any) -> Any:
    answer = await caller.http.get(
        f"/v1/organization/{path}", params={"start_time": NOON_S, **query}, headers=caller.headers()
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_usage_has_the_shape_that_openai_gives_it(filled: Caller) -> None:
    page = await organization(
        filled, "usage/completions", end_time=NOON_S + 7200, bucket_width="1h", group_by="project_id"
    )
    assert (page["object"], page["has_more"], page["next_page"]) == ("page", False, None)
    assert [(bucket["start_time"], len(bucket["results"])) for bucket in page["data"]] == [
        (NOON_S, 2),
        (NOON_S + 3600, 0),
    ]
    assert page["data"][0]["results"][1] == {
        "object": "organization.usage.completions.result",
        "num_model_requests": 3,
        "input_tokens": 30,
        "input_cached_tokens": 0,
        "output_tokens": 15,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "input_cache_write_tokens": 0,
        "batch": None,
        "project_id": "prj_1",
        "user_id": None,
        "api_key_id": None,
        "model": None,
    }
    embeddings = await organization(filled, "usage/embeddings", end_time=NOON_S + 7200, models="smollm2")
    assert [result["input_tokens"] for bucket in embeddings["data"] for result in bucket["results"]] == [14]


async def test_pages_of_usage_follow_one_another(filled: Caller) -> None:
    query = {"end_time": NOON_S + 7200, "bucket_width": "1h", "limit": 1}
    first = await organization(filled, "usage/completions", **query)
    second = await organization(filled, "usage/completions", **query, page=first["next_page"])
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert second["data"][0]["start_time"] == NOON_S + 3600


@pytest.mark.contract("F04")
async def test_costs_have_the_shape_that_openai_gives_them(filled: Caller) -> None:
    page = await organization(filled, "costs", end_time=NOON_S + 7200)
    (result,) = page["data"][0]["results"]
    assert result["object"] == "organization.costs.result"
    assert result["amount"] == {"value": pytest.approx(0.000074), "currency": "usd"}


async def test_a_place_before_what_is_kept_is_refused(filled: Caller, ledger_db: Database) -> None:
    async with ledger_db.write() as session:
        await put_cursors(session, {DROPPED: 3})
    assert (await filled.get("/usage/events", {"after": "2.0.0"})).json()["code"] == "records_gone"
    for whole in ("0", "3.0.0"):
        assert (await filled.get("/usage/events", {"after": whole})).status_code == 200
    for wrong in ("x", "1.2", "-1", "1.2.3.4", "99999999999999999"):
        assert (await filled.get("/usage/events", {"after": wrong})).status_code == 422


async def test_thresholds_are_told_to_those_who_may_read_budgets(filled: Caller) -> None:
    kind = {"types": "io.roundhouse.budget.threshold.reached.v1"}
    assert (await filled.get("/usage/events", kind)).json() == []
    assert (await filled.get("/usage/events", {**kind, "key_id": "key_1"})).status_code == 403

"""Tokens of sound and of images from the ledger to every view: classes of their own, and part of every total."""

import csv
import io
from typing import Any

import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.budgets import budget_tokens
from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.usage import TOKEN_CLASSES, Reuse, UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.store.ledger import enter
from tests.support.metering_api import CLOCK, Caller
from tests.support.prices import price, token_rates
from tests.support.usage import NOON, usage_record

pytestmark = pytest.mark.contract("F01", "F06")

SINCE = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z"}
COUNTS = {name: 2**number * 1_000 for number, name in enumerate(TOKEN_CLASSES)}
TOTAL = sum(COUNTS.values())
READ = 31_000
"""The first five classes."""
RATES = token_rates(
    1,
    2,
    input_audio_per_million=10 * NANO,
    output_audio_per_million=20 * NANO,
    input_image_per_million=3 * NANO,
    output_image_per_million=40 * NANO,
)
COST = (1 + 2 + 4 + 8 * 10 + 16 * 3) * 1_000_000 + (32 + 64) * 2_000_000 + (128 * 20 + 256 * 40) * 1_000_000
"""A token of a rate of 1 is a thousandth of a thousandth of a unit."""
PLAIN_COST = (31 + 480 * 2) * 1_000_000


def heard(sequence: int = 1, **fields: Any) -> UsageRecord:
    return usage_record(sequence, **{**COUNTS, **fields})


@pytest_asyncio.fixture
async def filled(caller: Caller, ledger_db: Database) -> Caller:
    """One request with rates for each class, and one where sound and images cost as text."""
    rates = {"input_per_million": NANO, "output_per_million": 2 * NANO}
    book = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": [{"model": "plain", "rates": rates}]}
    assert (await caller.send("POST", "/price-books/standard/versions", book)).status_code == 201
    prices = PriceTable(
        [price("prc_1", model="smollm2", rates=RATES), price("prc_2", model="plain", rates=token_rates(1, 2))]
    )
    records = [heard(), heard(2, model_served="plain", reuse=Reuse.NONE)]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=prices)
    return caller


async def test_records_show_every_class_and_what_it_cost(filled: Caller) -> None:
    items = (await filled.get("/usage/records", SINCE)).json()["items"]
    shown = {item["model_served"]: item for item in items}
    assert {name: shown["smollm2"][name] for name in TOKEN_CLASSES} == COUNTS
    assert (shown["smollm2"]["cost_nano"], shown["plain"]["cost_nano"]) == (COST, PLAIN_COST)
    rows = list(csv.DictReader(io.StringIO((await filled.get("/usage/records.csv")).text)))
    assert {name: int(rows[0][name]) for name in TOKEN_CLASSES} == COUNTS
    (first, _) = pq.read_table(io.BytesIO((await filled.get("/usage/records.parquet")).content)).to_pylist()
    assert {name: first[name] for name in TOKEN_CLASSES} == COUNTS
    events = (await filled.get("/usage/events", {"after": "0"})).json()
    assert {name: events[0]["data"][name] for name in TOKEN_CLASSES} == COUNTS


async def test_figures_and_charts_have_every_class_and_all_in_the_total(filled: Caller) -> None:
    totals = (await filled.get("/usage", {**SINCE, "by": "model"})).json()["totals"]
    assert {name: totals[name] for name in TOKEN_CLASSES} == {name: 2 * count for name, count in COUNTS.items()}
    assert (totals["total_tokens"], totals["tokens_per_request"]) == (2 * TOTAL, TOTAL)
    for metric, expected in (("output_audio_tokens", 2 * COUNTS["output_audio_tokens"]), ("total_tokens", 2 * TOTAL)):
        chart = (await filled.get("/usage/chart", {**SINCE, "bucket": "1h", "metric": metric})).json()
        assert sum(sum(series["points"][metric]) for series in chart["series"]) == expected


async def test_focus_and_openais_usage_have_them(filled: Caller) -> None:
    rows = list(csv.DictReader(io.StringIO((await filled.get("/usage/focus.csv", SINCE)).text)))
    names = ("x_InputAudioTokens", "x_OutputAudioTokens", "x_InputImageTokens", "x_OutputImageTokens")
    assert [int(rows[0][name]) for name in names] == [8_000, 128_000, 16_000, 256_000]
    assert {row["ConsumedQuantity"] for row in rows} == {f"{TOTAL}.0"}
    query = {"start_time": str(int(NOON)), "end_time": str(int(NOON) + 3600), "bucket_width": "1h"}
    answer = await filled.http.get("/v1/organization/usage/completions", params=query, headers=filled.headers())
    (result,) = answer.json()["data"][0]["results"]
    assert (result["input_tokens"], result["output_tokens"]) == (2 * READ, 2 * (TOTAL - READ))
    assert (result["input_audio_tokens"], result["output_audio_tokens"]) == (16_000, 256_000)


async def test_a_budget_of_tokens_counts_them_all_before_and_after_it_was_made(
    caller: Caller, ledger_db: Database
) -> None:
    assert budget_tokens(heard()) == TOTAL
    recorder = UsageRecorder(ledger_db, clock=CLOCK, registry=CollectorRegistry())
    budget = {"scope": "tenant", "scope_id": "ten_default", "unit": "tokens", "amount": 10**9, "is_hard": True}
    ids = []
    for name, number in (("first", 1), ("second", 2)):
        made = await caller.send("POST", "/budgets", {"name": name, **budget})
        ids.append(made.json()["id"])
        await recorder._enter([heard(number, admitted_at=CLOCK.now())])
    assert [(await caller.get(f"/budgets/{one}")).json()["spent"] for one in ids] == [2 * TOTAL, 2 * TOTAL]


async def test_a_preview_and_a_file_of_prices_know_their_rates(caller: Caller) -> None:
    text = (
        "model,input_per_million,output_per_million,input_audio_per_million,output_image_per_million\ngpt,1,2,10,40\n"
    )
    made = await caller.http.post(
        "/api/v1/price-books/media:import",
        params={"currency": "USD", "valid_from": "2026-01-01T00:00:00Z"},
        content=text,
        headers={**caller.headers(), "content-type": "text/csv"},
    )
    assert made.status_code == 201, made.text
    asked = {"model": "gpt", "requests": 0, "input_audio_tokens": 10**6, "output_image_tokens": 10**6}
    found = (await caller.send("POST", "/price-books:preview", {**asked, "output_audio_tokens": 10**6})).json()
    assert found["cost_nano"] == 52 * NANO
    (row,) = csv.DictReader(io.StringIO((await caller.get("/price-books/media:export")).text))
    assert (row["input_audio_per_million"], row["output_image_per_million"]) == ("10", "40")
    assert (row["output_audio_per_million"], row["input_image_per_million"]) == ("", "")

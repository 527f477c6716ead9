"""What the time of replicas costs: cut where prices change, by device class, unpriced where there is no price."""

import csv
import io
from decimal import Decimal

import pytest

from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import Database
from roundhouse_metering.domain.spans import span_of
from roundhouse_metering.store.spans import enter_spans
from tests.support.metering import transition
from tests.support.metering_api import Caller
from tests.support.usage import NOON

pytestmark = pytest.mark.contract("F07")

RANGE = {"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T13:00:00Z"}


async def hold(db: Database, device_class: str = "NVIDIA H100 80GB HBM3") -> None:
    """`rep_a` holds two devices from a minute after noon until the next hour's half."""
    events = [
        transition(NOON + 60, Phase.PENDING, Phase.ASSIGNED, device_class=device_class),
        transition(NOON + 1860, Phase.ASSIGNED, Phase.STOPPED, device_class=device_class),
    ]
    async with db.write() as session:
        await enter_spans(session, [span_of(event) for event in events])


async def set_price(caller: Caller, valid_from: str, **line: object) -> None:
    body = {"currency": "USD", "valid_from": valid_from, "lines": [line]}
    assert (await caller.send("POST", "/price-books/machines/versions", body)).status_code == 201


async def test_time_is_priced_by_what_was_valid_in_each_part_of_it(caller: Caller, ledger_db: Database) -> None:
    await hold(ledger_db)
    rates = {"per_replica_second": 1000, "per_device_second": 100}
    await set_price(caller, "2026-11-21T12:11:00Z", device_class="*H100*", rates=rates)
    await set_price(caller, "2026-11-21T12:21:00Z", device_class="*H100*", rates={"per_device_second": 1})
    answer = (await caller.get("/replica-costs", RANGE)).json()
    (item,) = answer["items"]
    assert item == {"key": "dep_a", "cost_nano": 600 * 1200 + 600 * 2, "unpriced_s": 600.0}
    assert (answer["currency"], answer["cost_nano"]) == ("USD", item["cost_nano"])


async def test_the_export_has_the_time_of_each_day_and_adds_up_to_the_same_cost(
    caller: Caller, ledger_db: Database
) -> None:
    began = NOON - 5 * 86_400 + 0.1234
    events = [
        transition(began, Phase.PENDING, Phase.ASSIGNED, device_class="NVIDIA H100"),
        transition(began + 2 * 86_400 + 7.7777, Phase.ASSIGNED, Phase.STOPPED, device_class="NVIDIA H100"),
    ]
    async with ledger_db.write() as session:
        await enter_spans(session, [span_of(event) for event in events])
    await set_price(caller, "2026-01-01T00:00:00Z", device_class="*H100*", rates={"per_device_second": 277_777})
    whole = {"since": "2026-11-15T00:00:00Z", "until": "2026-11-21T00:00:00Z"}
    exported = (await caller.get("/usage/focus.csv", whole)).text
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert {(row["ResourceId"], row["SkuId"], row["ConsumedUnit"]) for row in rows} == {
        ("dep_a", "NVIDIA H100", "Seconds")
    }
    assert [row["ConsumedQuantity"] for row in rows] == ["43199.877", "86400.000", "43207.901"]
    told = (await caller.get("/replica-costs", whole)).json()
    assert sum(Decimal(row["BilledCost"]) for row in rows) * NANO == told["cost_nano"]
    everybodys = await caller.get("/usage/focus.csv", {**whole, "tenant": "all"})
    assert everybodys.text == exported
    of_key = await caller.get("/usage/focus.csv", {**whole, "key_id": "key_1"})
    assert "Seconds" not in of_key.text, "no key has time of replicas"
    unpriced = await caller.get("/usage/focus.csv", {**whole, "deployment": "dep_b"})
    assert "Seconds" not in unpriced.text


async def test_a_price_for_requests_or_for_other_devices_is_none_for_this(caller: Caller, ledger_db: Database) -> None:
    await hold(ledger_db, "NVIDIA A100")
    body = {
        "currency": "USD",
        "valid_from": "2026-01-01T00:00:00Z",
        "lines": [
            {"deployment_id": "dep_a", "rates": {"input_per_million": 1}},
            {"device_class": "*H100*", "rates": {"per_device_second": 1}},
        ],
    }
    await caller.send("POST", "/price-books/machines/versions", body)
    (item,) = (await caller.get("/replica-costs", RANGE)).json()["items"]
    assert (item["cost_nano"], item["unpriced_s"]) == (0, 1800.0)

"""What records cost in the ledger: by the price of their admission, unpriced where there is none, corrected later."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from roundhouse_common.auth import Role, Subject
from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_common.database import Database
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger
from tests.support.metering_api import CLOCK, Caller
from tests.support.usage import NOON, UsageRecords

pytestmark = pytest.mark.contract("F01")

AROUND = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "reason": "the wrong price"}


async def record(db: Database, *records: UsageRecord, registry: CollectorRegistry | None = None) -> None:
    recorder = UsageRecorder(db, clock=CLOCK, registry=registry or CollectorRegistry())
    await recorder._enter(records)


async def set_price(caller: Caller, units: int, valid_from: str = "2026-01-01T00:00:00Z") -> str:
    line = {"model": "smollm2", "rates": {"input_per_million": units * NANO, "output_per_million": units * NANO}}
    body = {"currency": "USD", "valid_from": valid_from, "lines": [line]}
    answer = await caller.send("POST", "/price-books/standard/versions", body)
    price_id: str = answer.json()["lines"][0]["id"]
    return price_id


async def costs(db: Database) -> list[int | None]:
    async with db.read() as session:
        return list(await session.scalars(select(ledger.c.cost_nano).order_by(ledger.c.admitted_at)))


async def corrected(db: Database) -> tuple[int, int]:
    async with db.read() as session:
        row = (await session.execute(select(func.count(), func.sum(corrections.c.delta_nano)))).one()
    return row[0], int(row[1] or 0)


async def reprice(caller: Caller, **fields: Any) -> Any:
    return (await caller.send("POST", "/usage:reprice", {**AROUND, **fields})).json()


async def test_a_record_costs_by_the_price_of_its_admission_however_late_it_comes(
    caller: Caller, ledger_db: Database
) -> None:
    old = await set_price(caller, 1)
    await set_price(caller, 5, "2026-11-21T12:00:30Z")
    records = UsageRecords()
    await record(ledger_db, records.next(admitted_at=NOON + 40), records.next(admitted_at=NOON + 10))
    assert await costs(ledger_db) == [15_000, 75_000]
    async with ledger_db.read() as session:
        first = (await session.execute(select(ledger).order_by(ledger.c.admitted_at))).first()
    assert first is not None
    assert (first.price_id, first.currency) == (old, "USD")


async def test_without_a_price_a_record_is_unpriced_counted_and_listed(caller: Caller, ledger_db: Database) -> None:
    registry, records = CollectorRegistry(), UsageRecords()
    await record(ledger_db, registry=registry)
    assert registry.get_sample_value("roundhouse_metering_unpriced_records_total", {"missing": "price"}) == 0
    registry = CollectorRegistry()
    nothing = records.next(outcome=Outcome.FAILED, input_tokens=0, output_tokens=0)
    await record(ledger_db, records.next(), records.next(model_served="other"), nothing, registry=registry)
    assert await costs(ledger_db) == [0, None, None]
    assert registry.get_sample_value("roundhouse_metering_unpriced_records_total", {"missing": "price"}) == 2
    await set_price(caller, 1)
    listed = (await caller.get("/usage/unpriced")).json()
    told = {item["model"]: (item["records"], item["has_price_now"]) for item in listed["items"]}
    assert told == {"smollm2": (1, True), "other": (1, False)}


async def test_a_price_that_lacks_a_rate_is_not_told_as_one(caller: Caller, ledger_db: Database) -> None:
    await record(ledger_db, UsageRecords().next(device_class="NVIDIA H100"))
    for rates, has_price in (
        ({"input_per_million": 1}, False),
        ({"input_per_million": 1, "output_per_million": 1}, True),
    ):
        line = {"device_class": "*H100*", "rates": rates}
        body = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": [line]}
        assert (await caller.send("POST", "/price-books/standard/versions", body)).status_code == 201
        (item,) = (await caller.get("/usage/unpriced")).json()["items"]
        assert item["has_price_now"] is has_price
        assert (await reprice(caller))["became_priced"] == int(has_price), "as pricing again says"


async def test_a_cost_beyond_all_reason_is_unpriced_and_holds_up_nothing(caller: Caller, ledger_db: Database) -> None:
    rates = {"input_per_million": 10**15, "output_per_million": 10**15, "per_image": 10**15}
    body = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": [{"rates": rates}]}
    assert (await caller.send("POST", "/price-books/standard/versions", body)).status_code == 201
    registry, records = CollectorRegistry(), UsageRecords()
    await record(ledger_db, records.next(images=10**6), records.next(), registry=registry)
    assert await costs(ledger_db) == [None, 15 * 10**9]
    assert registry.get_sample_value("roundhouse_metering_unpriced_records_total", {"missing": "amount"}) == 1
    previewed = (await caller.send("POST", "/price-books:preview", {"images": 10**6})).json()
    assert (previewed["cost_nano"], previewed["missing"]) == (None, "amount"), "as the ledger says"


async def test_a_dry_run_says_what_a_run_does_and_changes_nothing(caller: Caller, ledger_db: Database) -> None:
    records = UsageRecords()
    await record(ledger_db, records.next(), records.next(model_served="other"))
    await set_price(caller, 2)
    dry = await reprice(caller)
    assert await corrected(ledger_db) == (0, 0)
    real = await reprice(caller, is_dry_run=False)
    assert {**dry, "is_dry_run": False} == real
    assert (real["examined"], real["became_priced"], real["still_unpriced"], real["delta_nano"]) == (2, 1, 1, 30_000)
    assert real["models"] == [{"model": "smollm2", "changed": 1, "became_priced": 1, "delta_nano": 30_000}]
    assert await corrected(ledger_db) == (1, 30_000)
    assert await costs(ledger_db) == [None, None]
    assert (await caller.get("/usage/unpriced")).json()["records"] == 1


async def test_pricing_again_twice_corrects_once_and_corrections_add_up(caller: Caller, ledger_db: Database) -> None:
    await set_price(caller, 3)
    await record(ledger_db, *(UsageRecords().next(admitted_at=NOON + 1) for _ in range(1)))
    await set_price(caller, 1, "2026-11-01T00:00:00Z")
    first = await reprice(caller, is_dry_run=False)
    again = await reprice(caller, is_dry_run=False)
    assert (first["delta_nano"], again["changed"]) == (-30_000, 0)
    await set_price(caller, 4, "2026-11-01T00:00:00Z")
    await reprice(caller, is_dry_run=False)
    assert await corrected(ledger_db) == (2, 15_000)


async def test_a_period_is_bounded_and_a_tenants_role_may_not_price_again(caller: Caller, ledger_db: Database) -> None:
    await record(ledger_db, UsageRecords().next())
    await set_price(caller, 1)
    outside = await reprice(caller, since="2026-11-22T00:00:00Z", until="2026-11-23T00:00:00Z")
    assert outside["examined"] == 0
    finance = Subject(id="usr_f", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))
    assert (await caller.send("POST", "/usage:reprice", AROUND, subject=finance)).status_code == 403
    for cursor in ("x", "1.0/" + "9" * 40, "nan/1", "1.0/-1"):
        assert (await caller.send("POST", "/usage:reprice", {**AROUND, "cursor": cursor})).status_code == 422
    backwards = {**AROUND, "until": AROUND["since"]}
    assert (await caller.send("POST", "/usage:reprice", backwards)).status_code == 422

"""Months of records that are removed: their sums stay, nothing counts twice, and who asks for them is told."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select, text, update

from roundhouse_common.bus.api import PermanentError
from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_common.database import Database
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.retention import KeptFor
from roundhouse_metering.domain.usage import UsageFilter, UsageQuery
from roundhouse_metering.loops.record_retention import RecordRetention
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store.analytics import usage_figures
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_tables import usage_cells
from tests.support.hand_clock import HandClock
from tests.support.metering_api import Caller
from tests.support.usage import UsageRecords


def at(text_: str) -> float:
    return datetime.fromisoformat(text_).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-21T12:00:00")
CLOCK = HandClock(NOW - HandClock(0).now())


async def record(db: Database, records: Sequence[UsageRecord]) -> tuple[float, float]:
    """Enter records and return how many were entered, and how many were known."""
    registry = CollectorRegistry()
    try:
        await UsageRecorder(db, clock=CLOCK, registry=registry)._enter(records)
    finally:
        counts = [
            registry.get_sample_value("roundhouse_metering_records_total", {"result": result}) or 0.0
            for result in ("entered", "duplicate")
        ]
    return counts[0], counts[1]


def rollups(db: Database) -> UsageRollups:
    return UsageRollups(db, clock=CLOCK, rng=random.Random(1), registry=CollectorRegistry())


def retention(db: Database, months: int = 1) -> RecordRetention:
    kept_for = KeptFor(months=months)
    return RecordRetention(db, kept_for=kept_for, clock=CLOCK, rng=random.Random(1), registry=CollectorRegistry())


async def months_in_ledger(db: Database) -> list[str]:
    async with db.read() as session:
        times = await session.scalars(select(ledger.c.admitted_at))
        return sorted({datetime.fromtimestamp(time, UTC).strftime("%Y-%m") for time in times})


async def monthly(db: Database) -> list[int]:
    """Return the requests of all time by month."""
    async with db.read() as session:
        query = UsageQuery(filter=UsageFilter(), has_latency=False)
        whole = await usage_figures(session, query, now=NOW)
        found = await usage_figures(
            session, UsageQuery(filter=UsageFilter(since=at("2026-09-01"), until=at("2026-10-01"))), now=NOW
        )
    return [sum(row["requests"] for row in one.rows.values()) for one in (whole, found)]


def three_months(numbered: UsageRecords) -> list[UsageRecord]:
    return [
        numbered.next(admitted_at=at(f"2026-{month}-{day:02}T10:20:30") + number, input_tokens=number)
        for month in ("09", "10", "11")
        for day in (1, 15)
        for number in range(5)
    ]


@pytest.mark.contract("F06")
async def test_months_that_are_over_go_and_their_sums_stay(ledger_db: Database) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    before = await monthly(ledger_db)
    await retention(ledger_db).step()
    assert await months_in_ledger(ledger_db) == ["2026-10", "2026-11"]
    assert await monthly(ledger_db) == before == [30, 10]


async def test_without_a_setting_nothing_ever_goes(ledger_db: Database) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    await retention(ledger_db, months=0).step()
    assert await months_in_ledger(ledger_db) == ["2026-09", "2026-10", "2026-11"]


async def test_sums_made_anew_after_that_are_the_same(ledger_db: Database) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    await retention(ledger_db).step()

    async def cells() -> list[tuple[Any, ...]]:
        async with ledger_db.read() as session:
            return sorted(tuple(row) for row in await session.execute(select(usage_cells)))

    before = await cells()
    again = rollups(ledger_db)
    await again.rebuild()
    await again.count_all()
    assert await cells() == before


async def test_what_is_not_counted_yet_stays(ledger_db: Database) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    counting = rollups(ledger_db)
    await counting.step(limit=7)
    await retention(ledger_db).step()
    assert await months_in_ledger(ledger_db) == ["2026-09", "2026-10", "2026-11"]
    await counting.count_all()
    await retention(ledger_db).step()
    assert await months_in_ledger(ledger_db) == ["2026-10", "2026-11"]


async def test_a_month_whose_sums_are_not_those_of_its_records_stays(ledger_db: Database) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    async with ledger_db.write() as session:
        of_day = usage_cells.c.at == int(at("2026-09-15"))
        await session.execute(update(usage_cells).where(of_day).values(input_tokens=usage_cells.c.input_tokens + 1))
    await retention(ledger_db).step()
    assert await months_in_ledger(ledger_db) == ["2026-09", "2026-10", "2026-11"]
    again = rollups(ledger_db)
    await again.rebuild()
    await again.count_all()
    await retention(ledger_db).step()
    assert await months_in_ledger(ledger_db) == ["2026-10", "2026-11"]


async def test_a_record_of_a_removed_month_that_comes_again_counts_no_second_time(ledger_db: Database) -> None:
    records = three_months(UsageRecords())
    await record(ledger_db, records)
    counting = rollups(ledger_db)
    await counting.count_all()
    await retention(ledger_db).step()
    assert await record(ledger_db, records) == (0, 30)
    await counting.count_all()
    assert await monthly(ledger_db) == [30, 10]


async def test_a_record_that_never_came_before_its_month_went_is_told_and_those_beside_it_are_entered(
    ledger_db: Database,
) -> None:
    numbered = UsageRecords()
    await record(ledger_db, three_months(numbered))
    counting = rollups(ledger_db)
    await counting.count_all()
    await retention(ledger_db).step()
    late, current = numbered.next(admitted_at=at("2026-09-20")), numbered.next(admitted_at=NOW)
    with pytest.raises(PermanentError, match="came after their month's records were removed, of 2026-09-20"):
        await record(ledger_db, [late, current])
    await counting.count_all()
    assert await monthly(ledger_db) == [31, 10]


async def test_who_asks_for_removed_records_is_told_from_when_on_there_are_some(
    ledger_db: Database, caller: Caller
) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    await retention(ledger_db).step()
    for path in ("/usage/records", "/usage/records.csv"):
        answer = await caller.get(path, {"since": "2026-09-15T00:00:00Z"})
        assert answer.status_code == 410, path
        assert answer.json()["code"] == "records_gone"
        assert "ask from 2026-10-01T00:00:00Z on" in answer.json()["detail"]
    kept = await caller.get("/usage/records", {"since": "2026-10-01T00:00:00Z", "limit": "100"})
    assert len(kept.json()["items"]) == 20
    whole_hours = await caller.get("/usage", {"since": "2026-09-15T10:00:00Z"})
    assert whole_hours.json()["totals"]["requests"] == 25
    part_of_an_hour = await caller.get("/usage", {"since": "2026-09-15T10:20:32Z"})
    assert part_of_an_hour.status_code == 410


@pytest.mark.contract("F03")
async def test_a_budget_of_all_time_counts_what_removed_months_added_up_to(ledger_db: Database, caller: Caller) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    body = {
        "name": "all",
        "scope": "tenant",
        "scope_id": "ten_default",
        "unit": "tokens",
        "period": "total",
        "amount": 10**9,
        "starts_at": "2026-09-02T00:00:00Z",
    }
    whole = (await caller.send("POST", "/budgets", body)).json()
    await retention(ledger_db).step()
    after = (await caller.send("POST", "/budgets", {**body, "name": "later"})).json()
    assert whole["spent"] == after["spent"] == 25 * 5 + 5 * 10
    unaligned = await caller.send("POST", "/budgets", {**body, "name": "x", "starts_at": "2026-09-02T00:30:00Z"})
    assert unaligned.status_code == 410


async def test_operators_see_months_sizes_and_what_is_gone(ledger_db: Database, caller: Caller) -> None:
    await record(ledger_db, three_months(UsageRecords()))
    await rollups(ledger_db).count_all()
    await retention(ledger_db).step()
    found = (await caller.get("/retention")).json()
    assert found["records_since"] == "2026-10-01T00:00:00.000Z"
    assert [(month["month"], month["requests"]) for month in found["months"]] == [("2026-10", 10), ("2026-11", 10)]
    (gone,) = found["gone"]
    assert (gone["month"], gone["requests"], gone["input_tokens"], gone["output_tokens"]) == ("2026-09", 10, 20, 50)
    assert all(size > 0 for size in found["bytes"].values())
    if ledger_db.dialect == "postgresql":
        assert all(month["size_bytes"] > 0 for month in found["months"])


async def test_every_record_is_in_the_partition_of_its_month(ledger_db: Database) -> None:
    if ledger_db.dialect != "postgresql":
        pytest.skip("SQLite has no partitions")
    await record(ledger_db, three_months(UsageRecords()))
    names = select(text("tableoid::regclass::text"), func.count()).select_from(ledger)
    async with ledger_db.read() as session:
        found = (await session.execute(names.group_by(text("1")).order_by(text("1")))).all()
    assert [tuple(row) for row in found] == [("ledger_2026_09", 10), ("ledger_2026_10", 10), ("ledger_2026_11", 10)]


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.ABORTED])
async def test_an_id_is_entered_once_at_the_turn_of_a_month_too(ledger_db: Database, outcome: Outcome) -> None:
    """A record that says another time, by a mistake, of the same request: the first one stays."""
    numbered = UsageRecords()
    first = numbered.next(admitted_at=at("2026-10-31T23:59:59"))
    assert await record(ledger_db, [first]) == (1, 0)
    numbered.sequence -= 1
    assert await record(ledger_db, [numbered.next(admitted_at=at("2026-11-01T00:00:01"), outcome=outcome)]) == (0, 1)

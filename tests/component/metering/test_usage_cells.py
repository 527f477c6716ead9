"""Cells hold exactly what the ledger holds, however and whenever it is counted."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord
from roundhouse_common.database import Database, DatabaseUnavailable, WriteSession
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.amounts import SUMS
from roundhouse_metering.domain.cells import DAY_S, HOUR_S, KEPT_S, MINUTE_S, View
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store.ledger import enter
from roundhouse_metering.store.usage_tables import admitted_ranges, router_hours, usage_cells, usage_series
from tests.support.hand_clock import HandClock
from tests.support.usage import NOON, UsageRecords

NO_PRICES = PriceTable()


def rollups(db: Database, *, now: float = NOON + DAY_S) -> UsageRollups:
    clock = HandClock(now - HandClock(0).now())
    return UsageRollups(db, clock=clock, rng=random.Random(1), registry=CollectorRegistry())


async def record(db: Database, records: list[UsageRecord]) -> None:
    async with db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=NO_PRICES)


async def rows(db: Database, *tables: Any) -> list[list[tuple[Any, ...]]]:
    async with db.read() as session:
        return [sorted(tuple(row) for row in await session.execute(select(table))) for table in tables]


def some(rng: random.Random, numbered: UsageRecords, count: int) -> list[UsageRecord]:
    return [
        numbered.next(
            admitted_at=NOON - rng.randrange(3 * DAY_S),
            key_id=f"key_{rng.randrange(3)}",
            replica_id=f"rep_{rng.randrange(2)}",
            operation=rng.choice((Operation.CHAT, Operation.EMBEDDING)),
            outcome=rng.choice((Outcome.COMPLETED, Outcome.COMPLETED, Outcome.FAILED, Outcome.ABORTED)),
            duration_ms=rng.lognormvariate(6, 1),
            time_to_first_token_ms=rng.choice((None, 12.5)),
            input_tokens=rng.randrange(100),
        )
        for _ in range(count)
    ]


@pytest.mark.contract("F02", "F04")
async def test_the_total_of_a_day_is_the_sum_of_its_records(ledger_db: Database) -> None:
    numbered = UsageRecords()
    await record(ledger_db, [numbered.next(input_tokens=7, duration_ms=100.0 * (n + 1)) for n in range(10)])
    await rollups(ledger_db).count_all()
    async with ledger_db.read() as session:
        of_day = select(usage_cells).where(usage_cells.c.view == View.TOTAL, usage_cells.c.resolution_s == DAY_S)
        (cell,) = (await session.execute(of_day)).all()
    assert (cell.requests, cell.completed, cell.input_tokens, cell.unpriced) == (10, 10, 70, 10)
    assert (cell.latency_count, cell.latency_us, cell.latency_max_us) == (10, 5_500_000, 1_000_000)
    assert cell.at == NOON // DAY_S * DAY_S


async def test_every_view_and_resolution_adds_up_to_the_same(ledger_db: Database) -> None:
    await record(ledger_db, some(random.Random(3), UsageRecords(), 200))
    await rollups(ledger_db).count_all()
    sums: dict[tuple[int, int], list[int]] = {}
    async with ledger_db.read() as session:
        for row in await session.execute(select(usage_cells)):
            total = sums.setdefault((row.view, row.resolution_s), [0] * len(SUMS))
            total[:] = [before + row._mapping[name] for before, name in zip(total, SUMS, strict=True)]
    assert len(sums) == 17
    assert len({tuple(total) for total in sums.values()}) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_parts_they_come_and_made_anew_cells_are_equal(ledger_db: Database, seed: int) -> None:
    rng = random.Random(seed)
    records, counting = some(rng, UsageRecords(), 120), rollups(ledger_db)
    rng.shuffle(records)  # late ones among them
    while records:
        part = [records.pop() for _ in range(min(len(records), rng.randrange(1, 40)))]
        await record(ledger_db, [*part, part[0]])
        if rng.random() < 0.5:
            await counting.step(limit=rng.randrange(1, 50))
    await counting.count_all()
    tables = (usage_cells, usage_series, admitted_ranges, router_hours)
    before = await rows(ledger_db, *tables)

    again = rollups(ledger_db)  # another process: it knows no series
    await again.rebuild()
    await again.count_all()
    assert await rows(ledger_db, *tables) == before
    assert before[2] == [("router-1", 1, 120)]


@pytest.mark.parametrize(("seed", "known"), [(0, 30_000), (1, 30_000), (2, 7), (3, 0)])
async def test_what_an_instance_remembers_of_cells_is_what_they_are(
    ledger_db: Database, monkeypatch: pytest.MonkeyPatch, seed: int, known: int
) -> None:
    monkeypatch.setattr("roundhouse_metering.store.usage_cells._CELLS_KNOWN", known)
    rng, numbered = random.Random(seed), UsageRecords()
    instances = [rollups(ledger_db), rollups(ledger_db)]
    for _ in range(12):
        await record(ledger_db, some(rng, numbered, 10))
        for _ in range(rng.randrange(3)):
            await rng.choice(instances).step(limit=rng.randrange(1, 30))
        if rng.random() < 0.15:
            await rng.choice(instances).rebuild()
    await rng.choice(instances).count_all()
    before = await rows(ledger_db, usage_cells)
    again = rollups(ledger_db)
    await again.rebuild()
    await again.count_all()
    assert await rows(ledger_db, usage_cells) == before


async def test_what_was_counted_in_a_lost_transaction_is_counted_again_under_its_own_names(
    ledger_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, counting, numbered = ledger_db.write, rollups(ledger_db), UsageRecords()

    @contextlib.asynccontextmanager
    async def lost() -> AsyncIterator[WriteSession]:
        async with write() as session:
            yield session
            raise DatabaseUnavailable("the connection was lost at the commit")

    await record(ledger_db, [numbered.next(key_id="key_lost")])
    monkeypatch.setattr(ledger_db, "write", lost)
    with pytest.raises(DatabaseUnavailable):
        await counting.step()
    monkeypatch.setattr(ledger_db, "write", write)
    await record(ledger_db, [numbered.next(key_id="key_other")])
    await rollups(ledger_db).step()  # another instance: its series may get the numbers that were lost
    await record(ledger_db, [numbered.next(key_id="key_lost"), numbered.next(key_id="key_other")])
    await counting.count_all()
    async with ledger_db.read() as session:
        of_key = select(usage_series.c.key_id, usage_cells.c.requests).where(
            usage_cells.c.view == View.KEY,
            usage_cells.c.resolution_s == DAY_S,
            usage_cells.c.series_id == usage_series.c.series_id,
        )
        assert {tuple(row) for row in await session.execute(of_key)} == {("key_lost", 2), ("key_other", 2)}


async def test_two_instances_count_nothing_twice(ledger_db: Database) -> None:
    one, other = rollups(ledger_db), rollups(ledger_db)
    numbered = UsageRecords()
    for _ in range(3):
        await record(ledger_db, [numbered.next() for _ in range(5)])
        await one.step(limit=3)
        await other.step(limit=3)
    await other.count_all()
    await one.count_all()
    async with ledger_db.read() as session:
        of_hour = select(usage_cells.c.requests).where(
            usage_cells.c.view == View.FINE, usage_cells.c.resolution_s == HOUR_S
        )
        assert await session.scalar(of_hour) == 15


async def test_a_pass_that_another_instance_overtook_adds_nothing(
    ledger_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(ledger_db, [UsageRecords().next()])
    slow, fast, write = rollups(ledger_db), rollups(ledger_db), ledger_db.write

    @contextlib.asynccontextmanager
    async def after_the_other() -> AsyncIterator[WriteSession]:
        monkeypatch.setattr(ledger_db, "write", write)
        assert await fast.step() == 1
        async with write() as session:
            yield session

    monkeypatch.setattr(ledger_db, "write", after_the_other)
    assert await slow.step() == 0
    async with ledger_db.read() as session:
        assert set(await session.scalars(select(usage_cells.c.requests))) == {1}


async def test_a_gap_is_where_a_record_is_missing(ledger_db: Database) -> None:
    numbered = UsageRecords()
    records = [numbered.next() for _ in range(6)]
    await record(ledger_db, [records[0], records[1], records[4]])
    counting = rollups(ledger_db)
    await counting.count_all()
    assert await rows(ledger_db, admitted_ranges) == [[("router-1", 1, 2), ("router-1", 5, 5)]]
    await record(ledger_db, records)
    await counting.count_all()
    assert await rows(ledger_db, admitted_ranges) == [[("router-1", 1, 6)]]


async def test_fine_cells_are_forgotten_and_not_made_again(ledger_db: Database) -> None:
    await record(ledger_db, [UsageRecords().next()])
    await rollups(ledger_db).count_all()
    late = rollups(ledger_db, now=NOON + KEPT_S[MINUTE_S] + DAY_S)
    await late.forget()
    before = await rows(ledger_db, usage_cells)
    assert {row[1] for row in before[0]} == {900, HOUR_S, DAY_S}
    await late.rebuild()
    await late.count_all()
    assert await rows(ledger_db, usage_cells) == before

"""Answers from cells are those that adding up every record gives, wherever the range begins and ends."""

import random
from collections.abc import Iterable, Set
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.errors import InvalidInput
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.amounts import Amounts
from roundhouse_metering.domain.cells import DAY_S, HOUR_S, View
from roundhouse_metering.domain.sketches import SketchTooNew
from roundhouse_metering.domain.usage import COLUMNS, BucketWidth, Dimension, UsageFilter, UsageQuery
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store import analytics
from roundhouse_metering.store.analytics import OTHER, Choose, Place, UsageFigures, usage_figures
from roundhouse_metering.store.ledger import enter
from roundhouse_metering.store.usage_tables import usage_cells, usage_series
from tests.support.hand_clock import HandClock
from tests.support.usage import NOON, UsageRecords

NOW = NOON + HOUR_S
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
SOME = (Dimension.MODEL, Dimension.KEY, Dimension.REPLICA, Dimension.TENANT)
Plain = dict[tuple[float, tuple[str, ...]], tuple[int, int, int]]
"""(Start of the bucket, values) -> requests, input tokens, completed ones' milliseconds."""


async def fill(db: Database, rng: random.Random, *, counted: float) -> list[UsageRecord]:
    """Enter records of four months, most of the last days; only a part of them is counted."""
    numbered = UsageRecords()
    records = [
        numbered.next(
            admitted_at=NOW - rng.choice((HOUR_S, DAY_S, 8 * DAY_S, 120 * DAY_S)) * rng.random(),
            tenant_id=rng.choice(("ten_default", "ten_2")),
            key_id=f"key_{rng.randrange(3)}",
            model_requested=f"model-{rng.randrange(3)}",
            replica_id=f"rep_{rng.randrange(2)}",
            operation=rng.choice((Operation.CHAT, Operation.EMBEDDING)),
            outcome=rng.choice((Outcome.COMPLETED, Outcome.FAILED)),
            input_tokens=rng.randrange(100),
            duration_ms=float(rng.randrange(1000)),
            time_to_first_token_ms=rng.choice((None, float(rng.randrange(100)))),
        )
        for _ in range(400)
    ]
    first = round(counted * len(records))
    rollups = UsageRollups(db, clock=HandClock(NOW - HandClock(0).now()), rng=rng, registry=CollectorRegistry())
    for part in (records[:first], records[first:]):
        async with db.write() as session:
            await enter(session, part, recorded_at=NOON, prices=PriceTable())
        if part and part is not records[first:]:
            await rollups.count_all()
    return records


def start_of(bucket: BucketWidth | None, zone: ZoneInfo, at: float) -> float:
    """Return the start of a record's bucket, the plain way."""
    if bucket is None:
        return 0
    local = datetime.fromtimestamp(at, zone)
    if HOUR_S < bucket.seconds < DAY_S:  # as far back as the clock shows the same bucket

        def label(moment: float) -> int:
            shown = datetime.fromtimestamp(moment, zone).replace(tzinfo=UTC)
            return int(shown.timestamp()) // bucket.seconds

        begin = at // 900 * 900
        while label(begin - 900) == label(at):
            begin -= 900
        return begin
    if bucket.seconds < DAY_S:
        offset = local.utcoffset()
        assert offset is not None
        shift = int(offset.total_seconds())
        return (int(at) + shift) // bucket.seconds * bucket.seconds - shift
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if bucket is BucketWidth.WEEK:
        day = datetime.fromordinal(day.toordinal() - day.weekday()).replace(tzinfo=zone)
    if bucket is BucketWidth.MONTH:
        day = day.replace(day=1)
    return day.timestamp()


def plainly(records: Iterable[UsageRecord], query: UsageQuery) -> Plain:
    """Add the records up one by one."""
    found: Plain = {}
    zone = query.zone
    assert isinstance(zone, ZoneInfo)
    for record in records:
        fits = all(getattr(record, name) == value for name, value in query.filter.values.items())
        if not fits or not (query.filter.since or 0) <= record.admitted_at < (query.filter.until or NOW + DAY_S):
            continue
        values = tuple(str(getattr(record, COLUMNS[by])) for by in query.by)
        place = (start_of(query.bucket, zone, record.admitted_at), values)
        requests, tokens, took_ms = found.get(place, (0, 0, 0))
        ended_ms = int(record.duration_ms) if record.outcome is Outcome.COMPLETED else 0
        found[place] = (requests + 1, tokens + record.input_tokens, took_ms + ended_ms)
    return found


def shown(found: UsageFigures) -> Plain:
    return {
        (float(start), values): (amounts["requests"], amounts["input_tokens"], amounts["latency_us"] // 1000)
        for (start, values), amounts in found.rows.items()
    }


def wholly(found: UsageFigures, chosen: Set[tuple[str, ...]]) -> dict[Place, tuple[object, ...]]:
    """Return all that is known of each row, with what is not chosen added up the plain way."""
    rows: dict[Place, Amounts] = {}
    for (start, values), amounts in found.rows.items():
        place = start, values if values in chosen else (OTHER,) * len(values)
        rows.setdefault(place, Amounts()).add(amounts)
    return {
        place: (one.sums, one.latency_max_us, one.first_token_max_us, one.latency.bins(), one.first_token.bins())
        for place, one in rows.items()
    }


def just(chosen: Set[tuple[str, ...]]) -> Choose:
    return lambda _: chosen


def questions(rng: random.Random, count: int) -> list[UsageQuery]:
    made: list[UsageQuery] = []
    while len(made) < count:
        since = NOW - rng.choice((HOUR_S, 2 * DAY_S, 8 * DAY_S, 100 * DAY_S)) * rng.random()
        equal = {
            "key_id": "key_1", "model_requested": "model-2", "replica_id": "rep_1", "operation": "chat",
        }  # fmt: skip
        chosen = rng.sample(sorted(equal), rng.choice((0, 0, 1, 2)))
        query = UsageQuery(
            filter=UsageFilter(
                tenant_id=rng.choice(("ten_default", None)),
                equal={name: equal[name] for name in chosen},
                since=rng.choice((since, since // HOUR_S * HOUR_S)),
                until=rng.choice((None, NOW - rng.random() * HOUR_S)),
            ),
            by=tuple(
                rng.sample((Dimension.MODEL, Dimension.KEY, Dimension.REPLICA, Dimension.TENANT), rng.randrange(3))
            ),
            bucket=rng.choice((None, *BucketWidth)),
            zone=ZoneInfo(rng.choice(ZONES)),
        )
        try:
            query.check(now=NOW)
        except InvalidInput:
            continue
        made.append(query)
    return made


@pytest.mark.contract("C04", "F02", "F03")
@pytest.mark.parametrize("counted", [0.0, 0.6, 1.0])
async def test_any_question_is_answered_as_by_adding_up_every_record(ledger_db: Database, counted: float) -> None:
    rng = random.Random(int(10 * counted))
    records = await fill(ledger_db, rng, counted=counted)
    for query in questions(rng, 40):
        async with ledger_db.read() as session:
            found = await usage_figures(session, query, now=NOW)
        assert shown(found) == plainly(records, query), query
        assert found.is_complete


@pytest.mark.contract("C05", "F04")
@pytest.mark.parametrize("counted", [0.0, 0.6, 1.0])
async def test_what_is_not_chosen_is_summed_up_to_the_last_bin(ledger_db: Database, counted: float) -> None:
    rng = random.Random(int(10 * counted) + 100)
    await fill(ledger_db, rng, counted=counted)
    for query in questions(rng, 40):
        async with ledger_db.read() as session:
            apart = await usage_figures(session, query, now=NOW)
            values = sorted({values for _, values in apart.rows})
            chosen = set(rng.sample(values, rng.randrange(len(values) + 1)))
            found = await usage_figures(session, query, now=NOW, choose=just(chosen))
        told = {values for _, values in found.rows}
        assert wholly(found, told) == wholly(apart, chosen), (query, chosen)


@pytest.mark.contract("C05")
async def test_quantiles_of_the_rest_are_told_without_reading_its_finest_cells(ledger_db: Database) -> None:
    await fill(ledger_db, random.Random(6), counted=1.0)
    query = UsageQuery(
        filter=UsageFilter(since=NOON - 90 * DAY_S, until=NOON - DAY_S / 2),
        by=(Dimension.KEY, Dimension.MODEL),
        bucket=BucketWidth.DAY,
    )
    chosen = {("key_0", "model-0")}
    async with ledger_db.read() as session:
        before = await usage_figures(session, query, now=NOW)
    of_rest = select(usage_series.c.series_id).where(
        usage_series.c.view == View.FINE,
        (usage_series.c.key_id != "key_0") | (usage_series.c.model_requested != "model-0"),
    )
    unreadable = update(usage_cells).where(usage_cells.c.series_id.in_(of_rest)).values(latency_sketch=b"\x02")
    async with ledger_db.write() as session:
        await session.execute(unreadable)
    async with ledger_db.read() as session:
        with pytest.raises(SketchTooNew):
            await usage_figures(session, query, now=NOW)
        found = await usage_figures(session, query, now=NOW, choose=just(chosen))
    assert wholly(found, {values for _, values in found.rows}) == wholly(before, chosen)


@pytest.mark.contract("C04", "F04")
@pytest.mark.parametrize("bucket", [BucketWidth.WEEK, BucketWidth.MONTH])
async def test_long_buckets_hold_all_their_days_however_many_these_are(
    ledger_db: Database, monkeypatch: pytest.MonkeyPatch, bucket: BucketWidth
) -> None:
    records = await fill(ledger_db, random.Random(7), counted=1.0)
    query = UsageQuery(
        filter=UsageFilter(since=NOW - 119 * DAY_S), by=(Dimension.KEY,), bucket=bucket, zone=ZoneInfo("Asia/Kolkata")
    )
    expected = plainly(records, query)
    monkeypatch.setattr(analytics, "most_rows", len(expected))
    async with ledger_db.read() as session:
        found = await usage_figures(session, query, now=NOW)
        assert shown(found) == expected
        monkeypatch.setattr(analytics, "most_rows", len(expected) - 1)
        with pytest.raises(InvalidInput):
            await usage_figures(session, query, now=NOW)


@pytest.mark.contract("C05")
async def test_quantiles_are_those_of_the_records(ledger_db: Database) -> None:
    records = await fill(ledger_db, random.Random(5), counted=0.5)
    async with ledger_db.read() as session:
        found = await usage_figures(session, UsageQuery(filter=UsageFilter()), now=NOW)
    completed = [record for record in records if record.outcome is Outcome.COMPLETED]
    (amounts,) = found.rows.values()
    assert amounts["latency_count"] == len(completed) == sum(amounts.latency.bins().values())
    assert amounts.latency_max_us == 1000 * max(record.duration_ms for record in completed)


async def test_a_day_has_as_many_hours_as_the_zone_says(ledger_db: Database) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 25, tzinfo=berlin).timestamp()  # the clock goes back: a day of 25 hours
    numbered = UsageRecords()
    records = [numbered.next(admitted_at=begin + hour * HOUR_S) for hour in range(26)]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PriceTable())
    query = UsageQuery(
        filter=UsageFilter(tenant_id="ten_default", since=begin, until=begin + 3 * DAY_S),
        bucket=BucketWidth.DAY,
        zone=berlin,
    )
    async with ledger_db.read() as session:
        found = await usage_figures(session, query, now=NOW)
    days = {datetime.fromtimestamp(start, UTC).isoformat(): row["requests"] for (start, _), row in found.rows.items()}
    assert days == {"2026-10-24T22:00:00+00:00": 25, "2026-10-25T23:00:00+00:00": 1}

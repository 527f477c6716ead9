"""The ledger on both databases: entered once, summed right, listed in order."""

from collections.abc import Sequence

import pytest

from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.usage import BucketWidth, Dimension, Figures, UsageFilter, UsageQuery, UsageRow
from roundhouse_metering.store.ledger import Position, enter, entries, routers, usage
from tests.support.usage import NOON, UsageRecords, usage_record

TENANT = UsageFilter(tenant_id="ten_default")


async def put(db: Database, *records: UsageRecord) -> Sequence[str]:
    async with db.write() as session:
        entered = await enter(session, records, recorded_at=NOON, prices=PriceTable())
    return [one.record.request_id for one in entered]


async def ask(db: Database, query: UsageQuery) -> list[UsageRow]:
    async with db.read() as session:
        return await usage(session, query)


async def ids(db: Database, wanted: UsageFilter, *, after: Position | None = None, limit: int = 100) -> list[str]:
    async with db.read() as session:
        return [entry.record.request_id for entry in await entries(session, wanted, after=after, limit=limit)]


@pytest.mark.contract("F04")
async def test_a_record_comes_back_as_it_was_sent(ledger_db: Database) -> None:
    sent = usage_record(
        outcome=Outcome.ABORTED,
        http_status=499,
        error_code="client_left",
        is_stream=True,
        time_to_first_token_ms=12.5,
        input_tokens=2**40,
        cached_input_tokens=3,
        reasoning_tokens=4,
        attempts=2,
        model_requested="名前 'quoted'",
        api="ollama.chat",
        route_id="rte_1",
        provider_id="prv_1",
        reuse=Reuse.COALESCED,
        continuations=1,
        cache_write_tokens=2**40,
        audio_ms=2**40,
        images=3,
        input_characters=2**40,
        queued_ms=0.5,
    )
    await put(ledger_db, sent)
    async with ledger_db.read() as session:
        (entry,) = await entries(session, TENANT, after=None, limit=10)
    assert entry.record == sent
    assert entry.recorded_at == NOON


async def test_what_was_entered_first_stays(ledger_db: Database) -> None:
    first, changed = usage_record(), usage_record(output_tokens=9999)
    assert await put(ledger_db, first) == [first.request_id]
    assert await put(ledger_db, changed, first) == []
    async with ledger_db.read() as session:
        (entry,) = await entries(session, TENANT, after=None, limit=10)
    assert entry.record == first


async def test_a_batch_with_repetitions_is_entered_once_each(ledger_db: Database) -> None:
    one, two, three = (usage_record(number) for number in (1, 2, 3))
    await put(ledger_db, two)
    assert set(await put(ledger_db, one, two, one, three)) == {one.request_id, three.request_id}
    assert await ids(ledger_db, TENANT) == [one.request_id, two.request_id, three.request_id]


async def test_a_large_batch_is_entered_whole(ledger_db: Database) -> None:
    records = [usage_record(number) for number in range(1, 1001)]
    assert len(await put(ledger_db, *records)) == 1000
    assert len(await ids(ledger_db, TENANT, limit=2000)) == 1000


@pytest.mark.contract("F02")
@pytest.mark.parametrize(
    ("by", "field"),
    [
        (Dimension.MODEL, "model_requested"),
        (Dimension.KEY, "key_id"),
        (Dimension.USER, "user_id"),
        (Dimension.DEPLOYMENT, "deployment_id"),
    ],
)
async def test_figures_are_summed_by_each_dimension(ledger_db: Database, by: Dimension, field: str) -> None:
    numbered = UsageRecords()
    await put(
        ledger_db,
        numbered.next(**{field: "a"}),
        numbered.next(**{field: "a"}, outcome=Outcome.FAILED, input_tokens=0, output_tokens=0),
        numbered.next(**{field: "a"}, outcome=Outcome.ABORTED, cached_input_tokens=7, reasoning_tokens=8),
        numbered.next(**{field: "b"}),
    )
    a = Figures(
        requests=3, completed=1, failed=1, aborted=1, input_tokens=20, cached_input_tokens=7, output_tokens=10,
        reasoning_tokens=8,
    )  # fmt: skip
    b = Figures(requests=1, completed=1, input_tokens=10, output_tokens=5)
    assert await ask(ledger_db, UsageQuery(filter=TENANT, by=by)) == [
        UsageRow(value="a", bucket_start=None, figures=a),
        UsageRow(value="b", bucket_start=None, figures=b),
    ]


@pytest.mark.contract("C04")
@pytest.mark.parametrize(
    ("bucket", "starts"),
    [
        (BucketWidth.MINUTE, [NOON - 60, NOON, NOON + 3540]),
        (BucketWidth.FIVE_MINUTES, [NOON - 300, NOON, NOON + 3300]),
        (BucketWidth.QUARTER, [NOON - 900, NOON, NOON + 2700]),
        (BucketWidth.HALF_HOUR, [NOON - 1800, NOON, NOON + 1800]),
        (BucketWidth.HOUR, [NOON - 3600, NOON]),
        (BucketWidth.DAY, [NOON - 43200]),
    ],
)
async def test_buckets_are_aligned_in_utc(ledger_db: Database, bucket: BucketWidth, starts: list[float]) -> None:
    times = (NOON - 0.001, NOON, NOON + 59.999, NOON + 3599.999)
    numbered = UsageRecords()
    await put(ledger_db, *(numbered.next(admitted_at=time) for time in times))
    rows = await ask(ledger_db, UsageQuery(filter=TENANT, by=Dimension.MODEL, bucket=bucket))
    assert [row.bucket_start for row in rows] == starts
    assert sum(row.figures.requests for row in rows) == len(times)


@pytest.mark.contract("F03")
@pytest.mark.parametrize(
    "wanted",
    [
        UsageFilter(tenant_id="ten_default", key_id="key_2"),
        UsageFilter(tenant_id="ten_default", model="other"),
        UsageFilter(tenant_id="ten_default", user_id="usr_2"),
        UsageFilter(tenant_id="ten_default", deployment_id="dep_2"),
        UsageFilter(tenant_id="ten_default", since=NOON + 5, until=NOON + 6),
        UsageFilter(tenant_id="ten_2"),
    ],
)
async def test_each_filter_picks_its_records(ledger_db: Database, wanted: UsageFilter) -> None:
    fields: dict[str, object] = {
        "key_id": wanted.key_id,
        "model_requested": wanted.model,
        "user_id": wanted.user_id,
        "deployment_id": wanted.deployment_id,
        "tenant_id": wanted.tenant_id,
        "admitted_at": wanted.since,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    others = (usage_record(1, admitted_at=NOON), usage_record(3, admitted_at=NOON + 6, tenant_id="ten_default"))
    await put(ledger_db, usage_record(2, **given), *others)
    assert await ids(ledger_db, wanted) == ["req_router-1_000002"]
    (row,) = await ask(ledger_db, UsageQuery(filter=wanted, by=Dimension.MODEL))
    assert row.figures.requests == 1


async def test_pages_follow_the_time_of_admission_and_leave_nothing_out(ledger_db: Database) -> None:
    numbered = UsageRecords()
    records = [numbered.next(admitted_at=NOON + (sequence * 7 % 5)) for sequence in range(23)]
    await put(ledger_db, *records)
    found: list[str] = []
    after: Position | None = None
    while True:
        async with ledger_db.read() as session:
            page = await entries(session, TENANT, after=after, limit=4)
        if not page:
            break
        found += [entry.record.request_id for entry in page]
        after = Position(admitted_at=page[-1].record.admitted_at, request_id=page[-1].record.request_id)
    expected = sorted(records, key=lambda record: (record.admitted_at, record.request_id))
    assert found == [record.request_id for record in expected]


async def test_the_ledger_of_each_router_is_counted(ledger_db: Database) -> None:
    one, two = UsageRecords("router-1"), UsageRecords("router-2", sequence=7)
    await put(ledger_db, one.next(), one.next(outcome=Outcome.FAILED), two.next(outcome=Outcome.ABORTED))
    async with ledger_db.read() as session:
        found = {ledger.router_id: ledger for ledger in await routers(session)}
    assert (found["router-1"].highest_sequence, found["router-1"].distinct_sequences) == (2, 2)
    assert (found["router-1"].completed, found["router-1"].failed, found["router-1"].aborted) == (1, 1, 0)
    assert (found["router-2"].highest_sequence, found["router-2"].distinct_sequences) == (8, 1)

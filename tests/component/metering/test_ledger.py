"""The ledger on both databases: entered once, summed right, listed in order."""

from collections.abc import Sequence

import pytest

from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.usage import UsageFilter, UsageQuery
from roundhouse_metering.store.analytics import usage_figures
from roundhouse_metering.store.ledger import Position, enter, entries
from roundhouse_metering.store.routers import routers
from tests.support.usage import NOON, UsageRecords, usage_record

TENANT = UsageFilter(tenant_id="ten_default")


async def put(db: Database, *records: UsageRecord) -> Sequence[str]:
    async with db.write() as session:
        entered = await enter(session, records, recorded_at=NOON, prices=PriceTable())
    return [one.record.request_id for one in entered]


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
        input_audio_tokens=2**40,
        output_audio_tokens=5,
        input_image_tokens=6,
        output_image_tokens=2**40,
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


@pytest.mark.contract("F03")
@pytest.mark.parametrize(
    "wanted",
    [
        UsageFilter(tenant_id="ten_default", equal={"key_id": "key_2"}),
        UsageFilter(tenant_id="ten_default", equal={"model_requested": "other"}),
        UsageFilter(tenant_id="ten_default", equal={"user_id": "usr_2"}),
        UsageFilter(tenant_id="ten_default", equal={"deployment_id": "dep_2"}),
        UsageFilter(tenant_id="ten_default", since=NOON + 5, until=NOON + 6),
        UsageFilter(tenant_id="ten_2"),
    ],
)
async def test_each_filter_picks_its_records(ledger_db: Database, wanted: UsageFilter) -> None:
    given = {**wanted.values, **({} if wanted.since is None else {"admitted_at": wanted.since})}
    others = (usage_record(1, admitted_at=NOON), usage_record(3, admitted_at=NOON + 6, tenant_id="ten_default"))
    await put(ledger_db, usage_record(2, **given), *others)
    assert await ids(ledger_db, wanted) == ["req_router-1_000002"]
    async with ledger_db.read() as session:
        found = await usage_figures(session, UsageQuery(filter=wanted), now=NOON)
    assert [amounts["requests"] for amounts in found.rows.values()] == [1]


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

"""From the stream into the ledger: exactly one row per request, whatever the bus does."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial

import httpx
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.bus.api import Consumer, Delivery, Handler, PermanentError
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import USAGE, USAGE_BATCH
from roundhouse_common.contracts.usage import Outcome, UsageBatch, UsageRecord
from roundhouse_common.database import Database, DatabaseUnavailable, WriteSession
from roundhouse_common.http.audit import Audit, to_outbox
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_metering.api.app import create_metering_app
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.bus.usage import BATCHES_DURABLE, DURABLE, UsageRecorder
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.loops.webhooks import WebhookSender
from roundhouse_metering.store.ledger import entries
from roundhouse_metering.store.tables import outbox
from tests.support.audited import told_to_audit
from tests.support.eventually import eventually
from tests.support.usage import UsageRecords

CLOCK = SystemClock()


@contextlib.asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Fleet:
    """One router that publishes and one metering that records, on a bus in memory."""

    def __init__(self, db: Database) -> None:
        broker = MemoryBroker(CLOCK)
        self.db = db
        self.registry = CollectorRegistry()
        self.router = MemoryBus(broker, Service.ROUTER, clock=CLOCK)
        self.metering = MemoryBus(broker, Service.METERING, clock=CLOCK)
        self.recorder = UsageRecorder(db, clock=CLOCK, registry=self.registry)
        self.numbered = UsageRecords()
        self.published = 0

    async def publish(self, records: Sequence[UsageRecord]) -> None:
        """Publish each record as if the duplicate window of the stream had passed since it was sent before."""
        for record in records:
            self.published += 1
            await self.router.append(USAGE, record, "router-1", event_id=f"{record.request_id}-{self.published}")

    async def ledger(self) -> dict[str, UsageRecord]:
        async with self.db.read() as session:
            found = await entries(session, UsageFilter(tenant_id="ten_default"), after=None, limit=10_000)
        ids = [entry.record.request_id for entry in found]
        assert len(ids) == len(set(ids))
        return {entry.record.request_id: entry.record for entry in found}

    def counted(self, result: str) -> float:
        return self.registry.get_sample_value("roundhouse_metering_records_total", {"result": result}) or 0.0

    @contextlib.asynccontextmanager
    async def recording(
        self, handler: Handler[UsageRecord] | None = None, *, batch: int = 256
    ) -> AsyncIterator[Consumer]:
        consumer = self.metering.consumer(USAGE, DURABLE, handler or self.recorder, batch=batch)
        async with running(consumer):
            yield consumer


@pytest_asyncio.fixture
async def fleet(ledger_db: Database) -> AsyncIterator[Fleet]:
    made = Fleet(ledger_db)
    await made.metering.connect()
    await made.router.connect()
    yield made
    await made.router.close()
    await made.metering.close()


def by_id(records: Sequence[UsageRecord]) -> dict[str, UsageRecord]:
    return {record.request_id: record for record in records}


@pytest.mark.contract("F01")
async def test_duplicates_and_disorder_leave_one_row_per_request(fleet: Fleet) -> None:
    records = [fleet.numbered.next() for _ in range(100)]
    shuffled = [*records, *records[::3]]
    random.Random(7).shuffle(shuffled)
    async with fleet.recording(batch=16):
        await fleet.publish(shuffled)
        await eventually(lambda: fleet.counted("entered") + fleet.counted("duplicate") == len(shuffled))
    assert await fleet.ledger() == by_id(records)
    assert fleet.counted("entered") == len(records)


async def test_a_poison_message_becomes_a_dead_letter_and_holds_up_nothing(fleet: Fleet) -> None:
    records = [fleet.numbered.next() for _ in range(10)]
    bad = msgspec.structs.replace(fleet.numbered.next(), outcome=Outcome.UNKNOWN)
    await fleet.publish([*records[:5], bad, *records[5:]])
    async with fleet.recording() as consumer:
        await eventually(lambda: fleet.counted("entered") == len(records))
        letters = await eventually(consumer.letters)
    assert await fleet.ledger() == by_id(records)
    assert [letter.consumer for letter in letters] == [DURABLE]
    assert "upgrade, then replay" in letters[0].error
    assert bad.request_id in letters[0].error


class FailingDatabase(Database):
    """A database whose first transactions fail, as when the disk is full for a while."""

    failures = 0

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        async with super().write() as session:
            yield session
            if self.failures:
                self.failures -= 1
                raise DatabaseUnavailable("the disk is full")


async def test_a_failing_commit_is_tried_again_and_nothing_is_lost(fleet: Fleet, database_url: str) -> None:
    records = [fleet.numbered.next() for _ in range(5)]
    async with FailingDatabase(database_url, service="metering") as failing:
        failing.failures = 3
        recorder = UsageRecorder(failing, clock=CLOCK, registry=CollectorRegistry())
        await fleet.publish(records)
        async with fleet.recording(recorder) as consumer:

            async def all_there() -> bool:
                return await fleet.ledger() == by_id(records)

            await eventually(all_there, within_s=10)
            assert await consumer.letters() == []


async def test_a_stop_in_the_middle_of_a_batch_loses_and_repeats_nothing(fleet: Fleet) -> None:
    records = [fleet.numbered.next() for _ in range(300)]
    await fleet.publish(records)

    def entered_more_than(before: float) -> bool:
        return fleet.counted("entered") > before

    async def commit_and_hang(deliveries: Sequence[Delivery[UsageRecord]]) -> None:
        before = fleet.counted("entered")
        await fleet.recorder(deliveries)
        if fleet.counted("entered") > before:
            await asyncio.Event().wait()  # the acknowledgement never goes out

    while (before := fleet.counted("entered")) < len(records):
        async with fleet.recording(commit_and_hang, batch=64):
            await eventually(partial(entered_more_than, before))
    assert await fleet.ledger() == by_id(records)


async def test_a_replayed_letter_is_recorded_and_gone(fleet: Fleet) -> None:
    private, public = generate_keypair()
    token = TokenSigner(private, clock=CLOCK).sign(
        Subject(id="usr_admin", tenant_id="ten_default", platform_roles=frozenset({Role.ADMINISTRATOR})), 60
    )
    record, is_understood = fleet.numbered.next(), False

    async def upgraded_later(deliveries: Sequence[Delivery[UsageRecord]]) -> None:
        if not is_understood:
            raise PermanentError("not understood yet")
        await fleet.recorder(deliveries)

    await fleet.publish([record])
    async with fleet.recording(upgraded_later) as consumer:
        await eventually(consumer.letters)
        app = create_metering_app(
            fleet.db,
            fleet.metering,
            consumers=[consumer],
            verifier=TokenVerifier(public, clock=CLOCK),
            clock=CLOCK,
            rebuild_timeout_s=1,
            publications=Publications(fleet.db, fleet.metering, CLOCK, every_s=1),
            webhook_sender=WebhookSender(b"", may_be_private=False, clock=CLOCK),
            event_stream=EventStream(fleet.db, fleet.metering, clock=CLOCK, registry=CollectorRegistry()),
        )
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://metering/api/v1",
            headers={"authorization": f"Bearer {token}"},
        ) as http:
            (letter,) = (await http.get("/dead-letters")).json()["items"]
            path = f"/dead-letters/{letter['letter_id']}"
            shown = (await http.get(path)).json()
            assert (shown["payload_encoding"], shown["payload"]["request_id"]) == ("json", record.request_id)
            refused = await http.post(f"{path}:replay")
            assert (refused.status_code, refused.json()["code"]) == (409, "replay_failed")
            is_understood = True
            assert (await http.post(f"{path}:replay")).status_code == 204
            assert (await http.get(path)).status_code == 404
    assert await fleet.ledger() == by_id([record])


async def test_a_letter_is_discarded_with_a_reason_that_the_audit_keeps(fleet: Fleet) -> None:
    private, public = generate_keypair()
    admin = Subject(id="usr_admin", tenant_id="ten_default", platform_roles=frozenset({Role.ADMINISTRATOR}))
    token = TokenSigner(private, clock=CLOCK).sign(admin, 60)

    async def refuse(_: Sequence[Delivery[UsageRecord]]) -> None:
        raise PermanentError("nobody understands it")

    await fleet.publish([fleet.numbered.next()])
    async with fleet.recording(refuse) as consumer:
        await eventually(consumer.letters)
        write = to_outbox(Service.METERING)
        app = create_metering_app(
            fleet.db,
            fleet.metering,
            consumers=[consumer],
            verifier=TokenVerifier(public, clock=CLOCK),
            clock=CLOCK,
            rebuild_timeout_s=1,
            publications=Publications(fleet.db, fleet.metering, CLOCK, every_s=1),
            webhook_sender=WebhookSender(b"", may_be_private=False, clock=CLOCK),
            event_stream=EventStream(fleet.db, fleet.metering, clock=CLOCK, registry=CollectorRegistry()),
            audit=Audit(Service.METERING, fleet.db, write, clock=CLOCK, ids=SystemIds(), wake=lambda: None),
        )
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://metering/api/v1",
            headers={"authorization": f"Bearer {token}"},
        ) as http:
            (letter,) = (await http.get("/dead-letters")).json()["items"]
            path = f"/dead-letters/{letter['letter_id']}"
            assert (await http.delete(path)).status_code == 422, "why?"
            assert (await http.delete(path, params={"reason": "a test"})).status_code == 204
            assert (await http.delete(path, params={"reason": "a test"})).status_code == 404
            assert (await http.get("/dead-letters")).json()["items"] == []
    (entry,) = await told_to_audit(fleet.db, outbox)
    assert (entry.action, entry.object_id) == ("dead-letter.discard", letter["letter_id"])
    (told,) = [now for _, now in entry.change.values()]
    assert "a test" in told
    assert "nobody understands it" in told
    assert await fleet.ledger() == {}


async def test_batches_are_entered_once_whatever_is_beside_them(fleet: Fleet) -> None:
    records = [fleet.numbered.next() for _ in range(9)]
    bad = msgspec.structs.replace(fleet.numbered.next(), tenant_id="")
    batches = [records[:4], [*records[2:6], bad], records[5:]]  # as a router cuts them after a crash
    for number, batch in enumerate(batches):
        message = UsageBatch(records=tuple(batch))
        await fleet.router.append(USAGE_BATCH, message, "router-1", event_id=f"batch-{number}")
    await fleet.publish(records[:1])  # as an older router sends it
    batched = fleet.metering.consumer(USAGE_BATCH, BATCHES_DURABLE, fleet.recorder.batches)
    async with running(batched), fleet.recording():
        letters = await eventually(batched.letters)
        await eventually(lambda: fleet.counted("entered") == len(records))
    assert await fleet.ledger() == by_id(records)
    assert [bad.request_id in letter.error for letter in letters] == [True]

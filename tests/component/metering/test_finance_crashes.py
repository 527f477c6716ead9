"""The real service, killed while it tells finance tools: webhooks and the stream have every event, in order."""

import signal
from pathlib import Path

import pytest
from sqlalchemy import select, update

from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import USAGE
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.webhooks import webhooks
from tests.component.metering.test_event_stream import Reader, told
from tests.support.eventually import eventually
from tests.support.metering_process import metering_process
from tests.support.nats import NatsServer
from tests.support.usage import UsageRecords
from tests.support.webhook_receiver import receiving


@pytest.mark.process
@pytest.mark.contract("F06")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_killed_between_sending_and_noting_it_leaves_nothing_out(
    nats_server: NatsServer, database_url: str, tmp_path: Path
) -> None:
    router = NatsBus(
        Service.ROUTER, url=nats_server.url, seed_file=nats_server.seed_file(Service.ROUTER), clock=SystemClock()
    )
    await router.connect()
    records = UsageRecords()
    sent: list[str] = []

    async def enter(count: int) -> None:
        some: list[UsageRecord] = [records.next(admitted_at=SystemClock().now()) for _ in range(count)]
        for record in some:
            await router.append(USAGE, record, "router-1", event_id=record.request_id)
        sent.extend(record.request_id for record in some)

    settings = {"WEBHOOKS_TO_PRIVATE": "true", "WEBHOOK_BATCH_SIZE": "7", "EVENT_READERS": "erp"}
    async with (
        receiving(is_slow=True) as receiver,
        metering_process(nats_server, database_url, tmp_path, **settings) as metering,
    ):
        body = {"name": "the ERP", "url": receiver.url, "after": "0"}
        made = (await metering.http.post("/api/v1/webhooks", json=body)).json()
        for posts in range(3):
            await enter(20)
            await eventually(lambda posts=posts: len(receiver.posts) > posts, within_s=20)  # type: ignore[misc]
            # The receiver has the events, and metering does not know: it never got an answer.
            await metering.stop(signal.SIGKILL)
            async with Database(database_url, service="metering") as db, db.write() as session:
                await session.execute(update(webhooks).values(leased_until=0.0))  # as if that much time had passed
            await metering.start()
        receiver.may_answer.set()
        await eventually(lambda: set(receiver.ids) == set(sent), within_s=30)
        # What was sent twice after a kill may be entered after what followed it: the ledger's order is what counts.
        async with Database(database_url, service="metering") as db, db.read() as reading:
            entered = [row.request_id for row in await reading.execute(select(ledger).order_by(ledger.c.entry))]
        assert sorted(entered) == sorted(sent)
        assert list(dict.fromkeys(receiver.ids)) == entered, "in the ledger's order, once those seen twice are dropped"
        assert len(receiver.ids) > len(sent)
        for post in receiver.posts:
            post.verify(made["secret"])
        found: list[str] = []
        reader = Reader(nats_server, "erp")

        async def has_all() -> bool:
            found.extend(told(await reader.read()))
            return len(found) >= len(sent)

        await eventually(has_all, within_s=30)
        assert list(dict.fromkeys(found)) == entered
    await router.close()

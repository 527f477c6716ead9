"""The real service on the real nats-server: killed at any moment, it holds exactly one row per request."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import REPUBLISH_USAGE, USAGE
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import SystemClock
from tests.support.databases import Migrate
from tests.support.eventually import eventually
from tests.support.metering_process import Metering, metering_process
from tests.support.nats import NatsServer
from tests.support.usage import UsageRecords

CLOCK = SystemClock()
# What these show is metering's doing and the server's, whichever database is below: one will do.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Router:
    """The publishing half of a router: keeps what it published, like the spool does."""

    bus: NatsBus
    numbered: UsageRecords = field(default_factory=UsageRecords)
    retained: list[UsageRecord] = field(default_factory=list)

    async def publish(self, count: int) -> None:
        records = [self.numbered.next() for _ in range(count)]
        self.retained += records
        await self._append(records)

    async def republish(self, _question: RebuildBus, _ids: tuple[str, ...]) -> Rebuilt:
        await self._append(self.retained)
        return Rebuilt(instance="router-1", written={"USAGE": len(self.retained)})

    async def _append(self, records: list[UsageRecord]) -> None:
        for start in range(0, len(records), 100):
            some = records[start : start + 100]
            await asyncio.gather(
                *(self.bus.append(USAGE, record, "router-1", event_id=record.request_id) for record in some)
            )


@pytest_asyncio.fixture
async def metering(
    nats_server: NatsServer, database_url: str, migrated: Migrate, tmp_path: Path
) -> AsyncIterator[Metering]:
    await migrated(database_url, "metering")
    async with metering_process(nats_server, database_url, tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def router(nats_server: NatsServer) -> AsyncIterator[Router]:
    bus = NatsBus(
        Service.ROUTER,
        url=nats_server.url,
        seed_file=nats_server.seed_file(Service.ROUTER),
        instance="router-1",
        clock=CLOCK,
    )
    await bus.connect()
    made = Router(bus)
    await bus.serve(REPUBLISH_USAGE, made.republish)
    yield made
    await bus.close()


@pytest.mark.process
@pytest.mark.contract("F01")
@pytest.mark.timeout(300)
async def test_killed_in_mid_batch_it_loses_and_repeats_nothing(metering: Metering, router: Router) -> None:
    for _ in range(3):
        before = await metering.recorded()
        publishing = asyncio.create_task(router.publish(1000))
        await eventually(lambda before=before: _grows(metering, before), within_s=60)  # type: ignore[misc]
        await metering.stop(signal.SIGKILL)
        await publishing
        await metering.start()
    await eventually(lambda: _holds(metering, 3000), within_s=60, every_s=0.1)
    assert await metering.totals() == {
        "admitted": 3000, "recorded": 3000, "completed": 3000, "failed": 0, "aborted": 0, "missing": 0, "repeated": 0,
    }  # fmt: skip


@ON_SQLITE
@pytest.mark.process
async def test_stopped_in_mid_batch_it_goes_on_at_once(metering: Metering, router: Router) -> None:
    await router.publish(500)
    assert await metering.stop(signal.SIGTERM) == 0
    await router.publish(500)
    await metering.start()
    # What was in hand was handed back: nothing waits for the acknowledgement to time out.
    await eventually(lambda: _holds(metering, 1000), within_s=8, every_s=0.1)


@ON_SQLITE
@pytest.mark.process
async def test_a_killed_nats_server_costs_time_only(
    metering: Metering, router: Router, nats_server: NatsServer
) -> None:
    await router.publish(300)
    nats_server.kill()
    await eventually(lambda: _is_ready(metering, False), within_s=60)
    nats_server.start()
    await eventually(lambda: router.bus.is_connected, within_s=60)
    await router.publish(300)
    await eventually(lambda: _holds(metering, 600), within_s=60, every_s=0.1)
    assert (await metering.totals())["missing"] == 0


@ON_SQLITE
@pytest.mark.process
async def test_after_a_wipe_of_jetstream_a_rebuild_brings_back_what_was_lost(
    metering: Metering, router: Router, nats_server: NatsServer
) -> None:
    await router.publish(100)
    await eventually(lambda: _holds(metering, 100), within_s=60)
    await metering.stop(signal.SIGTERM)
    await router.publish(100)
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()
    await metering.start()
    await eventually(lambda: _is_ready(metering, True), within_s=60)
    assert await metering.recorded() == 100
    answer = await metering.http.post("/api/v1/bus:rebuild", timeout=20)
    assert answer.json()["items"] == [{"instance": "router-1", "written": {"USAGE": 200}}]
    await eventually(lambda: _holds(metering, 200), within_s=60)
    assert (await metering.totals())["missing"] == 0


async def _grows(metering: Metering, before: int) -> bool:
    return await metering.recorded() > before


async def _holds(metering: Metering, count: int) -> bool:
    assert await metering.recorded() == count
    return True


async def _is_ready(metering: Metering, wanted: bool) -> bool:
    answer = await metering.http.get("/readyz")
    return (answer.status_code == 200) is wanted

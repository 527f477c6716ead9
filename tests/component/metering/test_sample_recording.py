"""From the nodes' signals into the curves, on both databases."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import asdict

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import NodeSample
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.database import Database, DatabaseUnavailable, WriteSession
from roundhouse_common.runtime import SystemClock, UnixTime
from roundhouse_metering.bus.samples import SampleRecorder
from roundhouse_metering.domain.resolutions import CurveQuery, Retention, sources
from roundhouse_metering.loops.rollups import Rollups
from roundhouse_metering.store.rollups import rolled_up_until
from roundhouse_metering.store.samples import ComputePoint, DevicePoint, compute_curves, device_curves
from roundhouse_metering.store.series import Series, series_of_node, series_of_replica
from tests.support.eventually import eventually
from tests.support.metering import GIB, device, node_sample, replica_sample

NOON = 1_800_000_000
"""A multiple of 15 minutes."""


class SetClock:
    """A clock that stands where a test put it."""

    def __init__(self) -> None:
        self.at = float(NOON)

    def now(self) -> UnixTime:
        return UnixTime(self.at)

    def monotonic(self) -> float:
        return self.at


class Metering:
    """A recorder and the rollups on one database."""

    def __init__(self, db: Database, *, queue_size: int = 1000, batch_size: int = 100) -> None:
        self.db = db
        self.clock = SetClock()
        self.registry = CollectorRegistry()
        self.recorder = SampleRecorder(
            db, clock=self.clock, registry=self.registry, queue_size=queue_size, batch_size=batch_size
        )
        self.rollups = Rollups(
            db,
            retention=Retention(raw_s=3600, minute_s=7200, quarter_s=86_400),
            clock=self.clock,
            rng=random.Random(7),
            registry=CollectorRegistry(),
        )

    async def put(self, *samples: NodeSample) -> None:
        for sample in samples:
            self.clock.at = max(self.clock.at, sample.at)
            await self.recorder.take(sample, (sample.node_id,))
        await self.recorder.flush()

    async def compute(self, of: list[Series], query: CurveQuery) -> list[ComputePoint]:
        async with self.db.read() as session:
            answering = sources(query, await rolled_up_until(session))
            found = await compute_curves(
                session, [one.series_id for one in of if not one.device_uuid], query, answering
            )
        return [point for curve in found.values() for point in curve]

    async def devices(self, of: list[Series], query: CurveQuery) -> list[DevicePoint]:
        async with self.db.read() as session:
            answering = sources(query, await rolled_up_until(session))
            found = await device_curves(session, [one.series_id for one in of if one.device_uuid], query, answering)
        return [point for curve in found.values() for point in curve]

    async def node(self, node_id: str = "nod_a") -> list[Series]:
        async with self.db.read() as session:
            return await series_of_node(session, node_id)

    async def replica(self, replica_id: str = "rep_a") -> list[Series]:
        async with self.db.read() as session:
            return await series_of_replica(session, replica_id)

    def counted(self, result: str) -> float:
        return self.registry.get_sample_value("roundhouse_metering_samples_total", {"result": result}) or 0.0


@pytest.fixture
def metering(ledger_db: Database) -> Metering:
    return Metering(ledger_db)


def over(since: int, until: int, step_s: int = 10) -> CurveQuery:
    return CurveQuery(since=NOON + since, until=NOON + until, step_s=step_s)


@pytest.mark.contract("C01")
@pytest.mark.contract("C02")
async def test_a_node_has_a_curve_and_a_gap_is_a_gap(metering: Metering) -> None:
    await metering.put(*(node_sample(NOON + 10 * number, cpu_user=float(number)) for number in (0, 1, 4)))
    points = await metering.compute(await metering.node(), over(0, 60))
    assert [(point.at - NOON, point.cpu_user, point.cpu_system) for point in points] == [
        (0, 0.0, 1.0),
        (10, 1.0, 1.0),
        (40, 4.0, 1.0),
    ]
    assert {(point.cpu_cores, point.memory_used_bytes, point.memory_total_bytes) for point in points} == {
        (8, 4 * GIB, 16 * GIB)
    }


@pytest.mark.contract("C03")
async def test_each_device_has_a_curve_and_what_it_does_not_tell_is_unknown(metering: Metering) -> None:
    silent = device("GPU-b", utilization=-1.0, power_w=-1.0)
    await metering.put(node_sample(NOON, devices=(device("GPU-a"), silent)))
    series = await metering.node()
    points = await metering.devices(series, over(0, 60))
    assert [one.device_uuid for one in series] == ["", "GPU-a", "GPU-b"]
    assert [(point.utilization, point.power_w, point.temperature_c) for point in points] == [
        (0.75, 410.0, 65.0),
        (None, None, 65.0),
    ]


@pytest.mark.contract("B08")
async def test_a_replica_has_curves_of_its_own(metering: Metering) -> None:
    mine = replica_sample(devices=(device(memory_used_bytes=3 * GIB),))
    other = replica_sample("rep_b", memory_bytes=2 * GIB)
    await metering.put(node_sample(NOON, devices=(device(),), replicas=(mine, other)))
    series = await metering.replica()
    assert {one.deployment_id for one in series} == {"dep_a"}
    (own,) = await metering.compute(series, over(0, 60))
    (part,) = await metering.devices(series, over(0, 60))
    assert (own.cpu_user, own.memory_used_bytes, part.memory_used_bytes) == (0.4, GIB, 3 * GIB)
    assert len(await metering.devices(await metering.node(), over(0, 60))) == 1


async def test_a_sample_that_comes_twice_is_stored_once(metering: Metering, ledger_db: Database) -> None:
    again = Metering(ledger_db)
    for instance in (metering, again, metering):
        await instance.put(node_sample(NOON, devices=(device(),)))
    (point,) = await metering.compute(await metering.node(), over(0, 60, 60))
    assert point.cpu_user == 2.0
    assert len(await metering.node()) == 2


def figures(compute: list[ComputePoint], devices: list[DevicePoint]) -> list[dict[str, float]]:
    return [*map(asdict, compute), *map(asdict, devices)]


@pytest.mark.parametrize("step_s", [60, 300, 900])
async def test_rolled_up_and_fresh_samples_give_the_same_curve(metering: Metering, step_s: int) -> None:
    """The averages and peaks of a step are those of its samples, wherever they are read from."""
    rng = random.Random(11)
    await metering.rollups.roll_up()
    samples = [
        node_sample(NOON + at, cpu_user=rng.uniform(0, 7), devices=(device(utilization=rng.random()),))
        for at in range(5, 2700, 10)
        if not 1200 <= at < 1500
    ]
    await metering.put(*samples)
    query = over(0, 2700, step_s)
    fresh = await metering.compute(await metering.node(), query), await metering.devices(await metering.node(), query)
    await metering.rollups.roll_up()
    async with metering.db.read() as session:
        done = await rolled_up_until(session)
    assert {width: until - NOON for width, until in done.items()} == {60: 2580, 900: 1800}
    rolled = await metering.compute(await metering.node(), query), await metering.devices(await metering.node(), query)
    assert len(rolled[0]) == len(fresh[0])
    assert figures(*rolled) == [pytest.approx(point, rel=1e-9) for point in figures(*fresh)]
    by_hand = [sample.cpu_user for sample in samples if sample.at < NOON + step_s]
    assert rolled[0][0].cpu_user == pytest.approx(sum(by_hand) / len(by_hand))
    assert rolled[0][0].cpu_max == pytest.approx(max(by_hand) + 1.0)


async def test_each_resolution_is_forgotten_in_its_time(metering: Metering) -> None:
    await metering.rollups.roll_up()
    await metering.put(*(node_sample(NOON + at, devices=(device(),)) for at in range(0, 1800, 10)))
    metering.clock.at = NOON + 2000
    await metering.rollups.roll_up()
    metering.clock.at = NOON + 1800 + 3600
    await metering.rollups.forget()
    assert await metering.compute(await metering.node(), over(0, 1800, 10)) == []
    assert len(await metering.compute(await metering.node(), over(0, 1800, 60))) == 30
    metering.clock.at = NOON + 1800 + 7200
    await metering.rollups.forget()
    assert await metering.compute(await metering.node(), over(0, 1800, 60)) == []
    assert len(await metering.devices(await metering.node(), over(0, 1800, 900))) == 2
    metering.clock.at = NOON + 3600 + 86_400
    await metering.rollups.forget()
    assert await metering.node() == []


async def test_a_curve_begins_anew_after_its_series_was_forgotten(metering: Metering) -> None:
    await metering.put(node_sample(NOON))
    metering.clock.at = NOON + 2 * 86_400
    await metering.rollups.forget()
    assert await metering.node() == []
    await metering.put(node_sample(NOON + 2 * 86_400))
    assert len(await metering.compute(await metering.node(), over(2 * 86_400, 2 * 86_400 + 10))) == 1


async def test_what_does_not_fit_the_queue_is_dropped_and_counted(ledger_db: Database) -> None:
    metering = Metering(ledger_db, queue_size=5)
    for number in range(8):
        await metering.recorder.take(node_sample(NOON + 10 * number), ("nod_a",))
    await metering.recorder.flush()
    assert (metering.counted("stored"), metering.counted("dropped")) == (5, 3)


async def test_a_sample_under_another_nodes_name_is_refused(metering: Metering) -> None:
    await metering.recorder.take(node_sample(NOON), ("nod_b",))
    await metering.recorder.flush()
    assert (metering.counted("stored"), metering.counted("invalid")) == (0, 1)


class FailingDatabase(Database):
    """A database whose next transactions fail."""

    failures = 0

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        async with super().write() as session:
            yield session
            if self.failures:
                self.failures -= 1
                raise DatabaseUnavailable("the disk is full")


async def test_samples_wait_for_a_database_that_is_away(ledger_db: Database, database_url: str) -> None:
    async with FailingDatabase(database_url, service="metering") as failing:
        failing.failures = 1
        metering = Metering(failing)
        await metering.put(node_sample(NOON), node_sample(NOON + 10))
        assert metering.counted("stored") == 0
        await metering.recorder.flush()
        assert metering.counted("stored") == 2
        assert len(await metering.compute(await metering.node(), over(0, 60))) == 2


async def test_of_two_instances_one_takes_each_signal(ledger_db: Database) -> None:
    clock, broker = SystemClock(), MemoryBroker(SystemClock())
    agent = MemoryBus(broker, Service.NODE_AGENT, clock=clock, node_id="nod_a")
    buses = [MemoryBus(broker, Service.METERING, clock=clock, instance=f"metering-{number}") for number in (1, 2)]
    both = [Metering(ledger_db) for _ in buses]
    await agent.connect()
    async with contextlib.AsyncExitStack() as stack:
        for bus, metering in zip(buses, both, strict=True):
            await bus.connect()
            await stack.enter_async_context(metering.recorder.subscribed(bus))
        loops = [asyncio.create_task(metering.recorder.run()) for metering in both]
        for number in range(10):
            await agent.signal(NODE_SAMPLE, node_sample(NOON + 10 * number), "nod_a")
        await eventually(lambda: sum(metering.counted("stored") for metering in both) == 10)
        for loop in loops:
            loop.cancel()
    assert sum(metering.counted("stored") for metering in both) == 10
    for bus in (*buses, agent):
        await bus.close()

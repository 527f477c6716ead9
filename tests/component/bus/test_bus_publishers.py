"""Publishers: the bucket follows the record, whoever disturbs it."""

import asyncio
from collections.abc import Mapping

from roundhouse_common.bus.api import BusUnavailable, KeyValue
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import NodeReport
from roundhouse_common.contracts.registry import KEYS, REPORTS
from roundhouse_common.contracts.routing import ApiKeyRecord
from tests.component.bus.builders import api_key, report
from tests.component.bus.conftest import BusWorld
from tests.support.eventually import eventually
from tests.support.nats import NODE_A


class Record:
    """The record in SQL, as far as a publisher sees it."""

    def __init__(self, *keys: ApiKeyRecord) -> None:
        self.keys = {key.key_id: key for key in keys}

    async def desired(self) -> Mapping[str, ApiKeyRecord]:
        return dict(self.keys)

    def add(self, key: ApiKeyRecord) -> None:
        self.keys[key.key_id] = key


async def names(world: BusWorld) -> dict[str, str]:
    """Return what routers read now; nothing while the server is away."""
    try:
        listed = await (await world.bus(Service.ROUTER)).bucket(KEYS).list()
    except BusUnavailable:
        return {}
    return {key: entry.value.name for key, entry in listed.items()}


async def test_it_writes_the_record_at_the_start_and_after_each_wake(world: BusWorld) -> None:
    record = Record(api_key("key_1"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired)

    async with world.running(publisher.run):
        await eventually(lambda: _equal(world, {"key_1": "first"}))
        record.add(api_key("key_1", "changed"))
        record.add(api_key("key_2"))
        publisher.wake()
        await eventually(lambda: _equal(world, {"key_1": "changed", "key_2": "first"}))


async def test_it_writes_only_what_differs(world: BusWorld) -> None:
    record = Record(api_key("key_1"), api_key("key_2"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired)

    assert await publisher.sync() == 2
    record.add(api_key("key_2", "changed"))
    assert await publisher.sync() == 1
    assert await publisher.sync() == 0
    restarted = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired)
    assert await restarted.sync() == 0


async def test_rebuild_writes_everything(world: BusWorld) -> None:
    record = Record(api_key("key_1"), api_key("key_2"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired)
    await publisher.sync()

    assert await publisher.rebuild() == 2


async def test_a_key_that_is_no_longer_desired_stays_unless_it_prunes(world: BusWorld) -> None:
    record = Record(api_key("key_1"), api_key("key_2"))
    catalog = await world.bus(Service.CATALOG)
    await Publisher(catalog, KEYS, desired=record.desired).sync()
    del record.keys["key_2"]

    await Publisher(catalog, KEYS, desired=record.desired).sync()
    assert sorted(await names(world)) == ["key_1", "key_2"]
    await Publisher(catalog, KEYS, desired=record.desired, prune=True).sync()
    assert sorted(await names(world)) == ["key_1"]


async def test_a_tampered_value_heals_at_once(world: BusWorld) -> None:
    record = Record(api_key("key_1"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired, resync_s=3600)
    intruder = (await world.bus(Service.CATALOG)).bucket(KEYS)

    async with world.running(publisher.run):
        await eventually(lambda: _equal(world, {"key_1": "first"}))
        await intruder.put("key_1", api_key("key_1", "tampered"))
        await eventually(lambda: _equal(world, {"key_1": "first"}))


async def test_a_deleted_value_heals_at_the_next_resync(world: BusWorld) -> None:
    record = Record(api_key("key_1"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired, resync_s=0.1)
    intruder = (await world.bus(Service.CATALOG)).bucket(KEYS)

    async with world.running(publisher.run):
        await eventually(lambda: _equal(world, {"key_1": "first"}))
        await intruder.delete("key_1")
        await eventually(lambda: _equal(world, {"key_1": "first"}))


async def test_a_wiped_bucket_is_written_again(world: BusWorld) -> None:
    record = Record(api_key("key_1"))
    publisher = Publisher(await world.bus(Service.CATALOG), KEYS, desired=record.desired, resync_s=3600)

    async with world.running(publisher.run):
        await eventually(lambda: _equal(world, {"key_1": "first"}))
        await world.crash()
        record.add(api_key("key_2"))
        publisher.wake()
        await world.restart(wiped=True)
        await eventually(lambda: _equal(world, {"key_1": "first", "key_2": "first"}))


async def test_own_writes_in_quick_succession_are_not_taken_for_tampering(world: BusWorld) -> None:
    looks = 0
    agent = await world.bus(Service.NODE_AGENT, NODE_A)
    sequence = 0

    async def desired() -> Mapping[str, NodeReport]:
        nonlocal looks
        looks += 1
        return {NODE_A: report(NODE_A, sequence)}

    publisher = Publisher(agent, REPORTS, desired=desired, resync_s=3600, only_key=NODE_A)
    async with world.running(publisher.run):
        for _ in range(50):
            sequence += 1
            publisher.wake()
            await asyncio.sleep(0)
        reports = (await world.bus(Service.SCHEDULER)).bucket(REPORTS)
        await eventually(lambda: _sequence_is(reports, 50))

    assert looks <= 53


async def _equal(world: BusWorld, wanted: dict[str, str]) -> bool:
    return await names(world) == wanted


async def _sequence_is(reports: KeyValue[NodeReport], wanted: int) -> bool:
    entry = await reports.get(NODE_A)
    return entry is not None and entry.value.sequence == wanted

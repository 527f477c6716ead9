"""Buckets: read, write, compare and set, list, watch."""

import asyncio

import pytest

from roundhouse_common.bus.api import Entry, RevisionConflict
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import ASSIGNMENTS, KEYS, REPORTS
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.errors import Forbidden
from tests.component.bus.builders import api_key, assignments, report
from tests.component.bus.conftest import BusWorld
from tests.support.nats import NODE_A, NODE_B


async def test_a_written_entry_is_read_by_others(world: BusWorld) -> None:
    written = (await world.bus(Service.CATALOG)).bucket(KEYS)
    read = (await world.bus(Service.ROUTER)).bucket(KEYS)

    revision = await written.put("key_1", api_key())

    assert await read.get("key_1") == Entry(key="key_1", revision=revision, value=api_key())
    assert await read.get("key_2") is None


async def test_revisions_grow_over_the_whole_bucket(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)

    revisions = [await keys.put(key, api_key(key)) for key in ("key_1", "key_2", "key_1")]

    assert revisions == sorted(set(revisions))


async def test_compare_and_set_succeeds_only_on_the_revision_that_was_read(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    first = await keys.put("key_1", api_key(name="first"), expected_revision=0)

    second = await keys.put("key_1", api_key(name="second"), expected_revision=first)
    with pytest.raises(RevisionConflict):
        await keys.put("key_1", api_key(name="lost"), expected_revision=first)
    with pytest.raises(RevisionConflict):
        await keys.put("key_1", api_key(name="lost"), expected_revision=0)

    assert await keys.get("key_1") == Entry(key="key_1", revision=second, value=api_key(name="second"))


async def test_of_many_who_compare_and_set_at_once_one_wins(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)

    async def create(name: str) -> bool:
        try:
            await keys.put("key_1", api_key(name=name), expected_revision=0)
        except RevisionConflict:
            return False
        return True

    assert sum(await asyncio.gather(*(create(f"writer-{number}") for number in range(8)))) == 1


async def test_a_deleted_key_is_absent_and_can_be_created_again(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    await keys.put("key_1", api_key())
    await keys.delete("key_1")

    assert await keys.get("key_1") is None
    assert await keys.list() == {}
    await keys.put("key_1", api_key(name="again"), expected_revision=0)
    assert (await keys.list())["key_1"].value.name == "again"


async def test_a_list_has_every_key_also_when_there_are_very_many(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    names = [f"key_{number}" for number in range(2500)]
    for start in range(0, len(names), 250):
        await asyncio.gather(*(keys.put(name, api_key(name)) for name in names[start : start + 250]))

    listed = await keys.list()

    assert sorted(listed) == sorted(names)
    assert listed["key_77"].value == api_key("key_77")


async def test_an_empty_bucket_lists_nothing(world: BusWorld) -> None:
    assert await (await world.bus(Service.ROUTER)).bucket(KEYS).list() == {}


async def test_an_undecodable_entry_is_left_out_of_the_list(world: BusWorld) -> None:
    catalog = await world.bus(Service.CATALOG)
    keys = catalog.bucket(KEYS)
    await keys.put("key_1", api_key())
    await catalog._wire.store("$KV.keys.key_2", b"not JSON", {}, 5.0)

    assert list(await keys.list()) == ["key_1"]


async def test_a_watch_shows_changes_from_now_on_in_order(world: BusWorld) -> None:
    written = (await world.bus(Service.CATALOG)).bucket(KEYS)
    read = (await world.bus(Service.ROUTER)).bucket(KEYS)
    await written.put("key_1", api_key(name="before"))
    seen: list[ApiKeyRecord] = []

    async with read.watch() as changes, asyncio.timeout(20):
        await written.put("key_1", api_key(name="after"))
        await written.delete("key_1")
        await written.put("key_2", api_key("key_2"))
        async for change in changes:
            assert change is not None
            seen.append(change.value)
            if change.key == "key_2":
                break

    assert seen == [api_key(name="after"), api_key("key_2")]


async def test_a_watched_entry_has_the_revision_that_a_read_has(world: BusWorld) -> None:
    written = (await world.bus(Service.CATALOG)).bucket(KEYS)
    async with written.watch() as changes, asyncio.timeout(20):
        revision = await written.put("key_1", api_key())
        change = await anext(changes)

    assert change == Entry(key="key_1", revision=revision, value=api_key())
    assert change == await written.get("key_1")


async def test_cancelling_a_wait_for_the_next_change_loses_nothing(world: BusWorld) -> None:
    written = (await world.bus(Service.CATALOG)).bucket(KEYS)
    async with written.watch() as changes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(changes)
        await written.put("key_1", api_key())
        async with asyncio.timeout(20):
            change = await anext(changes)

    assert change is not None
    assert change.key == "key_1"


async def test_a_node_agent_reads_and_watches_its_own_key(world: BusWorld) -> None:
    written = (await world.bus(Service.SCHEDULER)).bucket(ASSIGNMENTS)
    own = (await world.bus(Service.NODE_AGENT, NODE_A)).bucket(ASSIGNMENTS)
    async with own.watch(only_key=NODE_A) as changes, asyncio.timeout(20):
        await written.put(NODE_B, assignments(NODE_B))
        await written.put(NODE_A, assignments(NODE_A))
        change = await anext(changes)

    assert change is not None
    assert change.key == NODE_A
    assert list(await own.list(only_key=NODE_A)) == [NODE_A]


async def test_a_node_agent_is_told_that_it_may_not_touch_other_nodes(world: BusWorld) -> None:
    agent = await world.bus(Service.NODE_AGENT, NODE_A)

    with pytest.raises(Forbidden, match="only for itself"):
        await agent.bucket(REPORTS).put(NODE_B, report(NODE_B))
    with pytest.raises(Forbidden, match="only for itself"):
        await agent.bucket(ASSIGNMENTS).get(NODE_B)
    with pytest.raises(Forbidden, match="only for itself"):
        await agent.bucket(ASSIGNMENTS).list()


async def test_only_the_owner_writes_a_bucket(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)

    with pytest.raises(Forbidden, match="router may not write keys"):
        await router.bucket(KEYS).put("key_1", api_key())
    with pytest.raises(Forbidden, match="router may not read reports"):
        await router.bucket(REPORTS).list()

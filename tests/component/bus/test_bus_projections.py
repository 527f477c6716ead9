"""Projections: always there, soon right, and never emptied by trouble."""

import asyncio
from collections.abc import Mapping

from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import ASSIGNMENTS, KEYS
from roundhouse_common.contracts.routing import ApiKeyRecord
from tests.component.bus.builders import api_key, assignments
from tests.component.bus.conftest import BusWorld
from tests.support.eventually import eventually, never
from tests.support.nats import NODE_A, NODE_B


class Heard:
    """An `on_change` that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, ApiKeyRecord]] = []

    def __call__(self, changed: Mapping[str, ApiKeyRecord]) -> None:
        self.calls.append(dict(changed))


async def test_it_has_what_was_written_before_it_started(world: BusWorld) -> None:
    await (await world.bus(Service.CATALOG)).bucket(KEYS).put("key_1", api_key())
    heard = Heard()
    projection = Projection(await world.bus(Service.ROUTER), KEYS, on_change=heard)
    assert not projection.has_synced

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)

    assert dict(projection.current) == {"key_1": api_key()}
    assert heard.calls == [{"key_1": api_key()}]


async def test_an_empty_bucket_is_told_once(world: BusWorld) -> None:
    heard = Heard()
    projection = Projection(await world.bus(Service.ROUTER), KEYS, on_change=heard, relist_s=0.02)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await never(lambda: len(heard.calls) > 1, for_s=0.1)

    assert heard.calls == [{}]


async def test_a_change_is_seen_long_before_the_next_listing(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    heard = Heard()
    projection = Projection(await world.bus(Service.ROUTER), KEYS, on_change=heard, relist_s=3600)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await keys.put("key_1", api_key())
        await eventually(lambda: "key_1" in projection.current, every_s=0.001)
        await keys.put("key_1", api_key(name="second"))
        await eventually(lambda: projection.current["key_1"].name == "second", every_s=0.001)

    assert heard.calls == [{}, {"key_1": api_key()}, {"key_1": api_key(name="second")}]


async def test_an_unchanged_value_written_again_is_not_told(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    heard = Heard()
    projection = Projection(await world.bus(Service.ROUTER), KEYS, on_change=heard)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await keys.put("key_1", api_key())
        await keys.put("key_1", api_key())
        await keys.put("key_2", api_key("key_2"))
        await eventually(lambda: "key_2" in projection.current)

    assert heard.calls == [{}, {"key_1": api_key()}, {"key_2": api_key("key_2")}]


async def test_a_deleted_key_stays_known(world: BusWorld) -> None:
    keys = (await world.bus(Service.CATALOG)).bucket(KEYS)
    await keys.put("key_1", api_key())
    projection = Projection(await world.bus(Service.ROUTER), KEYS, relist_s=0.02)

    async with world.running(projection.run):
        await eventually(lambda: "key_1" in projection.current)
        await keys.delete("key_1")
        await never(lambda: "key_1" not in projection.current, for_s=0.2)


async def test_an_undecodable_value_leaves_the_last_known_one(world: BusWorld) -> None:
    catalog = await world.bus(Service.CATALOG)
    await catalog.bucket(KEYS).put("key_1", api_key())
    projection = Projection(await world.bus(Service.ROUTER), KEYS, relist_s=0.02)

    async with world.running(projection.run):
        await eventually(lambda: "key_1" in projection.current)
        await catalog._wire.store("$KV.keys.key_1", b"{}", {}, 5.0)
        await catalog.bucket(KEYS).put("key_2", api_key("key_2"))
        await eventually(lambda: "key_2" in projection.current)

    assert projection.current["key_1"] == api_key()


async def test_with_only_key_nothing_else_is_seen(world: BusWorld) -> None:
    written = (await world.bus(Service.SCHEDULER)).bucket(ASSIGNMENTS)
    await written.put(NODE_B, assignments(NODE_B))
    await written.put(NODE_A, assignments(NODE_A, 1))
    agent = await world.bus(Service.NODE_AGENT, NODE_A)
    projection = Projection(agent, ASSIGNMENTS, only_key=NODE_A)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await written.put(NODE_A, assignments(NODE_A, 2))
        await eventually(lambda: projection.current[NODE_A].revision == 2)

    assert list(projection.current) == [NODE_A]


async def test_it_survives_a_crash_of_the_server_and_sees_what_changed_meanwhile(world: BusWorld) -> None:
    catalog = await world.bus(Service.CATALOG)
    await catalog.bucket(KEYS).put("key_1", api_key())
    projection = Projection(await world.bus(Service.ROUTER), KEYS, relist_s=3600)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await world.crash()
        await eventually(lambda: not projection.is_synced)
        assert dict(projection.current) == {"key_1": api_key()}
        await world.restart()
        await eventually(lambda: catalog.is_connected)
        await catalog.bucket(KEYS).put("key_2", api_key("key_2"))
        await eventually(lambda: "key_2" in projection.current and projection.is_synced)
        await catalog.bucket(KEYS).put("key_3", api_key("key_3"))
        await eventually(lambda: "key_3" in projection.current)


async def test_a_wiped_bucket_empties_nothing_and_new_low_revisions_are_taken_in(world: BusWorld) -> None:
    catalog = await world.bus(Service.CATALOG)
    for name in ("a", "b", "c"):
        await catalog.bucket(KEYS).put("key_1", api_key(name=name))
    projection = Projection(await world.bus(Service.ROUTER), KEYS, relist_s=3600)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await world.crash()
        await eventually(lambda: not projection.is_synced)
        await world.restart(wiped=True)
        await eventually(lambda: projection.is_synced)
        assert dict(projection.current) == {"key_1": api_key(name="c")}
        assert await catalog.bucket(KEYS).put("key_1", api_key(name="d")) == 1
        await eventually(lambda: projection.current["key_1"].name == "d")


async def test_a_bucket_deleted_under_it_is_listed_again(world: BusWorld) -> None:
    catalog = await world.bus(Service.CATALOG)
    for name in ("a", "b", "c"):
        await catalog.bucket(KEYS).put("key_1", api_key(name=name))
    projection = Projection(await world.bus(Service.ROUTER), KEYS, relist_s=3600)

    async with world.running(projection.run):
        await eventually(lambda: projection.is_synced)
        await world.delete_stream("KV_keys")
        await catalog.bucket(KEYS).put("key_1", api_key(name="d"))
        await eventually(lambda: projection.current["key_1"].name == "d")


async def test_it_starts_with_the_server_down_and_syncs_when_it_comes(server_world: BusWorld) -> None:
    await server_world.crash()
    router, catalog = await asyncio.gather(server_world.bus(Service.ROUTER), server_world.bus(Service.CATALOG))
    projection = Projection(router, KEYS, relist_s=3600)

    async with server_world.running(projection.run):
        await never(lambda: projection.is_synced, for_s=0.1)
        await server_world.restart()
        await eventually(lambda: catalog.is_connected)
        await catalog.bucket(KEYS).put("key_1", api_key())
        await eventually(lambda: "key_1" in projection.current)
    await server_world.close()

"""A server that dies in mid use and comes back, with its data or without: everything goes on by itself."""

import asyncio
from collections.abc import Sequence

import pytest

from roundhouse_common.bus.api import BusUnavailable, Delivery
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat
from roundhouse_common.contracts.registry import HEARTBEAT, KEYS, READ_ASSIGNMENTS, USAGE
from roundhouse_common.contracts.scheduler import AssignmentsQuery, NodeAssignments
from roundhouse_common.contracts.usage import UsageRecord
from tests.component.bus.builders import api_key, assignments, heartbeat, usage
from tests.component.bus.conftest import BusWorld, connected
from tests.support.eventually import eventually
from tests.support.nats import NODE_A


async def test_a_consumer_goes_on_after_the_server_was_killed(world: BusWorld) -> None:
    router, metering = await world.bus(Service.ROUTER), await world.bus(Service.METERING)
    done: list[str] = []

    async def handler(batch: Sequence[Delivery[UsageRecord]]) -> None:
        done.extend(one.message.request_id for one in batch)

    async with world.running(metering.consumer(USAGE, "metering-usage", handler).run):
        await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
        await eventually(lambda: done == ["req_1"])
        await world.crash()
        await world.restart()
        await connected(router, metering)
        await router.append(USAGE, usage("req_2"), "router-1", event_id="req_2")
        await eventually(lambda: "req_2" in done)

    assert list(dict.fromkeys(done)) == ["req_1", "req_2"], "at least once: an acknowledgement may have died with it"


async def test_what_was_stored_before_a_crash_is_delivered_after_it(world: BusWorld) -> None:
    router, metering = await world.bus(Service.ROUTER), await world.bus(Service.METERING)
    await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    created_at = await router.stream_created_at(USAGE)
    done: list[str] = []

    async def handler(batch: Sequence[Delivery[UsageRecord]]) -> None:
        done.extend(one.message.request_id for one in batch)

    await world.crash()
    await world.restart()
    async with world.running(metering.consumer(USAGE, "metering-usage", handler).run):
        await eventually(lambda: done == ["req_1"])

    assert await router.stream_created_at(USAGE) == created_at


async def test_questions_and_signals_come_back_after_the_server_was_killed(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    heard: list[int] = []

    async def answer(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        return assignments(ids[0])

    async def hear(message: Heartbeat, ids: tuple[str, ...]) -> None:
        heard.append(message.sequence)

    await scheduler.serve(READ_ASSIGNMENTS, answer)
    await scheduler.subscribe(HEARTBEAT, hear)
    await world.crash()
    await world.restart()
    await connected(scheduler, agent)

    assert await agent.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id=NODE_A, epoch=1), NODE_A)
    await agent.signal(HEARTBEAT, heartbeat(NODE_A, 7), NODE_A)
    await eventually(lambda: heard == [7])


async def test_a_watch_says_that_changes_may_be_missing_and_goes_on(world: BusWorld) -> None:
    catalog, router = await world.bus(Service.CATALOG), await world.bus(Service.ROUTER)
    async with router.bucket(KEYS).watch() as changes, asyncio.timeout(20):
        await world.crash()
        assert await anext(changes) is None
        await world.restart()
        assert await anext(changes) is None
        await eventually(lambda: catalog.is_connected)
        await catalog.bucket(KEYS).put("key_1", api_key())
        change = await anext(changes)

    assert change is not None
    assert change.key == "key_1"


async def test_while_the_server_is_away_calls_fail_at_once_and_signals_are_dropped(world: BusWorld) -> None:
    router, agent = await world.bus(Service.ROUTER), await world.bus(Service.NODE_AGENT, NODE_A)
    await world.crash()

    async with asyncio.timeout(4):  # less than a call waits for an answer
        with pytest.raises(BusUnavailable):
            await router.append(USAGE, usage(), "router-1", event_id="req_1")
        with pytest.raises(BusUnavailable):
            await router.bucket(KEYS).list()
        with pytest.raises(BusUnavailable):
            await agent.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id=NODE_A, epoch=1), NODE_A)
        await agent.signal(HEARTBEAT, heartbeat(NODE_A), NODE_A)


async def test_a_call_in_flight_ends_when_the_server_dies(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    asked = asyncio.Event()

    async def stuck(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    await scheduler.serve(READ_ASSIGNMENTS, stuck)
    question = asyncio.ensure_future(
        agent.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id=NODE_A, epoch=1), NODE_A, timeout_s=60)
    )
    await asked.wait()
    await world.crash()

    async with asyncio.timeout(20):
        with pytest.raises(BusUnavailable):
            await question


async def test_everything_is_provisioned_again_after_the_disk_was_wiped(world: BusWorld) -> None:
    router, catalog = await world.bus(Service.ROUTER), await world.bus(Service.CATALOG)
    await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    created_at = await router.stream_created_at(USAGE)
    metering = await world.bus(Service.METERING)
    done: list[str] = []

    async def handler(batch: Sequence[Delivery[UsageRecord]]) -> None:
        done.extend(one.message.request_id for one in batch)

    async with world.running(metering.consumer(USAGE, "metering-usage", handler).run):
        await eventually(lambda: done == ["req_1"])
        await world.crash()
        await world.restart(wiped=True)
        await connected(router, catalog, metering)
        assert await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1") == 1
        assert await catalog.bucket(KEYS).put("key_1", api_key()) == 1
        await eventually(lambda: done == ["req_1", "req_1"])

    assert await router.stream_created_at(USAGE) > created_at


async def test_connect_returns_with_the_server_down_and_connects_when_it_comes(server_world: BusWorld) -> None:
    await server_world.crash()
    async with asyncio.timeout(20):
        catalog = await server_world.bus(Service.CATALOG)
    assert not catalog.is_connected

    await server_world.restart()
    await eventually(lambda: catalog.is_connected)
    assert await catalog.bucket(KEYS).put("key_1", api_key()) == 1
    await server_world.close()


async def test_a_closed_bus_stays_closed(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)
    await router.close()
    await router.close()

    assert not router.is_connected
    with pytest.raises(BusUnavailable):
        await router.bucket(KEYS).list()

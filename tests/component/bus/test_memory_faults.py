"""The faults of the memory bus do to callers what a bad network does."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import Faults, MemoryBroker, MemoryBus
from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat
from roundhouse_common.contracts.registry import HEARTBEAT, KEYS, READ_ASSIGNMENTS, USAGE
from roundhouse_common.contracts.scheduler import AssignmentsQuery, NodeAssignments
from roundhouse_common.runtime import SystemClock
from tests.component.bus.builders import api_key, assignments, heartbeat, usage
from tests.support.eventually import eventually, never
from tests.support.nats import NODE_A

CLOCK = SystemClock()


class Network:
    """A scheduler and an agent; faults are the agent's."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(CLOCK)
        self.faults = Faults(rng=random.Random(7))
        self.scheduler = MemoryBus(self.broker, Service.SCHEDULER, clock=CLOCK)
        self.agent = MemoryBus(self.broker, Service.NODE_AGENT, clock=CLOCK, node_id=NODE_A, faults=self.faults)
        self.heard: list[int] = []

    async def hear(self, message: Heartbeat, ids: tuple[str, ...]) -> None:
        self.heard.append(message.sequence)

    async def beat(self, *sequences: int) -> None:
        for sequence in sequences:
            await self.agent.signal(HEARTBEAT, heartbeat(NODE_A, sequence), NODE_A)

    async def ask(self, timeout_s: float = 0.1) -> NodeAssignments:
        return await self.agent.request(
            READ_ASSIGNMENTS, AssignmentsQuery(node_id=NODE_A, epoch=1), NODE_A, timeout_s=timeout_s
        )


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    await network.scheduler.connect()
    await network.agent.connect()
    await network.scheduler.subscribe(HEARTBEAT, network.hear)
    yield network
    await network.agent.close()
    await network.scheduler.close()


async def test_dropped_signals_are_gone(network: Network) -> None:
    network.faults.drop = 0.5
    await network.beat(*range(100))
    network.faults.drop = 0.0
    await network.beat(100)
    await eventually(lambda: 100 in network.heard)

    assert 20 < len(network.heard) < 80


async def test_duplicated_signals_come_twice(network: Network) -> None:
    network.faults.duplicate = 1.0
    await network.beat(1, 2)

    await eventually(lambda: network.heard == [1, 1, 2, 2])


async def test_delayed_signals_overtake_each_other(network: Network) -> None:
    network.faults.delay_s = (0.0, 0.1)
    await network.beat(*range(50))

    await eventually(lambda: len(network.heard) == 50)
    assert network.heard != sorted(network.heard)
    assert sorted(network.heard) == list(range(50))


async def test_a_lost_answer_is_a_timeout_although_the_work_was_done(network: Network) -> None:
    served: list[int] = []

    async def answer(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        served.append(question.epoch)
        network.faults.drop = 1.0
        return assignments(NODE_A)

    await network.scheduler.serve(READ_ASSIGNMENTS, answer)
    with pytest.raises(BusUnavailable, match="no answer"):
        await network.ask()

    assert served == [1]


async def test_a_partition_drops_everything_until_it_heals(network: Network) -> None:
    async def answer(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        return assignments(NODE_A)

    await network.scheduler.serve(READ_ASSIGNMENTS, answer)
    network.faults.is_partitioned = True
    await network.beat(1)
    with pytest.raises(BusUnavailable):
        await network.ask()
    network.faults.is_partitioned = False

    assert (await network.ask(5.0)).node_id == NODE_A
    await network.beat(2)
    await eventually(lambda: network.heard == [2])


async def test_a_long_partition_is_noticed_and_a_healed_one_reconnects(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_common.bus.memory_wire._NOTICE_S", 0.05)
    network.faults.is_partitioned = True
    await eventually(lambda: not network.agent.is_connected)
    await never(lambda: network.agent.is_connected, for_s=0.1)
    network.faults.is_partitioned = False

    await eventually(lambda: network.agent.is_connected)


async def test_an_append_whose_answer_is_lost_can_be_repeated() -> None:
    broker, faults = MemoryBroker(CLOCK), Faults(rng=random.Random(3))
    router = MemoryBus(broker, Service.ROUTER, clock=CLOCK, faults=faults)
    await router.connect()
    await eventually(lambda: router.stream_created_at(USAGE))

    faults.duplicate = 1.0
    first = await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    faults.duplicate = 0.0
    again = await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")

    assert first == again == 1
    assert len(broker.stream("USAGE").read(">")) == 1
    await router.close()


async def test_a_lost_hint_is_made_up_for_by_the_next_listing() -> None:
    broker, faults = MemoryBroker(CLOCK), Faults()
    catalog = MemoryBus(broker, Service.CATALOG, clock=CLOCK)
    router = MemoryBus(broker, Service.ROUTER, clock=CLOCK, faults=faults)
    await catalog.connect()
    await router.connect()
    projection = Projection(router, KEYS, relist_s=0.2)
    running = asyncio.ensure_future(projection.run())
    await eventually(lambda: projection.is_synced)

    faults.drop = 1.0
    await catalog.bucket(KEYS).put("key_1", api_key())
    await never(lambda: "key_1" in projection.current, for_s=0.05)
    faults.drop = 0.0

    await eventually(lambda: "key_1" in projection.current, within_s=10)
    running.cancel()
    await router.close()
    await catalog.close()


async def test_an_old_revision_that_arrives_late_does_not_replace_a_newer_one() -> None:
    broker, faults = MemoryBroker(CLOCK), Faults(rng=random.Random(5))
    catalog = MemoryBus(broker, Service.CATALOG, clock=CLOCK)
    router = MemoryBus(broker, Service.ROUTER, clock=CLOCK, faults=faults)
    await catalog.connect()
    await router.connect()
    seen: list[int] = []
    projection = Projection(
        router, KEYS, on_change=lambda changed: seen.extend(int(value.name) for value in changed.values())
    )
    running = asyncio.ensure_future(projection.run())
    await eventually(lambda: projection.is_synced)

    faults.delay_s = (0.0, 0.05)
    for number in range(50):
        await catalog.bucket(KEYS).put("key_1", api_key(name=str(number)))

    await eventually(lambda: seen and seen[-1] == 49)
    assert seen == sorted(seen)
    running.cancel()
    await router.close()
    await catalog.close()

"""Several routers over one bus: how busy endpoints are, where prompts went, who lives, and engines' own queues."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat, ReplicaLoad
from roundhouse_common.contracts.registry import HEARTBEAT
from roundhouse_common.contracts.routing import Balancing, Strategy
from roundhouse_common.runtime import SystemClock
from roundhouse_router.loops.state_sharing import StateSharer
from tests.support.choosing import World, endpoints
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.running_router import deployment_endpoints

INTERVAL_S = 0.05
PROMPT = b"s" * 1000


@contextlib.asynccontextmanager
async def sharing(bus: MemoryBus | NatsBus, router_id: str) -> AsyncIterator[tuple[World, StateSharer]]:
    clock = SystemClock()
    world = World(endpoints(3), balancing=Balancing(strategy=Strategy.PREFIX_AFFINITY))
    world.now = clock.monotonic()
    world.next()
    sharer = StateSharer(
        bus,
        world.chooser,
        clock,
        table=lambda: world.table,
        router_id=router_id,
        incarnation=f"inc_{router_id}",
        interval_s=INTERVAL_S,
    )
    await bus.connect()
    async with sharer.subscribed():
        running = asyncio.create_task(sharer.run(), name=router_id)
        try:
            yield world, sharer
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await bus.close()


def in_memory(broker: MemoryBroker) -> MemoryBus:
    return MemoryBus(broker, Service.ROUTER, clock=SystemClock())


def others(world: World) -> dict[str, int]:
    return {standing.endpoint_id: standing.others for standing in world.chooser.roster.standings if standing.others}


async def test_routers_know_of_each_others_requests_and_prompts() -> None:
    broker = MemoryBroker(SystemClock())
    async with sharing(in_memory(broker), "rtr_1") as (one, sharer), sharing(in_memory(broker), "rtr_2") as (other, _):
        await eventually(lambda: sharer.live_routers() == 2)
        sent = other.send(prompt=lambda: PROMPT)
        await eventually(lambda: others(one) == {sent.endpoint_id: 1})
        assert others(other) == {}, "its own requests are not another router's"
        other.end(sent)
        await eventually(lambda: not others(one))
        assert one.ask(prompt=lambda: PROMPT) == sent.endpoint_id


async def test_a_router_that_is_gone_leaves_no_load_behind() -> None:
    broker = MemoryBroker(SystemClock())
    async with sharing(in_memory(broker), "rtr_1") as (one, sharer):
        async with sharing(in_memory(broker), "rtr_2") as (other, _):
            other.send()
            await eventually(lambda: others(one))
        await eventually(lambda: sharer.live_routers() == 1 and not others(one))


async def test_queues_of_engines_are_heard_from_their_nodes() -> None:
    broker = MemoryBroker(SystemClock())
    agent = MemoryBus(broker, Service.NODE_AGENT, clock=SystemClock())
    await agent.connect()
    async with sharing(in_memory(broker), "rtr_1") as (world, _):
        loads = (
            ReplicaLoad(replica_id="rep_1", running=4, waiting=9),
            ReplicaLoad(replica_id="gone", running=1, waiting=1),
        )
        beat = Heartbeat(node_id="nod_1", epoch=1, incarnation="one", sequence=1, digest="", loads=loads)
        await agent.signal(HEARTBEAT, beat, "nod_1")
        await eventually(lambda: world.chooser.roster.standings.of("rep_1").waiting == 9)
        assert world.chooser.roster.standings.get("gone") is None
    await agent.close()


async def test_endpoints_that_left_the_table_are_forgotten() -> None:
    async with sharing(in_memory(MemoryBroker(SystemClock())), "rtr_1") as (world, _):
        assert len(world.chooser.roster.standings) == 3
        world.serve(deployment_endpoints(endpoints(3).endpoints[0]))
        await eventually(lambda: len(world.chooser.roster.standings) == 1)


async def test_a_bus_that_is_away_costs_precision_only() -> None:
    broker = MemoryBroker(SystemClock())
    async with sharing(in_memory(broker), "rtr_1") as (one, sharer), sharing(in_memory(broker), "rtr_2") as (other, _):
        await eventually(lambda: sharer.live_routers() == 2)
        other.send()
        await eventually(lambda: others(one))
        broker.stop()
        await eventually(lambda: sharer.live_routers() == 1 and not others(one))
        assert one.ask()
        broker.start()
        await eventually(lambda: sharer.live_routers() == 2 and others(one))


async def test_routers_may_tell_and_hear_on_a_real_server(tmp_path: Path, nats_server: NatsServer) -> None:
    def bus(number: int) -> NatsBus:
        seed = nats_server.seed_file(Service.ROUTER)
        return NatsBus(Service.ROUTER, url=nats_server.url, seed_file=seed, clock=SystemClock(), instance=f"r{number}")

    async with sharing(bus(1), "rtr_1") as (one, sharer), sharing(bus(2), "rtr_2") as (other, _):
        await eventually(lambda: sharer.live_routers() == 2)
        sent = other.send(prompt=lambda: PROMPT)
        await eventually(lambda: others(one) == {sent.endpoint_id: 1})
        assert one.ask(prompt=lambda: PROMPT) == sent.endpoint_id


pytestmark = pytest.mark.contract("D08")

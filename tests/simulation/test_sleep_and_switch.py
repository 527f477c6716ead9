"""Sleep, waking and switching with the real scheduler, agents and messages on virtual time."""

import asyncio

import pytest

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.switching import SwitchState
from tests.simulation.seeds import seeds
from tests.simulation.simulate import simulate
from tests.simulation.world import World
from tests.support.scheduler import GIB, a_version
from tests.support.simulated_traffic import SimulatedTraffic

SLEEPY = Autoscale(min_replicas=0, max_replicas=2, target_in_flight=4.0, idle_s=30.0, down_stabilization_s=10.0)


def traffic_of(world: World) -> SimulatedTraffic:
    return SimulatedTraffic(world.router, world.broker, world.clock, world.router_faults)


async def runs(world: World, name: str, count: int) -> str:
    """Return what is wrong when not so many replicas of a deployment are ready."""
    rows = (await world.records()).replicas.values()
    ready = sum(1 for row in rows if row.deployment_id == name and row.phase is Phase.READY)
    return "" if ready == count else f"{ready} of {name} are ready, not {count}"


async def start_time_s(world: World, name: str) -> float:
    """Return how long a deployment's engines take to become ready, from nothing."""
    began = world.clock.monotonic()
    while await runs(world, name, 1):
        await asyncio.sleep(0.05)
    return world.clock.monotonic() - began


@pytest.mark.contract("A36")
@pytest.mark.parametrize("seed", seeds(2, most=3))
def test_a_model_sleeps_when_unused_and_wakes_with_its_next_request(seed: int) -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00")
        async with traffic_of(world) as traffic:
            world.deploy("chat", replicas=1, autoscale=SLEEPY)
            own_s = await start_time_s(world, "chat")
            await traffic.ask("chat")
            await world.until(lambda: runs(world, "chat", 0), within_s=60)
            assert (await world.records()).deployments["chat"].target_reason is Reason.IDLE
            assert await traffic.ask("chat") <= own_s + 1.0
            assert await traffic.ask("chat") == 0.0
            await world.run_for(20)
            assert await runs(world, "chat", 1) == ""

    simulate(scenario, seed)


@pytest.mark.contract("A36", "A05")
def test_load_brings_replicas_and_takes_them_away() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00")
        async with traffic_of(world) as traffic:
            world.deploy("chat", replicas=1, autoscale=SLEEPY)
            await world.until(lambda: runs(world, "chat", 1), within_s=30)
            requests = [asyncio.create_task(traffic.ask("chat", takes_s=60.0)) for _ in range(8)]
            await world.until(lambda: runs(world, "chat", 2), within_s=30)
            await asyncio.gather(*requests)
            await world.until(lambda: runs(world, "chat", 1), within_s=30)

    simulate(scenario)


@pytest.mark.contract("A13", "A15", "D10")
@pytest.mark.parametrize("seed", seeds(2, most=3))
def test_models_that_share_too_little_memory_take_turns(seed: int) -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00", memory_bytes=16 * GIB)
        async with traffic_of(world) as traffic:
            for name in ("red", "green", "blue"):
                version = a_version(1, version_id=f"{name}_v1", memory_bytes=7 * GIB)
                world.deploy(name, replicas=1, version=version, is_evictable=True)
            await world.run_for(20)
            for name in ("red", "green", "blue", "red", "blue", "green"):
                assert await traffic.ask(name) < 30.0
                await world.run_for(8)
            switches = world.core.planner.mirror.switches if world.core is not None else {}
            assert all(item.state is SwitchState.WAITING for item in switches.values())
            assert len([name for name in world.specs if not await runs(world, name, 1)]) == 2

    simulate(scenario, seed)


def test_a_scheduler_that_dies_in_the_middle_of_a_switch_carries_it_on() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00", memory_bytes=16 * GIB)
        async with traffic_of(world) as traffic:
            for name in ("red", "green"):
                version = a_version(1, version_id=f"{name}_v1", memory_bytes=10 * GIB)
                world.deploy(name, replicas=1, version=version, is_evictable=True)
                await world.run_for(5)
            await world.until(lambda: runs(world, "red", 1), within_s=30)
            await world.run_for(10)
            request = asyncio.create_task(traffic.ask("green"))
            while not (await world.records()).deployments["red"].is_sleeping:
                await asyncio.sleep(0.05)
            await world.kill_scheduler()
            await world.run_for(30)
            await world.start_scheduler()
            await asyncio.wait_for(request, 60)
            assert await runs(world, "red", 0) == ""

    simulate(scenario)


def test_a_scheduler_that_restarts_puts_nobody_to_sleep_before_it_has_listened_long_enough() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00")
        async with traffic_of(world) as traffic:
            world.deploy("chat", replicas=1, autoscale=SLEEPY)
            await world.until(lambda: runs(world, "chat", 1), within_s=30)
            await traffic.ask("chat")
            await world.run_for(20)
            await world.kill_scheduler()
            await world.run_for(300)
            await world.start_scheduler()
            await world.run_for(25)
            assert await runs(world, "chat", 1) == ""
            await world.until(lambda: runs(world, "chat", 0), within_s=15)

    simulate(scenario)


def test_a_client_that_leaves_during_its_answer_does_not_keep_its_model_awake() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_00")
        async with traffic_of(world) as traffic:
            world.deploy("chat", replicas=1, autoscale=SLEEPY)
            await world.until(lambda: runs(world, "chat", 1), within_s=60)
            request = asyncio.create_task(traffic.ask("chat", takes_s=500.0))
            await world.run_for(5)
            request.cancel()
            await world.until(lambda: runs(world, "chat", 0), within_s=60)

    simulate(scenario)

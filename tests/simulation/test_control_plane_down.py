"""The control plane goes away for ten minutes. Nothing is destroyed, and everything agrees again afterwards."""

import pytest

from tests.simulation.seeds import seeds
from tests.simulation.settled import disagreement
from tests.simulation.simulate import simulate
from tests.simulation.world import World

_TEN_MINUTES_S = 600.0


async def a_running_cluster(world: World, nodes: int = 5) -> dict[str, int]:
    """Return the process id of every engine, by replica."""
    for i in range(nodes):
        await world.add_node(f"nod_{i:02d}")
    world.deploy("chat", replicas=nodes)
    world.deploy("embed", replicas=2)
    await world.until(lambda: disagreement(world), within_s=60)
    return pids(world)


def pids(world: World) -> dict[str, int]:
    return {key: run.pid for node in world.nodes.values() for key, run in node.host.running().items()}


@pytest.mark.parametrize("seed", seeds(2, most=3))
def test_bus_and_scheduler_down_for_ten_minutes(seed: int) -> None:
    async def scenario(world: World) -> None:
        before = await a_running_cluster(world)
        await world.kill_scheduler()
        world.broker.stop()
        await world.run_for(_TEN_MINUTES_S)
        assert pids(world) == before
        world.broker.start()
        await world.start_scheduler()
        await world.until(lambda: disagreement(world), within_s=60)
        assert pids(world) == before
        assert (world.oracle.lost, world.oracle.stopped) == ([], [])

    simulate(scenario, seed)


@pytest.mark.parametrize("seed", seeds(2, most=3))
def test_only_the_scheduler_down_for_ten_minutes(seed: int) -> None:
    async def scenario(world: World) -> None:
        before = await a_running_cluster(world)
        await world.kill_scheduler()
        await world.run_for(_TEN_MINUTES_S)
        await world.start_scheduler()
        await world.run_for(120)
        assert pids(world) == before
        assert (world.oracle.lost, world.oracle.stopped) == ([], [])

    simulate(scenario, seed)


def test_only_the_bus_down_for_ten_minutes_and_wiped() -> None:
    async def scenario(world: World) -> None:
        before = await a_running_cluster(world)
        world.broker.stop()
        await world.run_for(_TEN_MINUTES_S)
        world.broker.wipe()
        world.broker.start()
        await world.run_for(120)
        await world.until(lambda: disagreement(world), within_s=60)
        assert pids(world) == before
        assert (world.oracle.lost, world.oracle.stopped) == ([], [])

    simulate(scenario)


def test_an_engine_that_died_while_the_control_plane_was_down_is_restarted_afterwards() -> None:
    async def scenario(world: World) -> None:
        before = await a_running_cluster(world)
        await world.kill_scheduler()
        world.broker.stop()
        await world.run_for(60)
        victim = min(world.nodes["nod_00"].host.running())
        world.nodes["nod_00"].host.kill(victim)
        await world.run_for(60)
        world.broker.start()
        await world.start_scheduler()
        await world.until(lambda: disagreement(world), within_s=60)
        after = pids(world)
        assert {key for key in before if before[key] != after[key]} == {victim}

    simulate(scenario)

"""A second scheduler takes over when the first one dies or is stopped, and no engine notices."""

import pytest

from roundhouse_scheduler.core import SchedulerCore
from tests.simulation.processes import LEASE
from tests.simulation.seeds import seeds
from tests.simulation.settled import disagreement
from tests.simulation.simulate import simulate
from tests.simulation.world import World


async def a_standby(world: World) -> SchedulerCore:
    """A second scheduler process on the same database."""
    await world.start_scheduler("standby")
    core = world.schedulers["standby"].core
    assert core is not None
    return core


async def running(world: World) -> None:
    """Three nodes with four replicas of one deployment, all ready."""
    for number in range(3):
        await world.add_node(f"nod_{number}")
    world.deploy("chat", replicas=4)
    await world.until(lambda: disagreement(world), within_s=60)


async def until_it_leads(world: World, core: SchedulerCore, *, within_s: float) -> float:
    began = world.loop.time()
    while not core.leadership.is_leading:
        assert world.loop.time() - began <= within_s, "nobody took over"
        await world.run_for(0.1)
    return world.loop.time() - began


def test_a_standby_replaces_a_dead_leader_within_its_lease_and_no_engine_notices() -> None:
    async def scenario(world: World) -> None:
        standby = await a_standby(world)
        await running(world)
        await world.kill_scheduler()
        took_s = await until_it_leads(world, standby, within_s=60)
        assert took_s <= LEASE.lease_s + 2 * LEASE.renew_every_s
        world.deploy("chat", replicas=5)
        await world.until(lambda: disagreement(world), within_s=30)
        await world.run_for(120)
        assert (world.oracle.stopped, world.oracle.lost) == ([], [])
        assert world.crashes() == 0

    simulate(scenario)


def test_a_clean_stop_hands_over_without_waiting_for_the_lease() -> None:
    async def scenario(world: World) -> None:
        standby = await a_standby(world)
        await running(world)
        assert world.core is not None
        await world.core.stop()
        await world.kill_scheduler()
        assert await until_it_leads(world, standby, within_s=60) <= LEASE.renew_every_s + 0.2

    simulate(scenario)


@pytest.mark.parametrize("seed", seeds(2, most=4))
def test_a_leader_cut_off_from_the_bus_keeps_the_lead_and_nobody_is_given_up(seed: int) -> None:
    async def scenario(world: World) -> None:
        standby = await a_standby(world)
        await running(world)
        world.scheduler_faults.is_partitioned = True
        await world.run_for(200)
        world.scheduler_faults.is_partitioned = False
        await world.until(lambda: disagreement(world), within_s=120)
        assert not standby.leadership.is_leading
        assert (world.oracle.stopped, world.oracle.lost) == ([], [])

    simulate(scenario, seed)

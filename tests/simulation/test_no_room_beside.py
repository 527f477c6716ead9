"""A gang that may not be missing for a moment, and whose new version has no room beside the old one."""

import pytest

from roundhouse_common.contracts.catalog import Rollout
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.gangs import place
from tests.simulation.fleet import NO_ROOM_S, two_devices, version_of
from tests.simulation.settled import disagreement
from tests.simulation.simulate import SimulationFailed, simulate
from tests.simulation.world import World


async def a_new_version(world: World, *, nodes: int) -> None:
    """A gang over two nodes, of which each has one device, gets a new version and all the time that it may take."""
    for i in range(nodes):
        await world.add_node(f"nod_{i}", devices=two_devices(f"nod_{i}")[:1])
    rollout = Rollout(max_surge=1, max_unavailable=0, progress_deadline_s=NO_ROOM_S)
    world.deploy("wide", replicas=1, version=version_of("wide", 1), rollout=rollout)
    await world.until(lambda: disagreement(world), within_s=60)
    world.deploy("wide", replicas=1, version=version_of("wide", 2))
    for _ in range(int(NO_ROOM_S) + 10):
        await world.run_for(1.0)
        rows = (await world.records()).replicas.values()
        ready = [row.version_number for row in rows if row.phase is Phase.READY and row.gang_rank == 0]
        assert ready, "nothing serves"
    await world.until(lambda: disagreement(world), within_s=60)


def test_without_room_the_old_version_serves_on_and_the_new_one_is_given_up_at_its_deadline() -> None:
    async def scenario(world: World) -> None:
        await a_new_version(world, nodes=3)
        assert world.rolled_back == ["wide"]
        assert world.oracle.deadlines_judged == 1

    simulate(scenario)


def test_with_room_the_new_version_takes_over() -> None:
    async def scenario(world: World) -> None:
        await a_new_version(world, nodes=4)
        assert world.rolled_back == []

    simulate(scenario)


def test_a_version_that_is_given_up_though_there_is_room_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_is_due", lambda draft, gang: gang.current[0].version_number == 1)

    async def scenario(world: World) -> None:
        await a_new_version(world, nodes=4)

    with pytest.raises(SimulationFailed, match=r"came no further, though .* have room"):
        simulate(scenario)

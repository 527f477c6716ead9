"""Replicas that span nodes, when a member's node is away for long: they start anew, and never in two epochs at once."""

import pytest

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain import documents
from tests.simulation.fleet import two_devices, version_of
from tests.simulation.settled import disagreement
from tests.simulation.simulate import SimulationFailed, simulate
from tests.simulation.world import SimNode, World

pytestmark = pytest.mark.contract("A07")


async def a_gang(world: World) -> SimNode:
    """Six nodes, one replica over two of them; returns a node of its member that is not the leader."""
    for i in range(6):
        await world.add_node(f"nod_{i}", devices=two_devices(f"nod_{i}"))
    world.deploy("wide", replicas=1, version=version_of("wide", 1), disconnect_grace_s=5.0)
    await world.until(lambda: disagreement(world), within_s=60)
    rows = (await world.records()).replicas.values()
    (member,) = [row for row in rows if row.gang_rank == 1]
    return world.nodes[member.node_id]


async def serves_in_epoch(world: World, epoch: int) -> str:
    rows = (await world.records()).replicas.values()
    ready = [row.gang_rank for row in rows if row.phase is Phase.READY and row.gang_epoch == epoch]
    return "" if sorted(ready) == [0, 1] else f"{ready} are ready in epoch {epoch}"


def test_a_member_that_is_killed_makes_all_meet_anew() -> None:
    async def scenario(world: World) -> None:
        node = await a_gang(world)
        (replica_id,) = node.host.running()
        node.host.kill(replica_id)
        await world.until(lambda: serves_in_epoch(world, 2), within_s=60)
        await world.until(lambda: disagreement(world), within_s=60)
        assert world.oracle.ground.gangs_judged > 0

    simulate(scenario)


def test_a_member_on_a_partitioned_node_has_ended_before_the_others_start_anew() -> None:
    async def scenario(world: World) -> None:
        node = await a_gang(world)
        node.faults.is_partitioned = True
        await world.until(lambda: serves_in_epoch(world, 2), within_s=500)
        assert node.host.running() == {}
        node.faults.is_partitioned = False
        await world.until(lambda: disagreement(world), within_s=120)

    simulate(scenario)


def test_a_member_whose_agent_is_dead_is_ended_by_its_guard() -> None:
    async def scenario(world: World) -> None:
        node = await a_gang(world)
        await world.kill_agent(node)
        await world.until(lambda: serves_in_epoch(world, 2), within_s=500)
        await world.start_agent(node)
        await world.until(lambda: disagreement(world), within_s=120)

    simulate(scenario)


def test_an_outage_of_the_scheduler_shorter_than_the_fence_ends_no_gang() -> None:
    async def scenario(world: World) -> None:
        await a_gang(world)
        await world.kill_scheduler()
        await world.run_for(240)
        await world.start_scheduler()
        await world.until(lambda: serves_in_epoch(world, 1), within_s=60)
        assert world.oracle.stopped == []

    simulate(scenario)


def test_without_a_fence_two_epochs_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "grace_s", lambda replica, deployment: 0.0)

    async def scenario(world: World) -> None:
        node = await a_gang(world)
        node.faults.is_partitioned = True
        await world.until(lambda: serves_in_epoch(world, 2), within_s=500)

    with pytest.raises(SimulationFailed, match="run at once"):
        simulate(scenario)

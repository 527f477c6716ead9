"""A node comes back after its replicas were replaced: one of each stays."""

import pytest

from roundhouse_common.contracts.scheduler import Phase, Reason
from tests.simulation.seeds import seeds
from tests.simulation.settled import disagreement
from tests.simulation.simulate import simulate
from tests.simulation.world import World


async def a_cluster_without_one(world: World) -> None:
    """Six replicas on three nodes; the first node is cut off until its two replicas were given up."""
    for i in range(3):
        await world.add_node(f"nod_{i}")
    await world.until(lambda: joined(world), within_s=30)
    world.deploy("chat", replicas=6)
    await world.until(lambda: disagreement(world), within_s=60)
    world.nodes["nod_0"].faults.is_partitioned = True


async def joined(world: World) -> str:
    """The replicas are spread over the nodes that are known: two on each, if all are."""
    known = len((await world.records()).nodes)
    return "" if known == 3 else f"{known} nodes are known"


async def replaced(world: World) -> str:
    records = await world.records()
    ready = sum(1 for row in records.replicas.values() if row.phase is Phase.READY)
    return "" if len(world.oracle.lost) == 2 and ready == 6 else f"{ready} ready, {world.oracle.lost} lost"


@pytest.mark.parametrize("seed", seeds(2, most=5))
def test_the_replacements_stay_when_they_are_ready(seed: int) -> None:
    async def scenario(world: World) -> None:
        await a_cluster_without_one(world)
        await world.until(lambda: replaced(world), within_s=150)
        assert len(world.nodes["nod_0"].host.running()) == 2
        world.nodes["nod_0"].faults.is_partitioned = False
        await world.until(lambda: disagreement(world), within_s=90)
        records = await world.records()
        assert sorted(row.phase for row in records.replicas.values()) == [Phase.READY] * 6
        stopped = {(node_id, replica_id) for node_id, replica_id, _ in world.oracle.stopped}
        assert stopped == {("nod_0", replica_id) for replica_id in world.oracle.lost}
        assert all(world.oracle.reason_to_stop(key) is Reason.SURVIVOR_ELSEWHERE for key in world.oracle.lost)

    simulate(scenario, seed)


@pytest.mark.parametrize("seed", seeds(2, most=5))
def test_the_returned_ones_stay_when_their_replacements_are_not_ready_yet(seed: int) -> None:
    async def scenario(world: World) -> None:
        await a_cluster_without_one(world)
        for node_id in ("nod_1", "nod_2"):
            world.nodes[node_id].host.load_s = 3600.0
        while len(world.oracle.lost) < 2:
            await world.run_for(1.0)
        world.nodes["nod_0"].faults.is_partitioned = False
        await world.until(lambda: disagreement(world), within_s=90)
        assert len(world.nodes["nod_0"].host.running()) == 2
        assert "nod_0" not in {node_id for node_id, _, _ in world.oracle.stopped}

    simulate(scenario, seed)

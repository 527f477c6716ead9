"""Every heartbeat is late at once: we are blind, they are not dead."""

import pytest

from roundhouse_common.contracts.scheduler import EndpointState, Phase
from roundhouse_scheduler.domain.records import NodeState
from tests.simulation.seeds import seeds
from tests.simulation.settled import disagreement
from tests.simulation.simulate import simulate
from tests.simulation.world import World

_NODES = 20


async def a_fleet(world: World) -> None:
    for i in range(_NODES):
        await world.add_node(f"nod_{i:02d}")
    world.deploy("chat", replicas=_NODES)
    await world.until(lambda: disagreement(world), within_s=60)


@pytest.mark.parametrize("seed", seeds(1, most=2))
def test_twenty_agents_late_at_once_lose_nothing(seed: int) -> None:
    async def scenario(world: World) -> None:
        await a_fleet(world)
        for node in world.nodes.values():
            node.faults.is_partitioned = True
        await world.run_for(300)
        records = await world.records()
        assert {row.state for row in records.nodes.values()} == {NodeState.LATE}
        assert {row.phase for row in records.replicas.values()} == {Phase.UNKNOWN}
        shown = world.router.table.deployments["chat"].endpoints
        assert [item.state for item in shown] == [EndpointState.SUSPECT] * _NODES
        await come_back_one_by_one(world)
        await world.until(lambda: disagreement(world), within_s=60)
        assert (world.oracle.lost, world.oracle.stopped) == ([], [])

    async def come_back_one_by_one(world: World) -> None:
        for _, node in sorted(world.nodes.items()):
            node.faults.is_partitioned = False
            await world.run_for(3.0)

    simulate(scenario, seed)


def test_one_node_of_twenty_that_is_really_dead_is_replaced() -> None:
    async def scenario(world: World) -> None:
        await a_fleet(world)
        dead = world.nodes["nod_07"]
        await world.kill_agent(dead)
        await world.run_for(120)
        records = await world.records()
        assert records.nodes["nod_07"].state is NodeState.UNREACHABLE
        ready = [row for row in records.replicas.values() if row.phase is Phase.READY]
        assert len(ready) == _NODES
        assert len(world.oracle.lost) == 1

    simulate(scenario)

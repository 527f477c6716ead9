"""A scheduler takes over with an older copy of the record: what runs is neither stopped nor taken from routers, from
the first moment on."""

from collections.abc import Callable

import pytest

from roundhouse_common.contracts.scheduler import EndpointState
from tests.simulation.seeds import ASKED
from tests.simulation.settled import disagreement
from tests.simulation.simulate import simulate
from tests.simulation.world import World
from tests.support.scheduler import a_version

SEEDS = max(3, ASKED // 10)
"""`scripts/test --sim`: 200."""


def running(world: World) -> set[str]:
    return {replica_id for node in world.nodes.values() for replica_id in node.host.running()}


def shown(world: World) -> set[str]:
    """The replicas that routers send requests to."""
    deployments = world.router.table.deployments.values()
    return {one.replica_id for item in deployments for one in item.endpoints if one.state is EndpointState.READY}


async def changed_since(world: World) -> bytes:
    """Two nodes and two deployments, then a copy of the record, then more of everything; return the copy."""
    for number in range(2):
        await world.add_node(f"nod_{number}")
    await world.start_scheduler("standby")
    world.deploy("chat", replicas=2, version=a_version(1, version_id="chat_v1"))
    world.deploy("embed", replicas=1, version=a_version(1, version_id="embed_v1"))
    await world.until(lambda: disagreement(world), within_s=60)
    older = world.keep_copy()
    if world.rng.random() < 0.5:
        await world.add_node("nod_2")
    if world.rng.random() < 0.3:
        node = world.nodes["nod_0"]
        await world.kill_agent(node)  # it comes back in an epoch that the copy does not know
        await world.start_agent(node)
    world.deploy("chat", replicas=4)
    world.deploy("later", replicas=2, version=a_version(1, version_id="later_v1"))
    await world.until(lambda: disagreement(world), within_s=60)
    return older


async def lose(world: World, older: bytes, order: Callable[[World], None]) -> None:
    """Both schedulers die, and come back on the copy, over a network that may be slow."""
    for name in world.schedulers:
        await world.kill_scheduler(name)
    await world.replace_record(older)
    await world.run_for(world.rng.choice((0.0, 0.0, 1.0, 20.0)))
    order(world)
    delay_s = world.rng.choice(((0.0, 0.0), (0.0, 0.5), (0.2, 2.0)))
    for scheduler in world.schedulers.values():
        scheduler.faults.delay_s = delay_s
    for name in world.rng.sample(sorted(world.schedulers), len(world.schedulers)):
        await world.start_scheduler(name)


def nothing(_world: World) -> None:
    """Nobody wants anything else meanwhile."""


def more(world: World) -> None:
    """A generation that the copy does not know either: documents of the deployments are newer than all before."""
    world.deploy("chat", replicas=4, drain_timeout_s=20.0)
    world.deploy("embed", replicas=1, drain_timeout_s=20.0)


@pytest.mark.parametrize("order", [nothing, more])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_routers_and_nodes_lose_nothing_to_an_older_record(seed: int, order: Callable[[World], None]) -> None:
    async def scenario(world: World) -> None:
        older = await changed_since(world)
        before = running(world)
        assert shown(world) == before
        await lose(world, older, order)
        until = world.loop.time() + 90
        while world.loop.time() < until:
            await world.run_for(0.05 if world.loop.time() < until - 80 else 0.5)
            lost = before - shown(world)
            assert not lost, f"routers have lost {sorted(lost)}"
        for scheduler in world.schedulers.values():
            scheduler.faults.delay_s = (0.0, 0.0)
        await world.until(lambda: disagreement(world), within_s=120)
        assert running(world) >= before
        assert (world.oracle.stopped, world.oracle.lost) == ([], [])
        assert world.crashes() == 0

    simulate(scenario, seed)

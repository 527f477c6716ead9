"""Orders for model files with the real scheduler and agents on virtual time: lost messages, dead schedulers, a wiped
bus and silent nodes cost time, never an order."""

import pytest

from roundhouse_common.contracts.provisioning import FilesState, FileWish
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.store.provisioning import find_file_order, read_file_orders
from roundhouse_scheduler.store.standing_orders import place_order, remove_files, told_nodes
from tests.simulation.seeds import seeds
from tests.simulation.simulate import simulate
from tests.simulation.world import World
from tests.support.fake_keeper import FakeKeeper
from tests.support.provisioning import QWEN, files_order

KEY = source_key(QWEN)
FETCH_S = 20.0


async def add_nodes(world: World, *names: str) -> None:
    for name in names:
        await world.add_node(name, keeper=FakeKeeper(world.clock, fetch_s=FETCH_S, files_url=f"http://{name}:9"))


async def order(world: World) -> None:
    """Another scheduler takes an order for all nodes."""
    async with world.outside_db.write() as session:
        await place_order(session, files_order(), [], await told_nodes(session), ids=world.ids)


async def remove(world: World) -> None:
    async with world.outside_db.write() as session:
        found, nodes = await find_file_order(session, "for_1"), await told_nodes(session)
        at = world.clock.now()
        await remove_files(session, found, nodes, FileWish.REMOVE, actor="user:a", at=at, ids=world.ids)


def states(world: World) -> dict[str, str]:
    """What each node has of the files."""
    found = {}
    for name, node in world.nodes.items():
        assert node.keeper is not None
        model = node.keeper.models.get(KEY)
        found[name] = model.state.value if model is not None else "gone"
    return found


async def lacking(world: World, state: str) -> str:
    """Return what is wrong when not every node is that far."""
    return "" if set(states(world).values()) == {state} else str(states(world))


async def orders_left(world: World) -> str:
    async with world.outside_db.read() as session:
        left = await read_file_orders(session)
    return ", ".join(item.order_id for item in left)


@pytest.mark.contract("A10")
@pytest.mark.parametrize("seed", seeds(2, most=4))
def test_an_order_reaches_every_node_and_its_removal_too_whatever_is_lost(seed: int) -> None:
    async def scenario(world: World) -> None:
        await add_nodes(world, "nod_0", "nod_1", "nod_2")
        for faults in (world.scheduler_faults, *(node.faults for node in world.nodes.values())):
            faults.drop, faults.duplicate, faults.delay_s = 0.2, 0.1, (0.0, 0.5)
        await order(world)
        await world.run_for(world.rng.uniform(0.0, 20.0))
        await world.kill_scheduler()
        await world.run_for(5)
        await world.start_scheduler()
        await world.run_for(world.rng.uniform(0.0, 30.0))
        world.broker.stop()
        world.broker.wipe()
        await world.run_for(5)
        world.broker.start()
        await add_nodes(world, "nod_9")
        await world.until(lambda: lacking(world, FilesState.READY.value), within_s=400)
        await remove(world)
        await world.run_for(world.rng.uniform(0.0, 3.0))
        await world.kill_scheduler()
        await world.start_scheduler()
        await world.until(lambda: lacking(world, "gone"), within_s=200)
        await world.until(lambda: orders_left(world), within_s=200)

    simulate(scenario, seed)


def test_a_removal_waits_for_a_node_that_is_away() -> None:
    async def scenario(world: World) -> None:
        await add_nodes(world, "nod_0", "nod_1")
        await order(world)
        await world.until(lambda: lacking(world, FilesState.READY.value), within_s=120)
        world.nodes["nod_1"].faults.is_partitioned = True
        await remove(world)
        await world.run_for(300)
        assert states(world) == {"nod_0": "gone", "nod_1": "ready"}
        assert await orders_left(world) == "for_1"
        world.nodes["nod_1"].faults.is_partitioned = False
        await world.until(lambda: orders_left(world), within_s=120)
        assert await lacking(world, "gone") == ""

    simulate(scenario)


def test_nodes_that_need_files_are_told_who_has_them() -> None:
    async def scenario(world: World) -> None:
        await add_nodes(world, "nod_0")
        await order(world)
        await world.until(lambda: lacking(world, FilesState.READY.value), within_s=120)
        await add_nodes(world, "nod_1")
        await world.run_for(15)
        keeper = world.nodes["nod_1"].keeper
        assert keeper is not None
        assert keeper.orders is not None
        assert [[peer.node_id for peer in item.peers] for item in keeper.orders.files] == [["nod_0"]]

    simulate(scenario)

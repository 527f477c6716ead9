"""The scheduler's database is wiped, or restored from an older copy, under running engines: none of them is stopped."""

import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, Resources
from roundhouse_common.contracts.scheduler import EndpointState, Phase
from tests.simulation.fleet import two_devices, version_of
from tests.simulation.seeds import seeds
from tests.simulation.settled import disagreement
from tests.simulation.simulate import empty_record, simulate
from tests.simulation.world import World
from tests.support.scheduler import GIB, a_version


def running(world: World) -> dict[str, set[str]]:
    return {node_id: set(node.host.running()) for node_id, node in world.nodes.items()}


def shown(world: World) -> set[str]:
    """The replicas that routers send requests to."""
    return {
        endpoint.replica_id
        for deployment in world.router.table.deployments.values()
        for endpoint in deployment.endpoints
        if endpoint.state is EndpointState.READY
    }


async def start(world: World) -> dict[str, set[str]]:
    """Four nodes, two deployments, six replicas; return what runs where."""
    for number in range(4):
        await world.add_node(f"nod_{number}")
    world.deploy("chat", replicas=4, version=a_version(1, version_id="chat_v1"))
    world.deploy("embed", replicas=2, version=a_version(1, version_id="embed_v1"))
    await world.until(lambda: disagreement(world), within_s=60)
    return running(world)


async def lose(world: World, record: bytes, *, away_s: float = 0.0) -> None:
    """The scheduler comes back on another database."""
    await world.kill_scheduler()
    await world.replace_record(record)
    await world.run_for(away_s)
    await world.start_scheduler()


async def keeps_serving(world: World, expected: set[str], *, for_s: float) -> None:
    """Routers have an endpoint of every engine, all the time."""
    until = world.loop.time() + for_s
    while world.loop.time() < until:
        await world.run_for(0.5)
        assert shown(world) >= expected, f"routers have lost {expected - shown(world)}"


@pytest.mark.parametrize("seed", seeds(2, most=3))
@pytest.mark.parametrize("away_s", [0.0, 40.0])
def test_a_wiped_record_takes_every_engine_up_again(seed: int, away_s: float) -> None:
    async def scenario(world: World) -> None:
        before = await start(world)
        await lose(world, empty_record(), away_s=away_s)
        await keeps_serving(world, set().union(*before.values()), for_s=60)
        await world.until(lambda: disagreement(world), within_s=60)
        assert running(world) == before
        assert (world.oracle.stopped, world.oracle.lost) == ([], [])
        rows = (await world.records()).replicas.values()
        assert {row.phase for row in rows} == {Phase.READY}
        assert world.crashes() == 0

    simulate(scenario, seed)


@pytest.mark.parametrize("seed", seeds(2, most=3))
def test_an_older_record_takes_up_what_it_has_not_seen(seed: int) -> None:
    async def scenario(world: World) -> None:
        await start(world)
        await world.kill_scheduler()
        older = world.keep_copy()
        await world.start_scheduler()
        world.deploy("chat", replicas=6)
        world.deploy("later", replicas=2, version=a_version(1, version_id="later_v1"))
        await world.until(lambda: disagreement(world), within_s=60)
        before = running(world)
        await lose(world, older)
        await world.run_for(90)
        await world.until(lambda: disagreement(world), within_s=60)
        assert running(world) == before
        assert (world.oracle.stopped, world.oracle.lost) == ([], [])
        assert world.crashes() == 0

    simulate(scenario, seed)


def test_an_engine_that_hangs_is_taken_up_too_and_started_afresh() -> None:
    async def scenario(world: World) -> None:
        before = await start(world)
        victim = min(before["nod_0"])
        world.nodes["nod_0"].host.hang(victim)
        await world.run_for(20)
        await lose(world, empty_record())
        await world.until(lambda: disagreement(world), within_s=180)
        assert {key for _, key, _ in world.oracle.stopped} == {victim}

    simulate(scenario)


def test_nodes_follow_a_record_of_yesterday_though_they_were_told_more_than_it_knows() -> None:
    async def scenario(world: World) -> None:
        await start(world)
        yesterday = world.keep_copy()
        for replicas in (1, 4, 1, 4):
            world.deploy("chat", replicas=replicas)
            await world.until(lambda: disagreement(world), within_s=60)
        await lose(world, yesterday)
        world.deploy("chat", replicas=2)
        await world.until(lambda: disagreement(world), within_s=60)

    simulate(scenario)


def test_what_a_record_of_yesterday_runs_elsewhere_does_not_start_where_another_engine_was_taken_up() -> None:
    alone = Resources(memory_bytes=4 * GIB, device_count=1, is_exclusive=True)

    async def scenario(world: World) -> None:
        await world.add_node("nod_0", devices=two_devices("nod_0")[:1])
        world.deploy("first", replicas=1, version=a_version(1, version_id="first_v1", resources=alone))
        await world.until(lambda: disagreement(world), within_s=60)
        yesterday = world.keep_copy()
        world.deploy("first", replicas=0)
        world.deploy("second", replicas=1, version=a_version(1, version_id="second_v1", resources=alone))
        await world.until(lambda: disagreement(world), within_s=60)
        (second,) = running(world)["nod_0"]
        await world.kill_scheduler()
        world.deploy("first", replicas=1)
        await lose(world, yesterday)
        await world.add_node("nod_1", devices=two_devices("nod_1")[:1])
        await world.until(lambda: disagreement(world), within_s=60)
        assert running(world)["nod_0"] == {second}

    simulate(scenario)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_gang_waits_for_the_member_whose_node_is_away(rank: int) -> None:
    async def scenario(world: World) -> None:
        for number in range(4):
            await world.add_node(f"nod_{number}", devices=two_devices(f"nod_{number}"))
        world.deploy("wide", replicas=1, version=version_of("wide", 1), disconnect_grace_s=5.0)
        await world.until(lambda: disagreement(world), within_s=60)
        before = running(world)
        (away,) = [row.node_id for row in (await world.records()).replicas.values() if row.gang_rank == rank]
        world.nodes[away].faults.is_partitioned = True
        await lose(world, empty_record())
        await world.run_for(120)
        world.nodes[away].faults.is_partitioned = False
        await world.run_for(120)
        await world.until(lambda: disagreement(world), within_s=300)
        if rank == 1:
            assert running(world) == before

    simulate(scenario)


def test_a_gang_waits_as_long_as_its_deployment_lets_a_node_be_away() -> None:
    """The member that nobody knows of fences itself only after the deployment's own grace."""

    async def scenario(world: World) -> None:
        for number in range(4):
            await world.add_node(f"nod_{number}", devices=two_devices(f"nod_{number}"))
        world.deploy("wide", replicas=1, version=version_of("wide", 1), disconnect_grace_s=900.0)
        await world.until(lambda: disagreement(world), within_s=60)
        before = running(world)
        (away,) = [row.node_id for row in (await world.records()).replicas.values() if row.gang_rank == 1]
        world.nodes[away].faults.is_partitioned = True
        await lose(world, empty_record())
        await world.run_for(600)
        assert running(world) == before
        world.nodes[away].faults.is_partitioned = False
        await world.until(lambda: disagreement(world), within_s=60)
        assert running(world) == before

    simulate(scenario)


def test_an_engine_of_a_version_that_is_lost_makes_room_for_the_wanted_one() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_0", memory_bytes=16 * GIB)
        world.deploy("chat", replicas=1, version=a_version(1, version_id="chat_v1", memory_bytes=9 * GIB))
        await world.until(lambda: disagreement(world), within_s=60)
        await world.kill_scheduler()
        world.deploy("chat", replicas=1, version=a_version(2, version_id="chat_v2", memory_bytes=9 * GIB))
        await lose(world, empty_record())
        await world.until(lambda: disagreement(world), within_s=180)
        ((_, stopped, _),) = world.oracle.stopped
        assert world.oracle.reason_to_stop(stopped) == "version-replaced"

    simulate(scenario)


def test_what_is_too_many_is_drained_afterwards_for_an_ordinary_reason() -> None:
    async def scenario(world: World) -> None:
        before = await start(world)
        await world.kill_scheduler()
        world.deploy("chat", replicas=2)
        world.deploy("embed", replicas=2, desired=DeploymentDesired.STOP)
        await lose(world, empty_record())
        await world.until(lambda: disagreement(world), within_s=120)
        stopped = {replica_id for _, replica_id, _ in world.oracle.stopped}
        assert stopped <= set().union(*before.values())
        assert len(stopped) == 4
        assert {world.oracle.reason_to_stop(replica_id) for replica_id in stopped} == {
            "scaled-down",
            "deployment-stopped",
        }

    simulate(scenario)


def test_without_the_catalogs_specs_nothing_is_stopped_however_long() -> None:
    async def scenario(world: World) -> None:
        before = await start(world)
        specs = dict(world.specs)
        world.specs.clear()  # the catalog is away
        world.broker.stop()
        world.broker.wipe()
        world.broker.start()
        await lose(world, empty_record())
        await world.run_for(900)
        assert running(world) == before
        assert world.oracle.stopped == []
        world.specs |= specs
        world.deploy("chat", replicas=4)
        await world.until(lambda: disagreement(world), within_s=120)
        assert running(world) == before
        assert world.oracle.stopped == []

    simulate(scenario)


def test_an_engine_of_a_deployment_that_is_gone_is_stopped_once_that_is_certain() -> None:
    async def scenario(world: World) -> None:
        await start(world)
        await world.kill_scheduler()
        del world.specs["embed"]
        world.broker.stop()
        world.broker.wipe()
        world.broker.start()
        await lose(world, empty_record())
        world.deploy("chat", replicas=4)
        await world.run_for(45)
        assert world.oracle.stopped == []
        await world.run_for(120)
        assert {world.oracle.reason_to_stop(key) for _, key, _ in world.oracle.stopped} == {"deployment-deleted"}
        assert len(world.oracle.stopped) == 2
        assert sum(map(len, running(world).values())) == 4

    simulate(scenario)

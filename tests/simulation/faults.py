"""What breaks in a simulation: the network, the bus, agents, hosts, engines, and what is said of them."""

from collections.abc import Awaitable, Callable

import msgspec

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import NodeReport, ObservedPhase
from roundhouse_common.contracts.registry import ASSIGNMENTS, REPORTS
from roundhouse_common.contracts.scheduler import NodeAssignments
from tests.simulation.fleet import a_node_of
from tests.simulation.world import World

__all__ = ["FAULTS"]


async def partition_node(world: World) -> None:
    faults = a_node_of(world).faults
    world.say("partition or heal a node")
    faults.is_partitioned = not faults.is_partitioned


async def lose_node(world: World) -> None:
    """One node is away for long enough to be given up, with everything else as it is."""
    node = a_node_of(world)
    world.say(f"{node.node_id} is away for long")
    node.faults.is_partitioned = True
    await world.run_for(world.rng.choice((25.0, 45.0)))
    node.faults.is_partitioned = False


async def partition_most(world: World) -> None:
    world.say("partition every node")
    for node in world.nodes.values():
        node.faults.is_partitioned = True
    await world.run_for(world.rng.choice((10.0, 30.0, 100.0)))
    for node in world.nodes.values():
        node.faults.is_partitioned = world.rng.random() < 0.2


async def partition_scheduler(world: World) -> None:
    scheduler = world.schedulers[world.rng.choice(sorted(world.schedulers))]
    world.say(f"partition or heal {scheduler.name}")
    scheduler.faults.is_partitioned = not scheduler.faults.is_partitioned


async def bad_network(world: World) -> None:
    schedulers = [scheduler.faults for scheduler in world.schedulers.values()]
    faults = world.rng.choice([*schedulers, world.router_faults, a_node_of(world).faults])
    faults.drop = world.rng.choice((0.0, 0.05, 0.3))
    faults.duplicate = world.rng.choice((0.0, 0.2))
    faults.delay_s = world.rng.choice(((0.0, 0.0), (0.0, 0.5), (0.5, 4.0)))
    world.say(f"drop {faults.drop}, duplicate {faults.duplicate}, delay {faults.delay_s}")


async def bus_outage(world: World) -> None:
    wipes = world.rng.random() < 0.5
    world.say(f"bus down, wiped: {wipes}")
    world.broker.stop()
    await world.run_for(world.rng.choice((0.5, 5.0, 40.0)))
    if wipes:
        world.broker.wipe()
    world.broker.start()


async def crash_agent(world: World) -> None:
    node = a_node_of(world)
    world.say(f"agent of {node.node_id} crashes")
    await world.kill_agent(node)
    await world.run_for(world.rng.choice((0.0, 1.0, 30.0)))
    await world.start_agent(node)


async def reboot(world: World) -> None:
    node = a_node_of(world)
    world.say(f"{node.node_id} reboots")
    await world.reboot(node)


async def hurt_engine(world: World) -> None:
    host = a_node_of(world).host
    running = sorted(host.running())
    if running:
        victim = world.rng.choice(running)
        how = world.rng.choice((host.kill, lambda key: host.exit(key, code=1), host.hang))
        world.say(f"engine of {victim} is hurt")
        how(victim)


async def ghost(world: World) -> None:
    """An agent of an earlier epoch, or another one altogether, still speaks for a node: everything failed, it says."""
    node = a_node_of(world)
    bus = MemoryBus(world.broker, Service.NODE_AGENT, clock=world.clock, node_id=node.node_id)
    await bus.connect()
    try:
        entry = await bus.bucket(REPORTS).get(node.node_id)
        if entry is not None:
            world.say(f"a ghost speaks for {node.node_id}")
            await bus.bucket(REPORTS).put(node.node_id, _haunted(entry.value, world.rng.choice(("epoch", "inc"))))
    except BusUnavailable:
        return
    finally:
        await bus.close()


def _haunted(report: NodeReport, how: str) -> NodeReport:
    dead = tuple(
        msgspec.structs.replace(item, phase=ObservedPhase.FAILED, reason="engine-exited", pid=0)
        for item in report.replicas
    )
    ghostly = msgspec.structs.replace(report, replicas=dead, sequence=report.sequence + 1000)
    if how == "epoch":
        return msgspec.structs.replace(ghostly, epoch=report.epoch - 1)
    return msgspec.structs.replace(ghostly, incarnation="ghost")


async def tamper(world: World) -> None:
    """The bucket comes back damaged: a node's document has lost its assignments. Only the record may stop an engine."""
    node = a_node_of(world)
    if not world.broker.is_running:
        return
    records = await world.records()
    known = records.nodes.get(node.node_id)
    if known is None:
        return
    world.say(f"the assignments of {node.node_id} are lost from the bucket")
    empty = NodeAssignments(
        node_id=node.node_id, epoch=known.epoch, revision=known.assignments_revision, assignments=()
    )
    world.forge(ASSIGNMENTS, node.node_id, empty)


FAULTS: dict[Callable[[World], Awaitable[None]], float] = {
    partition_node: 3,
    lose_node: 2,
    partition_most: 0.5,
    partition_scheduler: 1,
    bad_network: 3,
    bus_outage: 1,
    crash_agent: 2,
    reboot: 1,
    hurt_engine: 2,
    ghost: 2,
    tamper: 2,
}
"""How often, compared with one another."""

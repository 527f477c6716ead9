"""Random faults and random wishes, from a seed; then quiet, in which everything must come to agree."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.memory import MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import (
    DeploymentDesired,
    Resources,
    Rollout,
    RolloutStrategy,
    VersionSpec,
)
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor, NodeReport, ObservedPhase
from roundhouse_common.contracts.registry import ASSIGNMENTS, REPORTS
from roundhouse_common.contracts.scheduler import NodeAssignments
from roundhouse_scheduler.domain.duties import Ordered, quarantine, release, set_duty
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import Node, NodeDuty
from roundhouse_scheduler.domain.view import View
from tests.simulation.settled import disagreement
from tests.simulation.world import BROKEN, SimNode, World
from tests.support.scheduler import GIB, a_version

__all__ = ["chaos"]

_KINDS = {"chat": 4, "embed": 3, "wide": 1}
"""The deployments, and the most replicas of each."""
_TROUBLE_S = 150.0
_QUIET_S = 300.0
_Trouble = Callable[[World], Awaitable[None]]


async def chaos(world: World) -> None:
    """Three to six nodes with two devices each, three deployments, two and a half minutes of trouble, then quiet."""
    for i in range(world.rng.randint(3, 6)):
        await world.add_node(f"nod_{i}", memory_bytes=16 * GIB, devices=two_devices(f"nod_{i}"))
    for name in _KINDS:
        world.deploy(
            name,
            replicas=world.rng.randint(1, _KINDS[name]),
            version=version_of(name, 1),
            disconnect_grace_s=world.rng.choice((5.0, 20.0, 60.0)),
            rollout=Rollout(
                strategy=world.rng.choice((RolloutStrategy.ROLLING, RolloutStrategy.RECREATE)),
                max_surge=world.rng.choice((0, 1, 2)),
                max_unavailable=world.rng.choice((0, 1)),
                min_ready_s=world.rng.choice((0.0, 3.0)),
            ),
            failure_budget=1000,
        )
    await world.run_for(world.rng.uniform(0.0, 10.0))
    until = world.loop.time() + _TROUBLE_S
    while world.loop.time() < until:
        trouble = world.rng.choices(list(_TROUBLES), weights=list(_TROUBLES.values()))[0]
        await trouble(world)
        await world.run_for(world.rng.choice((0.0, 0.1, 1.0, 5.0, 10.0)))
    await quiet(world)
    await world.until(lambda: disagreement(world), within_s=_QUIET_S)
    assert world.crashes() == 0


def two_devices(node_id: str) -> tuple[DeviceInfo, ...]:
    """Two accelerators of 16 GiB."""
    return tuple(
        DeviceInfo(
            uuid=f"{node_id}-gpu-{index}",
            index=index,
            vendor=DeviceVendor.NVIDIA,
            model="H100",
            memory_total_bytes=16 * GIB,
            memory_free_bytes=16 * GIB,
        )
        for index in range(2)
    )


def version_of(name: str, number: int, *, is_broken: bool = False) -> VersionSpec:
    """`chat` shares hosts, `embed` shares devices, `wide` spans two nodes with a device of its own on each."""
    resources = {
        "chat": Resources(memory_bytes=GIB),
        "embed": Resources(memory_bytes=6 * GIB, device_count=1),
        "wide": Resources(memory_bytes=4 * GIB, device_count=1, node_count=2, is_exclusive=True),
    }[name]
    model = BROKEN if is_broken else "smol"
    return a_version(number, version_id=f"{name}_v{number}", resources=resources, model_name=model)


async def quiet(world: World) -> None:
    """End every fault."""
    world.say("quiet")
    if not world.broker.is_running:
        world.broker.start()
    for faults in (world.scheduler_faults, world.router_faults, *(node.faults for node in world.nodes.values())):
        faults.is_partitioned, faults.drop, faults.duplicate, faults.delay_s = False, 0.0, 0.0, (0.0, 0.0)
    await world.start_scheduler()
    for node in world.nodes.values():
        await world.start_agent(node)
    for node_id in sorted(world.nodes):
        await world.order(node_id, lambda node: set_duty(node, NodeDuty.ACTIVE, reason="", at=world.clock.now()))
        for device in two_devices(node_id):
            await world.order(node_id, lambda node, uuid=device.uuid: release(node, uuid))  # type: ignore[misc]
    for name, spec in sorted(world.specs.items()):
        if spec.is_paused:
            world.deploy(name, replicas=spec.replicas, is_paused=False)


def a_node_of(world: World) -> SimNode:
    return world.nodes[world.rng.choice(sorted(world.nodes))]


async def scale(world: World) -> None:
    name = world.rng.choice(sorted(world.specs))
    replicas = world.rng.randint(0, _KINDS[name])
    world.say(f"scale {name} to {replicas}")
    world.deploy(name, replicas=replicas)


async def stop_or_start(world: World) -> None:
    name = world.rng.choice(sorted(world.specs))
    was_running = world.specs[name].desired is DeploymentDesired.RUN
    desired = DeploymentDesired.STOP if was_running else DeploymentDesired.RUN
    world.say(f"{desired.value} {name}")
    world.deploy(name, replicas=world.specs[name].replicas, desired=desired)


async def new_version(world: World) -> None:
    name = world.rng.choice(sorted(world.specs))
    if world.specs[name].version.model_name == BROKEN:
        return
    number = world.specs[name].version.number + 1
    is_broken = world.rng.random() < 0.4
    world.say(f"version {number} of {name}, broken: {is_broken}")
    version = version_of(name, number, is_broken=is_broken)
    world.deploy(name, replicas=world.specs[name].replicas, version=version)


async def pause_or_resume(world: World) -> None:
    name = world.rng.choice(sorted(world.specs))
    is_paused = not world.specs[name].is_paused
    world.say(f"pause {name}: {is_paused}")
    world.deploy(name, replicas=world.specs[name].replicas, is_paused=is_paused)


async def order_a_node(world: World) -> None:
    """Cordon, drain or maintain a node, or take it up again."""
    node_id, duty = a_node_of(world).node_id, world.rng.choice(list(NodeDuty))
    world.say(f"{node_id} is to be {duty}")
    await world.order(node_id, lambda node: set_duty(node, duty, reason="a whim", at=world.clock.now()))


async def quarantine_a_device(world: World) -> None:
    node_id, at = a_node_of(world).node_id, world.clock.now()
    uuid = world.rng.choice(two_devices(node_id)).uuid
    world.say(f"{uuid} is quarantined or released")

    def turn(node: Node) -> Ordered:
        if any(item.device_uuid == uuid for item in node.quarantines):
            return release(node, uuid)
        return quarantine(node, uuid, reason="errors", actor="user:admin", at=at)

    await world.order(node_id, turn)


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
    world.say("partition or heal the scheduler")
    world.scheduler_faults.is_partitioned = not world.scheduler_faults.is_partitioned


async def bad_network(world: World) -> None:
    faults = world.rng.choice([world.scheduler_faults, world.router_faults, a_node_of(world).faults])
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


async def crash_scheduler(world: World) -> None:
    world.say("scheduler crashes")
    await world.kill_scheduler()
    await world.run_for(world.rng.choice((0.0, 1.0, 20.0)))
    await world.start_scheduler()


async def crash_after_commit(world: World) -> None:
    """The next plan is committed, and nobody is told before the process dies."""
    core = world.core
    if core is None:
        return
    world.say("scheduler crashes right after its next commit")
    committed = asyncio.Event()

    def die(_view: View, plan: Plan) -> None:
        if not plan.is_empty:
            world.schedulers["scheduler"].freeze()
            committed.set()

    core.observers.append(die)
    await scale(world)
    with suppress(TimeoutError):
        async with asyncio.timeout(10.0):
            await committed.wait()
    await world.kill_scheduler()
    await world.start_scheduler()


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


_TROUBLES: dict[_Trouble, float] = {
    scale: 3,
    stop_or_start: 1,
    new_version: 1.5,
    pause_or_resume: 0.5,
    order_a_node: 2,
    quarantine_a_device: 1,
    partition_node: 3,
    lose_node: 2,
    partition_most: 0.5,
    partition_scheduler: 1,
    bad_network: 3,
    bus_outage: 1,
    crash_scheduler: 1.5,
    crash_after_commit: 1.5,
    crash_agent: 2,
    reboot: 1,
    hurt_engine: 2,
    ghost: 2,
    tamper: 2,
}

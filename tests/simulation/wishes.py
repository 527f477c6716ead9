"""What people order in a simulation."""

from collections.abc import Awaitable, Callable

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_scheduler.domain.duties import Ordered, quarantine, release, set_duty
from roundhouse_scheduler.domain.records import Node, NodeDuty
from tests.simulation.fleet import MOST, a_node_of, two_devices, version_of
from tests.simulation.world import BROKEN, World

__all__ = ["WISHES", "scale"]


async def scale(world: World) -> None:
    name = world.rng.choice(sorted(world.specs))
    replicas = world.rng.randint(0, MOST[name])
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
    number = world.newest[name] + 1
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


WISHES: dict[Callable[[World], Awaitable[None]], float] = {
    scale: 3,
    stop_or_start: 1,
    new_version: 1.5,
    pause_or_resume: 0.5,
    order_a_node: 2,
    quarantine_a_device: 1,
}
"""How often, compared with one another."""

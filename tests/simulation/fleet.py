"""The fleet and the deployments that random faults fall on."""

import msgspec

from roundhouse_common.contracts.catalog import (
    Autoscale,
    Placement,
    Resources,
    Rollout,
    RolloutStrategy,
    VersionSpec,
)
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from tests.simulation.world import BROKEN, SimNode, World
from tests.support.scheduler import GIB, a_version

__all__ = ["MOST", "NO_ROOM_S", "RIVALS", "SLEEPERS", "a_fleet", "a_node_of", "two_devices", "version_of"]

MOST = {"chat": 4, "embed": 3, "wide": 1, "nap": 2, "red": 1, "blue": 1}
"""The deployments, and the most replicas of each."""
RIVALS = ("red", "blue")
"""There is room for one of them: they take turns."""
SLEEPERS = ("nap", *RIVALS)
"""What requests wake."""
NO_ROOM_S = 240.0
"""A gang that may not be missing for a moment needs room beside its old version. The others on the devices do not move
over for it; without room its rollout ends at this deadline. Everybody else's lies beyond the end of a simulation."""
_SEAT = Placement(node_labels={"seat": "rivals"})
_RESOURCES = {
    "chat": Resources(memory_bytes=GIB),
    "embed": Resources(memory_bytes=6 * GIB, device_count=1),
    "wide": Resources(memory_bytes=4 * GIB, device_count=1, node_count=2, is_exclusive=True),
    "nap": Resources(memory_bytes=GIB),
    "red": Resources(memory_bytes=9 * GIB),
    "blue": Resources(memory_bytes=9 * GIB),
}
_NAP = Autoscale(min_replicas=0, max_replicas=2, target_in_flight=2.0, idle_s=20.0, down_stabilization_s=10.0)


async def a_fleet(world: World) -> None:
    """Three to six nodes with two devices each, and six deployments."""
    for i in range(world.rng.randint(3, 6)):
        seat = {"labels": {"seat": "rivals"}, "memory_bytes": 16 * GIB} if i == 0 else {"memory_bytes": 16 * GIB}
        await world.add_node(f"nod_{i}", devices=two_devices(f"nod_{i}"), **seat)
    for name in MOST:
        own: dict[str, object] = {"autoscale": _NAP} if name == "nap" else {"is_evictable": name in RIVALS}
        world.deploy(
            name,
            replicas=world.rng.randint(1, MOST[name]),
            version=version_of(name, 1),
            disconnect_grace_s=world.rng.choice((5.0, 20.0, 60.0)),
            rollout=_rollout_of(world, name),
            failure_budget=1000,
            **own,
        )


def _rollout_of(world: World, name: str) -> Rollout:
    rollout = Rollout(
        strategy=_strategy_of(world, name),
        max_surge=world.rng.choice((0, 1, 2)),
        max_unavailable=world.rng.choice((0, 1)),
        min_ready_s=world.rng.choice((0.0, 3.0)),
    )
    needs_room_beside = name == "wide" and rollout.max_unavailable == 0
    return msgspec.structs.replace(rollout, progress_deadline_s=NO_ROOM_S) if needs_room_beside else rollout


def _strategy_of(world: World, name: str) -> RolloutStrategy:
    """Rivals have no room for a new version beside the old one."""
    either = world.rng.choice((RolloutStrategy.ROLLING, RolloutStrategy.RECREATE))
    return RolloutStrategy.RECREATE if name in RIVALS else either


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
    """`chat` and `nap` share hosts, `embed` shares devices, `wide` spans two nodes with a device of its own on each,
    and of `red` and `blue` only one fits on the one node that they may run on."""
    return a_version(
        number,
        version_id=f"{name}_v{number}",
        resources=_RESOURCES[name],
        model_name=BROKEN if is_broken else "smol",
        placement=_SEAT if name in RIVALS else Placement(),
    )


def a_node_of(world: World) -> SimNode:
    return world.nodes[world.rng.choice(sorted(world.nodes))]

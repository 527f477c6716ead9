"""What waits for a device is started as soon as the engine that held it has ended, and not at the next regular look."""

import asyncio

import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, Resources
from roundhouse_common.contracts.scheduler import Phase, Reason
from tests.simulation.seeds import seeds
from tests.simulation.simulate import simulate
from tests.simulation.world import World
from tests.support.placement import a_gpu
from tests.support.scheduler import GIB, a_version

WITHIN_S = 0.5
"""The engine's end is reported, the record changed, the replica placed and its node told: some messages, no timers."""


async def phase_of(world: World, name: str) -> tuple[Phase, Reason]:
    rows = (await world.records()).replicas.values()
    found = next(row for row in rows if row.deployment_id == name and row.ended_at is None)
    return found.phase, found.reason


async def is_in(world: World, name: str, phase: Phase) -> str:
    found, reason = await phase_of(world, name)
    return "" if found is phase else f"{name} is {found} ({reason}), not {phase}"


@pytest.mark.contract("A33")
@pytest.mark.parametrize("seed", seeds(2, most=5))
@pytest.mark.parametrize("has_device", [True, False])
def test_freed_room_is_taken_at_once_by_who_waits_for_it(seed: int, has_device: bool) -> None:
    wanted = Resources(memory_bytes=20 * GIB, device_count=1 if has_device else 0)

    async def scenario(world: World) -> None:
        devices = (a_gpu("GPU-1"),) if has_device else ()
        node = await world.add_node("nod_00", memory_bytes=24 * GIB, devices=devices)
        for name in ("first", "second"):
            world.deploy(name, replicas=1, version=a_version(1, version_id=f"{name}_v1", resources=wanted))
            await world.run_for(15)
        assert await is_in(world, "first", Phase.READY) == ""
        assert await phase_of(world, "second") == (Phase.PENDING, Reason.NO_FEASIBLE_NODE)

        [engine] = node.host.running()
        world.deploy("first", replicas=1, desired=DeploymentDesired.STOP)
        while engine in node.host.running():
            await asyncio.sleep(0.01)
        freed_at = world.clock.monotonic()
        while not node.host.running():
            assert world.clock.monotonic() - freed_at <= WITHIN_S, await is_in(world, "second", Phase.STARTING)
            await asyncio.sleep(0.01)

    simulate(scenario, seed)

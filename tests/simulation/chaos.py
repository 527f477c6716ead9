"""Random faults and random wishes, from a seed; then quiet, in which everything must come to agree."""

from collections.abc import Awaitable, Callable

from roundhouse_scheduler.domain.duties import release, set_duty
from roundhouse_scheduler.domain.records import NodeDuty
from tests.simulation.crashes import CRASHES
from tests.simulation.crowd import Crowd
from tests.simulation.faults import FAULTS
from tests.simulation.fleet import a_fleet, two_devices
from tests.simulation.settled import disagreement
from tests.simulation.wishes import WISHES
from tests.simulation.world import BROKEN, World
from tests.support.simulated_traffic import SimulatedTraffic

__all__ = ["chaos"]

_TROUBLE_S = 120.0
_QUIET_S = 420.0
"""Members of a gang that a lost record does not know have ended after 330 s at the latest; then it starts anew."""
_ASKED = 4.0
"""How often requests come, compared with WISHES, FAULTS and CRASHES."""
_Trouble = Callable[[World], Awaitable[None]]


async def chaos(world: World) -> None:
    """A fleet under two schedulers with requests from outside, two minutes of trouble, then quiet."""
    await a_fleet(world)
    await world.start_scheduler("standby")
    async with SimulatedTraffic(world.router, world.broker, world.clock, world.router_faults) as traffic:
        crowd = Crowd(world, traffic)
        troubles: dict[_Trouble, float] = {**WISHES, **FAULTS, **CRASHES, crowd.ask: _ASKED}
        try:
            await world.run_for(world.rng.uniform(0.0, 10.0))
            until = world.loop.time() + _TROUBLE_S
            while world.loop.time() < until:
                trouble = world.rng.choices(list(troubles), weights=list(troubles.values()))[0]
                await trouble(world)
                await world.run_for(world.rng.choice((0.0, 0.1, 1.0, 5.0, 10.0)))
            await quiet(world)
            await world.until(crowd.answers, within_s=_QUIET_S)
            await world.until(lambda: disagreement(world), within_s=_QUIET_S)
            await crowd.wake_all()
        finally:
            await crowd.go_home()
    assert world.crashes() == 0


async def quiet(world: World) -> None:
    """End every fault; a person looks after what only a person can."""
    world.say("quiet")
    if not world.broker.is_running:
        world.broker.start()
    schedulers = (scheduler.faults for scheduler in world.schedulers.values())
    for faults in (*schedulers, world.router_faults, *(node.faults for node in world.nodes.values())):
        faults.is_partitioned, faults.drop, faults.duplicate, faults.delay_s = False, 0.0, 0.0, (0.0, 0.0)
    for name in world.schedulers:
        await world.start_scheduler(name)
    for node in world.nodes.values():
        await world.start_agent(node)
    for node_id in sorted(world.nodes):
        await world.order(node_id, lambda node: set_duty(node, NodeDuty.ACTIVE, reason="", at=world.clock.now()))
        for device in two_devices(node_id):
            await world.order(node_id, lambda node, uuid=device.uuid: release(node, uuid))  # type: ignore[misc]
    for name, spec in sorted(world.specs.items()):
        if spec.is_paused:
            world.deploy(name, replicas=spec.replicas, is_paused=False)
        if world.records_lost and spec.version.model_name == BROKEN:  # the version before may be lost with it
            world.deploy(name, replicas=spec.replicas, version=world.earlier[name])

"""What happens to schedulers and to their record in a simulation."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.simulation.processes import SimScheduler
from tests.simulation.simulate import empty_record
from tests.simulation.wishes import scale
from tests.simulation.world import World

__all__ = ["CRASHES"]

_MOST_COMMITS = 8


def _one_of(world: World) -> SimScheduler:
    """The one that leads more often than the other."""
    leading = [item for item in world.schedulers.values() if item.core is not None and item.core.leadership.is_leading]
    return world.rng.choice([*world.schedulers.values(), *leading, *leading])


async def crash_scheduler(world: World) -> None:
    name = _one_of(world).name
    world.say(f"{name} crashes")
    await world.kill_scheduler(name)
    await world.run_for(world.rng.choice((0.0, 1.0, 20.0)))
    await world.start_scheduler(name)


async def crash_both(world: World) -> None:
    world.say("both schedulers crash")
    for name in world.schedulers:
        await world.kill_scheduler(name)
    await world.run_for(world.rng.choice((0.0, 5.0, 30.0)))
    await _start_both(world)


async def crash_at_a_commit(world: World) -> None:
    """Any transaction, also one that only renews the lease or takes a registration: either nothing of it is there, or
    all of it is and nobody is told."""
    scheduler = _one_of(world)
    if scheduler.core is None:
        return
    commits, is_before = world.rng.randint(1, _MOST_COMMITS), world.rng.random() < 0.5
    world.say(f"{scheduler.name} crashes right {'before' if is_before else 'after'} commit {commits} from now")
    died = asyncio.Event()

    def die() -> None:
        scheduler.freeze()
        died.set()

    scheduler.commits.die_at(commits, is_before=is_before, die=die)
    await scale(world)
    with suppress(TimeoutError):
        async with asyncio.timeout(10.0):
            await died.wait()
    await scheduler.kill()
    await world.start_scheduler(scheduler.name)


async def pause_scheduler(world: World) -> None:
    """It stands still, perhaps within a transaction, and goes on as if nothing had been."""
    scheduler = _one_of(world)
    pause_s = world.rng.choice((2.0, 8.0, 20.0, 40.0))
    world.say(f"{scheduler.name} stands still for {pause_s:.0f} s")
    scheduler.pause()
    await world.run_for(pause_s)
    scheduler.resume()


async def keep_copy(world: World) -> None:
    world.say("the record is backed up")
    world.copies.append(world.keep_copy())


async def lose_record(world: World) -> None:
    """The database is wiped, or restored from an older copy, under engines that run."""
    older = world.rng.choice([empty_record(), empty_record(), *world.copies])
    world.say("the record is lost" if older is empty_record() else "the record is an older one")
    for name in world.schedulers:
        await world.kill_scheduler(name)
    await world.replace_record(older)
    world.records_lost += 1
    await world.run_for(world.rng.choice((0.0, 5.0, 30.0)))
    await _start_both(world)


async def _start_both(world: World) -> None:
    for name in world.rng.sample(sorted(world.schedulers), len(world.schedulers)):
        await world.start_scheduler(name)


CRASHES: dict[Callable[[World], Awaitable[None]], float] = {
    crash_scheduler: 1.5,
    crash_both: 0.7,
    crash_at_a_commit: 2.5,
    pause_scheduler: 1.5,
    keep_copy: 0.5,
    lose_record: 0.5,
}
"""How often, compared with one another."""

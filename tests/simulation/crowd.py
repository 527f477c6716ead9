"""Who sends requests in a simulation, and expects an answer once nothing is in the way."""

import asyncio

from roundhouse_common.contracts.catalog import DeploymentDesired
from tests.simulation.fleet import MOST, SLEEPERS
from tests.simulation.world import World
from tests.support.simulated_traffic import SimulatedTraffic

__all__ = ["Crowd"]

_ANSWER_S = 90.0
"""Two rivals may have to wait for each other, and each for its engine."""


class Crowd:
    """Requests that are under way, by deployment."""

    def __init__(self, world: World, traffic: SimulatedTraffic) -> None:
        self._world = world
        self._traffic = traffic
        self._asked: dict[asyncio.Task[float], str] = {}
        self.answered = 0

    async def ask(self, world: World) -> None:
        """A few requests, mostly for what may sleep."""
        name = world.rng.choice((*SLEEPERS, *SLEEPERS, *MOST))
        count, takes_s = world.rng.randint(1, 4), world.rng.choice((0.5, 5.0, 20.0))
        world.say(f"{count} requests for {name}")
        for _ in range(count):
            self._send(name, takes_s)

    async def answers(self) -> str:
        """Return who still waits though its model should run; who waits for one that should not is sent home."""
        for task, name in list(self._asked.items()):
            spec = self._world.specs[name]
            if spec.desired is not DeploymentDesired.RUN or spec.replicas == 0:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return f"{len(self._asked)} requests wait, for {sorted(set(self._asked.values()))}" if self._asked else ""

    async def wake_all(self) -> None:
        """Every model that should run answers a request in bounded time, one after the other, asleep or not."""
        for name in SLEEPERS:
            self._send(name, 1.0)
            await self._world.until(self.answers, within_s=_ANSWER_S)

    async def go_home(self) -> None:
        """Nobody waits any more."""
        for task in list(self._asked):
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    def _send(self, name: str, takes_s: float) -> None:
        task = asyncio.create_task(self._traffic.ask(name, takes_s=takes_s), name=f"request-{name}")
        self._asked[task] = name
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[float]) -> None:
        del self._asked[task]
        self.answered += not task.cancelled()

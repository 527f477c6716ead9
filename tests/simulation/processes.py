"""What runs as a process of its own: loops that are kept running, and scheduler processes that die and are paused."""

import asyncio
import contextvars
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import Faults, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.database import Database
from roundhouse_common.service.supervisor import Supervisor
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.loops.leadership import LeaseRules
from tests.simulation.inline_sqlite import Commits, connect_with
from tests.simulation.loop import PROCESS

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["LEASE", "SimScheduler", "Tasks"]

LEASE = LeaseRules(lease_s=15.0, renew_every_s=2.0)
_LEAVE_S = 10.0
"""How long `Service` waits for cancelled loops."""


class Tasks:
    """The loops of one process, kept running as `Service` does, and ended together."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, owner: str, loops: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Run these loops."""
        for name, loop in loops.items():
            task = asyncio.create_task(self._supervisor.keep_running(f"{owner}.{name}", loop), name=f"{owner}.{name}")
            self._tasks.append(task)

    def cancel(self) -> None:
        """Let none of them take another step."""
        for task in self._tasks:
            task.cancel()

    async def end(self) -> None:
        """Kill them all."""
        self.cancel()
        tasks, self._tasks = self._tasks, []
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_LEAVE_S)
            if stuck:
                raise AssertionError(f"would not end: {sorted(repr(task) for task in stuck)}")


class SimScheduler:
    """One place where a scheduler runs, on the database of the world. Each start is another holder of the lease, and
    of its own former processes it knows that they are gone, as on one machine."""

    def __init__(self, name: str, world: "World", faults: Faults, rng: random.Random) -> None:
        self.name = name
        self.faults = faults
        self.core: SchedulerCore | None = None
        self.commits = Commits(rng, self._judge_decision)
        self._world = world
        self._tasks = Tasks(world.supervisor)
        self._stack = AsyncExitStack()
        self._starts = 0

    @property
    def holder(self) -> str:
        """How its present process signs."""
        return f"{self.name}/{self._starts}"

    async def start(self, rng: random.Random) -> None:
        """A process comes up on the database that the last one left."""
        if self.core is not None:
            return
        context = contextvars.copy_context()
        context.run(PROCESS.set, self.name)
        await asyncio.get_running_loop().create_task(self._start(rng), name=f"start-{self.name}", context=context)

    async def _start(self, rng: random.Random) -> None:
        world = self._world
        self._starts += 1
        self.commits.begin()
        bus = MemoryBus(world.broker, Service.SCHEDULER, clock=world.clock, faults=self.faults)
        db = Database(world.url, service="scheduler", connect=connect_with(self.commits))
        await self._stack.enter_async_context(db)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        core = SchedulerCore(
            db=db,
            bus=bus,
            clock=world.clock,
            ids=world.ids,
            rng=rng,
            rules=world.rules,
            registry=CollectorRegistry(),
            holder=self.holder,
            lease_rules=LEASE,
            is_gone=self._is_gone,
        )
        core.observers.append(world.oracle.saw_plan)
        for prepare in world.when_started:
            prepare(core)
        await core.start()
        self._tasks.start(self.name, core.loops())
        self.core = core

    def pause(self) -> None:
        """Its process stands still, wherever it is; what is sent to it waits."""
        self._world.loop.pause(self.name)

    def resume(self) -> None:
        """Its process goes on, as if no time had passed."""
        self._world.loop.resume(self.name)

    def freeze(self) -> None:
        """Its process takes no further step: what it has committed it tells nobody. Kill it next."""
        self.commits.end()
        self._tasks.cancel()

    async def kill(self) -> None:
        """Its process dies where it stands."""
        self.core = None
        self.freeze()
        self.resume()
        await self._tasks.end()
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def _is_gone(self, holder: str) -> bool:
        return holder != self.holder and holder.startswith(f"{self.name}/")

    def _judge_decision(self, connection: sqlite3.Connection) -> None:
        self._world.oracle.judge_decision(connection, self.holder)

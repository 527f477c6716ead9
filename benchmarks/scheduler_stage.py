"""A real scheduler over a synthetic fleet in a real SQLite file; its planner is stepped by hand and timed."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.scheduler_fleet import Shape, fill, reports_of
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.registry import SPECS
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock, SystemIds, UnixTime
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.leadership import LeaseRules

__all__ = ["Cost", "Stage", "open_stage"]


class StageClock(SystemClock):
    """The real clock, set forward at will: leases expire without waiting."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def skip(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._ahead_s += seconds

    def now(self) -> UnixTime:
        return UnixTime(super().now() + self._ahead_s)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one or several passes: on the wall, of CPU, and on the wall in `decide` and in the commit."""

    wall_s: float
    cpu_s: float
    decide_s: float
    commit_s: float


@dataclass
class Stage:
    """Everything that a bench turns."""

    db: Database
    core: SchedulerCore
    clock: StageClock
    catalog: MemoryBus
    registry: CollectorRegistry
    made: int = 100_000
    """The number of the next new deployment."""
    changed: int = 0
    """How many deployments have been changed."""
    plans: list[Plan] = field(default_factory=list)

    def hear(self, *, but_for: str = "") -> None:
        """Every other node sends a sign of life."""
        now = self.clock.monotonic()
        self.core.liveness.tick(now, is_connected=True)
        for node_id in self.core.planner.mirror.nodes:
            if node_id != but_for:
                self.core.liveness.heard(node_id, now)

    def let_pass(self, seconds: float, *, but_for: str = "") -> None:
        """Let so much time pass, in which every other node is heard."""
        while seconds > 0.0:
            self.clock.skip(min(1.0, seconds))
            self.hear(but_for=but_for)
            seconds -= 1.0

    def report(self) -> None:
        """Every node reports all that was placed on it as ready."""
        mirror = self.core.planner.mirror
        placed = [row for row in mirror.replicas.values() if row.node_id]
        self.core.hearing.take_reports(reports_of(mirror.nodes, placed))

    async def want(self, specs: Sequence[DeploymentSpec]) -> None:
        """Let the catalog write these specs, and wait until the scheduler has seen them."""
        bucket = self.catalog.bucket(SPECS)
        for spec in specs:
            await bucket.put(spec.deployment_id, spec)
        current = self.core.specs.current
        while any(current.get(spec.deployment_id) != spec for spec in specs):
            await asyncio.sleep(0)

    async def step(self) -> Cost:
        """Make one pass: specs taken, decided, committed."""
        before = self._spent()
        cpu, wall = time.process_time(), time.perf_counter()
        plan = await self.core.planner.step()
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        after = self._spent()
        self.plans.append(plan)
        return Cost(wall_s=wall_s, cpu_s=cpu_s, decide_s=after[0] - before[0], commit_s=after[1] - before[1])

    async def settle(self) -> None:
        """Plan until nothing is left to do."""
        while not (await self.core.planner.step()).is_empty:
            pass

    def _spent(self) -> tuple[float, float]:
        return (self._sum("decide"), self._sum("commit"))

    def _sum(self, what: str) -> float:
        return self.registry.get_sample_value(f"roundhouse_scheduler_{what}_seconds_sum") or 0.0


@asynccontextmanager
async def open_stage(directory: Path, shape: Shape) -> AsyncIterator[Stage]:
    """Open a fleet in which everything was reported and looked at."""
    clock, registry = StageClock(), CollectorRegistry()
    db = Database(f"sqlite+aiosqlite:///{directory}/fleet-{shape.nodes}.db", service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    async with db:
        broker = MemoryBroker(clock)
        bus, catalog = (
            MemoryBus(broker, Service.SCHEDULER, clock=clock),
            MemoryBus(broker, Service.CATALOG, clock=clock),
        )
        await bus.connect()
        await catalog.connect()
        core = SchedulerCore(
            db=db,
            bus=bus,
            clock=clock,
            ids=SystemIds(),
            rng=random.Random(1),
            rules=Rules(),
            registry=registry,
            lease_rules=LeaseRules(lease_s=1e9),
        )
        stage = Stage(db=db, core=core, clock=clock, catalog=catalog, registry=registry)
        following = [asyncio.create_task(core.specs.run()), asyncio.create_task(core.reports.run())]
        try:
            specs = await fill(db, shape, clock.now())
            core.liveness.tick(clock.monotonic(), is_connected=True)
            await stage.want(specs)
            await stage.settle()
            stage.hear()
            stage.report()
            await stage.settle()
            yield stage
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await catalog.close()
            await bus.close()

"""The scheduler without HTTP and without a process: what `main.py` runs and what the simulation runs.

core = SchedulerCore(db=..., bus=..., clock=..., ids=..., rng=..., rules=Rules(), registry=...)
await core.start()         # answers nodes from now on
core.loops()               # to be supervised, by name
"""

import random
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import Bus, Consumer
from roundhouse_common.bus.projection import Projection
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.registry import (
    ASSIGNMENTS,
    DEPLOYMENT_CHANGED,
    ENDPOINTS,
    HEARTBEAT,
    READ_ASSIGNMENTS,
    READ_VERSION_STATES,
    REGISTER_NODE,
    REPORTS,
    SPECS,
)
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments
from roundhouse_common.database import Database, OutboxRelay
from roundhouse_common.runtime import Clock, Ids
from roundhouse_scheduler.bus.changes import DURABLE, ChangeRecorder
from roundhouse_scheduler.bus.registration import Registrar
from roundhouse_scheduler.bus.versions import VersionAnswers
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import View
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.housekeeping import Housekeeping, Retention
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.planner import Planner
from roundhouse_scheduler.loops.telling import Telling
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.minting import SystemMint
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.look import all_assignments, all_endpoints

__all__ = ["SchedulerCore"]


class SchedulerCore:
    """Everything of one scheduler that is not its edge. `observers` are shown every look and plan."""

    def __init__(
        self,
        *,
        db: Database,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        rng: random.Random,
        rules: Rules,
        registry: CollectorRegistry,
        retention: Retention | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self.rules = rules
        self.observers: list[Callable[[View, Plan], None]] = []
        metrics = SchedulerMetrics(registry)
        planning, telling = Waker(), Waker()
        self.wake = planning.wake
        self.liveness = Liveness()
        self.hearing = Hearing(
            bus, clock=clock, liveness=self.liveness, planner=planning, metrics=metrics, lease_s=rules.lease_s
        )
        self.endpoints: Publisher[DeploymentEndpoints] = Publisher(bus, ENDPOINTS, desired=self._all_endpoints)
        self.assignments: Publisher[NodeAssignments] = Publisher(bus, ASSIGNMENTS, desired=self._all_assignments)
        self.relay = OutboxRelay(db, bus, tables.outbox, clock)
        self.changes: Consumer = bus.consumer(DEPLOYMENT_CHANGED, DURABLE, ChangeRecorder(db))
        self.specs = Projection(bus, SPECS, on_change=lambda _: planning.wake())
        self.reports = Projection(bus, REPORTS, on_change=self.hearing.take_reports)
        self.registrar = Registrar(
            db, clock=clock, rules=rules, hearing=self.hearing, planner=planning, telling=telling
        )
        self._versions = VersionAnswers(db, rules=rules)
        self._telling = Telling(endpoints=self.endpoints, assignments=self.assignments, waker=telling)
        self._housekeeping = Housekeeping(
            db,
            bus,
            clock=clock,
            hearing=self.hearing,
            liveness=self.liveness,
            planner=planning,
            retention=retention or Retention(),
        )

        def committed() -> None:
            telling.wake()
            self.relay.wake()

        self.planner = Planner(
            db,
            specs=lambda: self.specs.current,
            hearing=self.hearing,
            liveness=self.liveness,
            waker=planning,
            clock=clock,
            ids=ids,
            mint=SystemMint(ids, rng),
            rules=rules,
            metrics=metrics,
            on_commit=committed,
            observers=self.observers,
        )

    async def start(self) -> None:
        """Answer nodes and hear heartbeats from now on."""
        await self._bus.serve(REGISTER_NODE, self.registrar.register)
        await self._bus.serve(READ_ASSIGNMENTS, self.registrar.read_assignments)
        await self._bus.serve(READ_VERSION_STATES, self._versions.read_states)
        await self._bus.subscribe(HEARTBEAT, self.hearing.take_heartbeat)

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return the loops to supervise. Each can be restarted at any time."""
        return {
            "listening": self._housekeeping.watch_connection,
            "specs": self.specs.run,
            "reports": self.reports.run,
            "planner": self.planner.run,
            "telling": self._telling.run,
            "endpoints": self.endpoints.run,
            "assignments": self.assignments.run,
            "outbox": self.relay.run,
            "timeline": self.changes.run,
            "heartbeats": self._housekeeping.note_heartbeats,
            "retention": self._housekeeping.forget,
        }

    async def rebuild_bus(self) -> dict[str, int]:
        """Write both buckets again from SQL and return how many entries each got. Raises BusUnavailable."""
        return {
            ENDPOINTS.subject: await self.endpoints.rebuild(),
            ASSIGNMENTS.subject: await self.assignments.rebuild(),
        }

    async def _all_endpoints(self) -> Mapping[str, DeploymentEndpoints]:
        async with self._db.read() as session:
            return await all_endpoints(session)

    async def _all_assignments(self) -> Mapping[str, NodeAssignments]:
        async with self._db.read() as session:
            return await all_assignments(session)

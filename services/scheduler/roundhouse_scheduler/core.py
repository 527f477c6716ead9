"""The scheduler without HTTP and without a process: what `main.py` runs and what the simulation runs.

core = SchedulerCore(db=..., bus=..., clock=..., ids=..., rng=..., rules=Rules(), registry=...)
await core.start()         # answers nodes from now on
core.loops()               # to be supervised, by name
"""

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Set

from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import Bus, Consumer
from roundhouse_common.bus.projection import Projection
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.registry import (
    ASSIGNMENTS,
    DEMAND,
    DEPLOYMENT_CHANGED,
    DEPLOYMENT_WANTED,
    ENDPOINTS,
    HEARTBEAT,
    INSPECT_MODEL,
    ORDERS,
    READ_ASSIGNMENTS,
    READ_VERSION_STATES,
    REGISTER_NODE,
    REPORTS,
    SPECS,
    STORES,
    TENANTS,
    TRANSFER_PROGRESS,
)
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments
from roundhouse_common.database import Database, OutboxRelay
from roundhouse_common.runtime import Clock, Ids
from roundhouse_scheduler.bus.changes import DURABLE, ChangeRecorder
from roundhouse_scheduler.bus.inspection import ModelInspection
from roundhouse_scheduler.bus.registration import Registrar
from roundhouse_scheduler.bus.versions import VersionAnswers
from roundhouse_scheduler.domain.errors import NotLeading
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import View
from roundhouse_scheduler.loops.attention import Attention
from roundhouse_scheduler.loops.demand import DemandHearing
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.housekeeping import Housekeeping, Retention
from roundhouse_scheduler.loops.leadership import Leadership, LeaseRules, nobody_is_gone
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.planner import Planner, Told
from roundhouse_scheduler.loops.preparing import Preparing
from roundhouse_scheduler.loops.provisioning import Provisioning
from roundhouse_scheduler.loops.stores import Stores
from roundhouse_scheduler.loops.telling import Telling
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.minting import SystemMint
from roundhouse_scheduler.store import tables

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
        holder: str = "scheduler",
        lease_rules: LeaseRules | None = None,
        is_gone: Callable[[str], bool] | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self.rules = rules
        self.observers: list[Callable[[View, Plan], None]] = []
        metrics = SchedulerMetrics(registry)
        planning = self.attention = Attention()
        self.wake = planning.wake
        self.leadership = Leadership(
            db, holder=holder, clock=clock, metrics=metrics, rules=lease_rules, is_gone=is_gone or nobody_is_gone
        )
        self.liveness = Liveness()
        self.hearing = Hearing(
            bus, clock=clock, liveness=self.liveness, planner=planning, metrics=metrics, lease_s=rules.lease_s
        )
        self.demand = DemandHearing(clock=clock, on_news=self._hear_of, is_connected=lambda: bus.is_connected)
        self.endpoints: Publisher[DeploymentEndpoints] = Publisher(
            bus, ENDPOINTS, desired=self._all_endpoints, some=self._some_endpoints
        )
        self.assignments: Publisher[NodeAssignments] = Publisher(
            bus, ASSIGNMENTS, desired=self._all_assignments, some=self._some_assignments
        )
        self.relay = OutboxRelay(db, bus, tables.outbox, clock)
        self.changes: Consumer = bus.consumer(DEPLOYMENT_CHANGED, DURABLE, ChangeRecorder(db))
        self.specs = Projection(bus, SPECS, on_change=lambda _: planning.wake())
        self.tenants = Projection(bus, TENANTS, on_change=lambda _: planning.everything())
        self.reports = Projection(bus, REPORTS, on_change=self.hearing.take_reports)
        self.registrar = Registrar(
            db, clock=clock, rules=rules, hearing=self.hearing, planner=planning, telling=planning
        )
        self._versions = VersionAnswers(db, rules=rules)
        self.preparing = Preparing(clock)
        self.stores = Stores(incarnation_of=self._incarnation_of, preparing=self.preparing, on_news=self._hear_store)
        self._store_reports = Projection(bus, STORES, on_change=self.stores.take)
        self._inspection = ModelInspection(db, bus, holders=self.stores.holders, clock=clock)
        self._telling = Telling(endpoints=self.endpoints, assignments=self.assignments)
        self._housekeeping = Housekeeping(
            db,
            bus,
            clock=clock,
            hearing=self.hearing,
            liveness=self.liveness,
            planner=planning,
            retention=retention or Retention(),
        )

        self.planner = Planner(
            db,
            specs=lambda: self.specs.current,
            tenants=lambda: self.tenants.current,
            hearing=self.hearing,
            demand=self.demand,
            liveness=self.liveness,
            stores=self.stores,
            preparing=self.preparing,
            leadership=self.leadership,
            attention=planning,
            clock=clock,
            ids=ids,
            mint=SystemMint(ids, rng),
            rules=rules,
            metrics=metrics,
            are_specs_known=lambda: self.specs.has_synced,
            are_reports_known=lambda: self.reports.has_synced,
            on_commit=self.relay.wake,
            on_news=self._tell,
            observers=self.observers,
        )
        self.provisioning = Provisioning(
            db, bus, mirror=self.planner.mirror, stores=self.stores, leadership=self.leadership, clock=clock
        )

    async def start(self) -> None:
        """Answer nodes and hear heartbeats from now on."""
        await self._bus.serve(REGISTER_NODE, self.registrar.register)
        await self._bus.serve(READ_ASSIGNMENTS, self.registrar.read_assignments)
        await self._bus.serve(READ_VERSION_STATES, self._versions.read_states)
        await self._bus.serve(INSPECT_MODEL, self._inspection.inspect)
        await self._bus.subscribe(HEARTBEAT, self.hearing.take_heartbeat)
        await self._bus.subscribe(DEMAND, self.demand.take_demand)
        await self._bus.subscribe(DEPLOYMENT_WANTED, self.demand.take_wanted)
        await self._bus.subscribe(TRANSFER_PROGRESS, self.preparing.take_progress)

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return the loops to supervise. Each can be restarted at any time."""
        leading = self.leadership.while_leading
        return {
            "leadership": self.leadership.run,
            "listening": self._housekeeping.watch_connection,
            "specs": self.specs.run,
            "tenants": self.tenants.run,
            "reports": self.reports.run,
            "stores": self._store_reports.run,
            "planner": self.planner.run,
            "telling": leading(self._telling.run),
            "endpoints": leading(self.endpoints.run),
            "assignments": leading(self.assignments.run),
            "provisioning": leading(self.provisioning.run),
            "orders": leading(self.provisioning.documents.run),
            "outbox": leading(self.relay.run),
            "timeline": self.changes.run,
            "heartbeats": leading(self._housekeeping.note_heartbeats),
            "retention": leading(self._housekeeping.forget),
        }

    async def stop(self) -> None:
        """Tell what was decided, and let another scheduler take over at once."""
        if self.leadership.is_leading:
            await self.relay.flush_before_stop()
        await self.leadership.release()

    async def rebuild_bus(self) -> dict[str, int]:
        """Write the buckets again from SQL and return how many entries each got. Raises BusUnavailable, and
        NotLeading on a standby."""
        if not self.leadership.is_leading:
            await self.leadership.look()
        if not self.leadership.is_leading:
            raise NotLeading(self.leadership.holder)
        self.planner.mirror.doubt()
        await self.planner.refresh()
        await self.provisioning.refresh()
        return {
            ENDPOINTS.subject: await self.endpoints.rebuild(),
            ASSIGNMENTS.subject: await self.assignments.rebuild(),
            ORDERS.subject: await self.provisioning.documents.rebuild(),
        }

    def _hear_of(self, deployment_id: str) -> None:
        """The demand for a deployment changed: only those that follow it need a look."""
        deployment = self.planner.mirror.deployments.get(deployment_id)
        if deployment is not None and deployment.follows_demand:
            self.attention.deployment(deployment_id)

    def _tell(self, told: Told) -> None:
        """Others see what was committed; after a takeover also what the leader before had left untold."""
        if told.is_all:
            self.endpoints.doubt()
            self.assignments.doubt()
            self.provisioning.everything()
        self._telling.add(nodes=told.nodes, deployments=told.deployments)
        self.provisioning.add(told.nodes)
        for node_id in told.nodes:
            self.stores.expect(node_id)

    def _incarnation_of(self, node_id: str) -> str | None:
        node = self.planner.mirror.nodes.get(node_id)
        return None if node is None else node.incarnation

    def _hear_store(self, node_id: str, keys: Set[str]) -> None:
        """A node keeps something else than before: it is told what follows, and so are those who can copy from it."""
        if keys:
            self.planner.mirror.index.note_moved(node_id)
        self.provisioning.add({node_id}, keys)

    async def _all_endpoints(self) -> Mapping[str, DeploymentEndpoints]:
        await self.planner.refresh()
        return self.planner.endpoints()

    async def _all_assignments(self) -> Mapping[str, NodeAssignments]:
        await self.planner.refresh()
        return self.planner.mirror.assignments(self.planner.mirror.nodes)

    async def _some_endpoints(self, deployment_ids: Collection[str]) -> Mapping[str, DeploymentEndpoints]:
        return self.planner.endpoints(deployment_ids)

    async def _some_assignments(self, node_ids: Collection[str]) -> Mapping[str, NodeAssignments]:
        return self.planner.mirror.assignments(node_ids)

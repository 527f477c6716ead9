"""What the loops of one agent share: what is known, and how events change it.

One event loop reads and changes it; nothing here blocks and nothing here waits for the network.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import NodeInventory, NodeSample, ReplicaReport
from roundhouse_common.contracts.scheduler import Assignment, NodeAdmission, NodeAssignments, Registered
from roundhouse_common.runtime import Clock, Ids, NodeId
from roundhouse_node_agent.domain.engine_run import EngineSample
from roundhouse_node_agent.domain.host import Host
from roundhouse_node_agent.domain.memory_peaks import MemoryPeaks
from roundhouse_node_agent.domain.reconcile import is_newer
from roundhouse_node_agent.domain.replica import Event, Replica, advance, begin, settled
from roundhouse_node_agent.domain.report import reports_of
from roundhouse_node_agent.domain.token_counters import TokenCounters

__all__ = ["AgentContext", "AgentOptions"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """How often the agent looks and how long it waits."""

    rpc_timeout_s: float = 5.0
    report_interval_s: float = 30.0
    """A report goes out at every change, and this often without one, with a fresh inventory."""
    confirm_interval_s: float = 30.0
    """How often the scheduler's database is asked what should run, beside the projection."""
    ready_poll_s: float = 0.05
    start_timeout_s: float = 600.0
    probe_interval_s: float = 2.0
    probe_failures: int = 5
    drain_settle_s: float = 1.0
    drain_poll_s: float = 0.25
    port_attempts: int = 5
    sample_interval_s: float = 10.0
    store_look_s: float = 1.0
    """How often it is looked whether what the node keeps has changed; it is told no more often than that."""
    progress_interval_s: float = 1.0
    """How often it is told how far transfers are."""


class AgentContext:
    """One agent's knowledge, its dependencies, and the events that wake its loops."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        bus: Bus,
        host: Host,
        clock: Clock,
        ids: Ids,
        rng: random.Random,
        options: AgentOptions,
        on_superseded: Callable[[], None] | None = None,
        on_removed: Callable[[], None] | None = None,
    ) -> None:
        self.node_id = node_id
        self.bus = bus
        self.host = host
        self.clock = clock
        self.rng = rng
        self.options = options
        self.incarnation = ids.new("inc")
        self.registered: Registered | None = None
        self.wanted: NodeAssignments | None = None
        self.replicas: dict[str, Replica] = {}
        self.samples: dict[str, EngineSample] = {}
        self.inventory: NodeInventory | None = None
        self.is_room_freed = False
        """An engine ended since the machine was last looked at: what the inventory says is free is out of date."""
        self.memory = MemoryPeaks()
        self.counters = TokenCounters()
        self.sample: NodeSample | None = None
        """What the machine and its engines used in the last interval."""
        self.scheduler_heard_at = clock.monotonic()
        """When the scheduler last answered: what fencing counts from."""
        self.is_superseded = False
        """Also when its node was removed: it does not speak for the node any more, and touches nothing."""
        self.reports_made = 0
        """The sequence of the newest report. It outlives the loop: the scheduler drops what counts from 1 again."""
        self.stores_told = 0
        """The sequence of what was last told of model files and engines; as `reports_made`."""
        self.is_store_told = False
        """Whether the bus has what was told last, as far as is known: a wiped one has forgotten it."""
        self._change = asyncio.Event()
        self.registration_due = asyncio.Event()
        self.reconcile_due = asyncio.Event()
        self.report_due = asyncio.Event()
        self.confirm_due = asyncio.Event()
        self.engines_due = asyncio.Event()
        self.store_due = asyncio.Event()
        self._on_superseded = on_superseded
        self._on_removed = on_removed

    @property
    def is_waiting_for_approval(self) -> bool:
        """Whether an administrator has still to say that this node may run anything."""
        return self.registered is not None and self.registered.admission is NodeAdmission.PENDING

    def apply(self, replica_id: str, event: Event) -> None:
        """Let an event change a replica; loops that care are woken."""
        before = self.replicas.get(replica_id)
        if before is None:
            return
        after = advance(before, event, self.clock.now())
        if after is not before:
            self._keep(after, before)

    def take_up(self, assignment: Assignment) -> None:
        """Begin an attempt; the engines loop starts it."""
        self._keep(begin(assignment, self.clock.now()), self.replicas.get(assignment.replica_id))

    def settle(self, assignment: Assignment) -> None:
        """Record that nothing of it runs here and nothing shall."""
        self._keep(settled(assignment, assignment.reason, "nothing of it runs here", self.clock.now()), None)

    def forget(self, replica_id: str) -> None:
        """Drop an ended replica that is no longer assigned."""
        del self.replicas[replica_id]
        self.samples.pop(replica_id, None)
        self.memory.forget(replica_id)
        self.report_due.set()

    def take_assignments(self, offered: NodeAssignments) -> bool:
        """Take in a document unless it is older than the current one or of another epoch; return whether taken."""
        if self.registered is None or self.is_superseded:
            return False
        if offered.epoch > self.registered.epoch:
            self.confirm_due.set()  # somebody registered after us: the scheduler will say whether we are superseded
        if not is_newer(offered, self.wanted, node_id=self.node_id, epoch=self.registered.epoch):
            return False
        is_news = self.wanted is None or self.wanted.revision != offered.revision
        self.wanted = offered
        if is_news:
            self.report_due.set()
        self.reconcile_due.set()
        return True

    def assignment_of(self, replica_id: str) -> Assignment:
        """Return the assignment as it is wanted now; as its attempt was begun with when it is not wanted any more."""
        wanted = self.wanted.assignments if self.wanted is not None else ()
        found = (assignment for assignment in wanted if assignment.replica_id == replica_id)
        return next(found, self.replicas[replica_id].assignment)

    async def changed(self) -> None:
        """Return at the next change of any replica."""
        await self._change.wait()

    def reports(self) -> tuple[ReplicaReport, ...]:
        """Return what the next report says of the replicas."""
        return reports_of(self.replicas.values(), self.memory.told)

    def supersede(self) -> None:
        """A newer agent has registered: touch nothing any more and ask to be ended."""
        if not self.is_superseded:
            self.is_superseded = True
            _log.error("epoch_superseded", node_id=self.node_id, epoch=self.registered and self.registered.epoch)
            if self._on_superseded is not None:
                self._on_superseded()

    def _keep(self, after: Replica, before: Replica | None) -> None:
        self.replicas[after.replica_id] = after
        if before is not None and before.is_active and not after.is_active:
            self.is_room_freed = True
        if before is None or (after.phase, after.reason) != (before.phase, before.reason):
            _log.info(
                "replica_phase",
                replica_id=after.replica_id,
                attempt=after.attempt,
                phase=after.phase.value,
                reason=after.reason.value,
                detail=after.detail,
            )
        self.report_due.set()
        self.reconcile_due.set()
        self.engines_due.set()
        self._change.set()
        self._change = asyncio.Event()

    def remove(self, why: str) -> None:
        """An administrator removed this node: this agent has no say, and leaves the engines to a person."""
        if not self.is_superseded:
            self.is_superseded = True
            _log.error("node_removed", node_id=self.node_id, why=why)
            if self._on_removed is not None:
                self._on_removed()

"""What must hold at every step, said once more and independently of the code that should make it so."""

from collections.abc import Callable, Mapping

from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_scheduler.domain.plan import Moved, NodeMarked, Noted, Plan, Wanted
from roundhouse_scheduler.domain.records import NodeState, Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent
from roundhouse_scheduler.domain.view import View

__all__ = ["InvariantBroken", "Oracle"]

_LEASE_S = 15.0
_SECOND_LOOK_S = 3.0
_WINDOW_S = 600.0
_GANG_FENCE_S = 300.0
_OBSERVED = frozenset(
    {ReplicaEvent.FETCHING, ReplicaEvent.STARTING, ReplicaEvent.READY, ReplicaEvent.DRAINING, ReplicaEvent.REJECTED}
)


class InvariantBroken(AssertionError):
    """The world did what it must never do."""


class Oracle:
    """Watches every plan of the scheduler and every engine that is started or stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._may_stop: dict[str, Reason] = {}
        self._may_restart: dict[str, int] = {}
        self._gave_up_at: dict[str, float] = {}
        self.broken: list[str] = []
        self.stopped: list[tuple[str, str, Reason]] = []
        """(node, replica, reason) of every engine that an agent stopped."""
        self.lost: list[str] = []
        self.reports_judged = 0
        self.gangs_judged = 0
        self._engines: dict[str, Callable[[], Mapping[str, EngineRun]]] = {}

    def watch(self, hostname: str, running: Callable[[], Mapping[str, EngineRun]]) -> None:
        """Know a host and how to see what runs on it."""
        self._engines[hostname] = running

    def complain(self) -> None:
        """Raise what was seen, if anything was."""
        if self.broken:
            raise InvariantBroken("; ".join(self.broken[:3]))

    def reason_to_stop(self, replica_id: str) -> Reason | None:
        """Return why it was decided that a replica need not run any more."""
        return self._may_stop.get(replica_id)

    def saw_plan(self, view: View, plan: Plan) -> None:
        """Judge one look and what was decided on it."""
        self._judge_reports(view, plan)
        self._judge_memory(view, plan)
        self._judge_versions(view, plan)
        for action in plan.actions:
            match action:
                case Wanted():
                    if action.reason is Reason.UNKNOWN:
                        self._break(f"{action.replica_id} is wanted {action.desired} without a reason")
                    if action.desired is not Desired.RUN:
                        self._may_stop[action.replica_id] = action.reason
                case Noted(kind="replica.disowned"):
                    self._may_stop[action.replica_id] = Reason(action.reason)
                case NodeMarked(after=NodeState.READY):
                    self._gave_up_at.pop(action.node_id, None)
                case Moved(after=Phase.LOST):
                    self._judge_loss(view, action)
                case Moved(event=ReplicaEvent.RETRIED):
                    self._may_restart[action.replica_id] = view.replicas[action.replica_id].attempt
                case Moved(event=ReplicaEvent.REJECTED | ReplicaEvent.DISPLACED):
                    self._may_stop[action.replica_id] = action.reason
                case _:
                    continue

    def engine_stopped(
        self, node_id: str, run: EngineRun, reason: Reason, *, is_healthy: bool, silent_s: float
    ) -> None:
        """A healthy engine is never stopped without a decision that names a reason: the scheduler's, or for a member
        of a gang its node's own when it has not heard the scheduler for as long as its fence says."""
        self.stopped.append((node_id, run.replica_id, reason))
        was_decided = run.replica_id in self._may_stop or run.attempt <= self._may_restart.get(run.replica_id, 0)
        fence_s = run.assignment.fence_after_s
        is_fenced = run.assignment.gang is not None and reason is Reason.NODE_LOST and silent_s >= fence_s > 0
        if is_healthy and not was_decided and not is_fenced:
            self._break(f"{node_id} stopped the healthy engine of {run.replica_id} ({reason}); nobody decided it")

    def engine_started(self, node_id: str, memory_bytes: int, running: Mapping[str, EngineRun]) -> None:
        """The engines on a host never need more than it has, and those of a gang are all of one epoch."""
        self._judge_gangs()
        on_host = [run.assignment for run in running.values() if not run.assignment.device_uuids]
        claimed = sum(assignment.version.resources.memory_bytes for assignment in on_host)
        if claimed > memory_bytes:
            self._break(f"the engines on {node_id} need {claimed} of {memory_bytes} bytes")

    def _judge_reports(self, view: View, plan: Plan) -> None:
        """Only a report of the node's present epoch and incarnation changes anything."""
        spoke = {action.node_id for action in plan.actions if isinstance(action, Moved) and action.event in _OBSERVED}
        spoke |= {
            node.node_id for node in plan.nodes if node.report_sequence != view.nodes[node.node_id].report_sequence
        }
        for node_id in sorted(spoke - {""}):
            node, report = view.nodes[node_id], view.reports[node_id]
            self.reports_judged += 1
            if (report.epoch, report.incarnation) != (node.epoch, node.incarnation):
                self._break(f"a report of epoch {report.epoch} of {node_id} was taken; its epoch is {node.epoch}")

    def _judge_memory(self, view: View, plan: Plan) -> None:
        """Nothing is claimed beyond what there is: neither a host nor a device, and an exclusive device by one only."""
        changed = {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
        concerned = {row.node_id for row in changed.values() if row.node_id}
        for node_id in sorted(concerned):
            rows = [row for key, row in view.replicas.items() if row.node_id == node_id and key not in changed]
            rows += [row for row in changed.values() if row.node_id == node_id]
            self._judge_node(view, node_id, [row for row in rows if row.is_held])

    def _judge_node(self, view: View, node_id: str, held: list[Replica]) -> None:
        inventory = view.nodes[node_id].inventory
        claimed = sum(row.resources.memory_bytes for row in held if not row.device_uuids)
        if claimed > inventory.memory_total_bytes:
            self._break(f"the replicas on {node_id} claim {claimed} bytes, more than it has")
        for device in inventory.devices:
            holders = [row for row in held if device.uuid in row.device_uuids]
            if sum(row.resources.memory_bytes for row in holders) > device.memory_total_bytes:
                self._break(f"{len(holders)} replicas claim more than device {device.uuid} has")
            if len(holders) > 1 and any(row.resources.is_exclusive for row in holders):
                self._break(f"{len(holders)} replicas hold device {device.uuid}, one of them for itself alone")

    def _judge_versions(self, view: View, plan: Plan) -> None:
        """At most one version is active: only of that one are replicas made. (A gang starts anew in its own.)"""
        deployments = dict(view.deployments) | {row.deployment_id: row for row in plan.deployments}
        for row in plan.new_replicas:
            wanted = deployments[row.deployment_id].version_id
            if row.version_id != wanted and row.gang_epoch <= 1 and row.reason is not Reason.ADOPTED:
                self._break(f"{row.replica_id} of {row.version_id} was made; the active version is {wanted}")

    def _judge_gangs(self) -> None:
        """Never two members of one replica in different epochs."""
        epochs: dict[str, set[int]] = {}
        for running in self._engines.values():
            for run in running().values():
                gang = run.assignment.gang
                if gang is not None:
                    self.gangs_judged += 1
                    epochs.setdefault(gang.gang_id, set()).add(gang.epoch)
        for gang_id, found in sorted(epochs.items()):
            if len(found) > 1:
                self._break(f"members of epochs {sorted(found)} of gang {gang_id} run at once")

    def _judge_loss(self, view: View, action: Moved) -> None:
        now, row = self._clock.now(), view.replicas[action.replica_id]
        self.lost.append(action.replica_id)
        grace_s = view.deployments[row.deployment_id].disconnect_grace_s
        if row.gang_id:
            grace_s = max(grace_s, _GANG_FENCE_S)
        if view.silence[row.node_id].silent_s <= _LEASE_S + grace_s:
            self._break(f"{action.replica_id} was lost within the grace of {row.node_id}")
        if row.overdue_since is None or now - row.overdue_since < _SECOND_LOOK_S:
            self._break(f"{action.replica_id} was lost on one look")
        self._gave_up_at[row.node_id] = now
        recently = [node_id for node_id, at in self._gave_up_at.items() if now - at < _WINDOW_S]
        if len(recently) > max(1, int(0.2 * len(view.nodes))):
            self._break(f"the replicas of {len(recently)} of {len(view.nodes)} nodes were given up together")

    def _break(self, what: str) -> None:
        self.broken.append(f"at {self._clock.monotonic():.3f} s: {what}")

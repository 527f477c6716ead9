"""What must hold at every step, said once more and independently of the code that should make it so.

Decisions are judged here as they are committed; what really runs is judged on the hosts (`ground.py`).
"""

import sqlite3
from collections.abc import Callable

from roundhouse_common.contracts.catalog import DeploymentDesired, DeploymentSpec
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason, VersionFailed
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_scheduler.domain.plan import Moved, NodeMarked, Noted, Plan, Wanted
from roundhouse_scheduler.domain.records import Deployment, NodeDuty, NodeState, Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent
from roundhouse_scheduler.domain.view import View
from roundhouse_scheduler.store.look import Records
from tests.simulation.ground import Ground

__all__ = ["InvariantBroken", "Oracle"]

_LEASE_S = 15.0
_SECOND_LOOK_S = 3.0
_WINDOW_S = 600.0
_GANG_FENCE_S = 300.0
_TWO_ACTIVE_S = 15.0
_RAN = frozenset({Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.FAILED})
_CAME_NO_FURTHER = "no further replica became available"
_UNWATCHED_S = 6.0
"""Who leads looks every 5 s; a longer gap means that nobody led."""
_OBSERVED = frozenset(
    {
        ReplicaEvent.FETCHING,
        ReplicaEvent.STARTING,
        ReplicaEvent.READY,
        ReplicaEvent.DRAINING,
        ReplicaEvent.REJECTED,
        ReplicaEvent.FAILED,
        ReplicaEvent.STOPPED,
    }
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
        self.decisions_judged = 0
        self.deadlines_judged = 0
        self.ground = Ground(clock, self._break)
        self.committed: Callable[[str, EngineRun], Reason | None] = lambda _hostname, _run: None
        """Why the record says that an engine need not run: a process that dies right after a commit shows no plan."""
        self._published: dict[tuple[str, int], str] = {}
        self._agents: dict[str, set[str]] = {}
        self._adopted: set[str] = set()
        self._two_active: dict[str, tuple[float, float]] = {}

    def published(self, spec: DeploymentSpec) -> None:
        """The catalog wants this version of a deployment, from this generation on."""
        self._published[spec.deployment_id, spec.generation] = spec.version.version_id

    def agent_started(self, node_id: str, incarnation: str) -> None:
        """A real agent of a node; whoever else speaks for it is a ghost."""
        self._agents.setdefault(node_id, set()).add(incarnation)

    def complain(self) -> None:
        """Look at the hosts, and raise what was seen since the beginning, if anything was."""
        self.ground.judge()
        if self.broken:
            raise InvariantBroken("; ".join(self.broken[:3]))

    def judge_decision(self, connection: sqlite3.Connection, holder: str) -> None:
        """A scheduler is about to commit what it decided about replicas: it must be the one that leads, by the record
        itself."""
        self.decisions_judged += 1
        leader = connection.execute("SELECT holder FROM leadership").fetchone()
        if leader is None or leader[0] != holder:
            self._break(f"{holder} decided about replicas; {leader[0] if leader else 'nobody'} leads")

    def reason_to_stop(self, replica_id: str) -> Reason | None:
        """Return why it was decided that a replica need not run any more."""
        return self._may_stop.get(replica_id)

    def saw_plan(self, view: View, plan: Plan) -> None:
        """Judge one look and what was decided on it."""
        self._adopted |= {row.replica_id for row in plan.new_replicas if row.reason is Reason.ADOPTED}
        self._judge_reports(view, plan)
        self._judge_memory(view, plan)
        self._judge_versions(view, plan)
        self._judge_active(view, plan)
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

    def engine_stopped(self, node_id: str, run: EngineRun, reason: Reason, *, is_healthy: bool) -> None:
        """A healthy engine is never stopped without a decision that names a reason: the scheduler's, or for a member
        of a gang its node's own when it was cut off from the scheduler for as long as its fence says."""
        self.stopped.append((node_id, run.replica_id, reason))
        if not is_healthy:
            return
        if reason is Reason.UNKNOWN:
            self._break(f"{node_id} stopped the healthy engine of {run.replica_id} without a reason")
        was_decided = run.replica_id in self._may_stop or run.attempt <= self._may_restart.get(run.replica_id, 0)
        if was_decided or self.committed(node_id, run) is not None:
            return
        if run.assignment.gang is not None and reason is Reason.NODE_LOST:
            self.ground.fenced(node_id, run)
            return
        self._break(f"{node_id} stopped the healthy engine of {run.replica_id} ({reason}); nobody decided it")

    def judge_failure(self, event: VersionFailed, spec: DeploymentSpec, records: Records) -> None:
        """A version that came no further by its deadline had no room: no model takes that long to start here."""
        if not event.detail.startswith(_CAME_NO_FURTHER):
            return
        self.deadlines_judged += 1
        others = (row for row in records.replicas.values() if row.version_id != event.version_id and row.is_held)
        free = self.ground.hosts_with_a_device_beside({uuid for row in others for uuid in row.device_uuids})
        if len(free) >= spec.version.resources.node_count:
            self._break(f"{event.version_id} came no further, though {free} have room: {event.detail}")

    def _judge_reports(self, view: View, plan: Plan) -> None:
        """Only what the node's present agent says changes anything, and it says it in the node's present epoch."""
        spoke = {action.node_id for action in plan.actions if isinstance(action, Moved) and _is_as_told(view, action)}
        spoke |= {
            node.node_id for node in plan.nodes if node.report_sequence != view.nodes[node.node_id].report_sequence
        }
        for node_id in sorted(spoke - {""}):
            node, report = view.nodes[node_id], view.reports[node_id]
            self.reports_judged += 1
            if (report.epoch, report.incarnation) != (node.epoch, node.incarnation):
                self._break(f"a report of epoch {report.epoch} of {node_id} was taken; its epoch is {node.epoch}")
            if report.epoch < self.ground.epoch(node_id):
                self._break(f"a report of epoch {report.epoch} of {node_id} was taken; it has been given a later one")
            if report.incarnation not in self._agents[node_id]:
                self._break(f"a report of epoch {report.epoch} of {node_id} was taken; no agent of it has sent it")

    def _judge_memory(self, view: View, plan: Plan) -> None:
        """Nothing is claimed beyond what there is: neither a host nor a device, and an exclusive device by one only."""
        changed = {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
        concerned = {row.node_id for row in changed.values() if row.node_id}
        for node_id in sorted(concerned):
            rows = [row for key, row in view.replicas.items() if row.node_id == node_id and key not in changed]
            rows += [row for row in changed.values() if row.node_id == node_id]
            self._judge_node(node_id, [row for row in rows if row.is_held])

    def _judge_node(self, node_id: str, claims: list[Replica]) -> None:
        """A record that was restored may say that something runs where by now another engine does, which was taken up:
        then what does not run has no claim until it is to start again."""
        inventory = self.ground.capacity(node_id)
        has_adopted = any(row.replica_id in self._adopted for row in claims)
        running = self.ground.running(node_id)
        held = [row for row in claims if not (has_adopted and row.phase in _RAN and row.replica_id not in running)]
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
        """At most one version is active, the one that the catalog says: only of it replicas are made, and never more
        than a rollout may have beside one another. (A gang starts anew in its own.)"""
        deployments = dict(view.deployments) | {row.deployment_id: row for row in plan.deployments}
        for key, known in deployments.items():
            if known.version_id != self._published.get((key, known.generation)):
                self._break(f"{known.version_id} of {key} is active in generation {known.generation}; nobody said so")
        made = [row for row in plan.new_replicas if row.gang_epoch <= 1 and row.reason is not Reason.ADOPTED]
        for row in made:
            wanted = deployments[row.deployment_id].version_id
            if row.version_id != wanted:
                self._break(f"{row.replica_id} of {row.version_id} was made; the active version is {wanted}")
        for key in sorted({row.deployment_id for row in made}):
            deployment, present = deployments[key], _present(view, plan, key)
            if len(present) > deployment.wanted_replicas + max(deployment.rollout.max_surge, 1):
                self._break(f"{len(present)} replicas of {key} are to run; {deployment.wanted_replicas} are wanted")

    def _judge_active(self, view: View, plan: Plan) -> None:
        """When all that is wanted of the active version is there, nothing of another one goes on being wanted."""
        now = self._clock.monotonic()
        for key, row in (dict(view.deployments) | {row.deployment_id: row for row in plan.deployments}).items():
            if not _has_two_active(row, _present(view, plan, key), now=self._clock.now()):
                self._two_active.pop(key, None)
                continue
            since, seen = self._two_active.get(key, (now, now))
            since = now if now - seen > _UNWATCHED_S else since
            self._two_active[key] = (since, now)
            if now - since > _TWO_ACTIVE_S:
                self._break(f"two versions of {key} are active; {row.version_id} should be")

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
        here = [key for key, node in view.nodes.items() if node.duty is not NodeDuty.MAINTENANCE]  # not taken away
        recently = [node_id for node_id, at in self._gave_up_at.items() if now - at < _WINDOW_S and node_id in here]
        if len(recently) > max(1, int(0.2 * len(view.nodes))):
            self._break(f"the replicas of {len(recently)} of {len(view.nodes)} nodes were given up together")

    def _break(self, what: str) -> None:
        self.broken.append(f"at {self._clock.monotonic():.3f} s: {what}")


def _is_as_told(view: View, action: Moved) -> bool:
    """Whether a replica moved because a node said so. Some also fail or stop without: then no report says the same."""
    if action.event not in _OBSERVED:
        return False
    if action.event not in (ReplicaEvent.FAILED, ReplicaEvent.STOPPED):
        return True
    report = view.reports.get(action.node_id)
    entries = report.replicas if report is not None else ()
    return any(item.replica_id == action.replica_id and item.phase.value == action.event.value for item in entries)


def _present(view: View, plan: Plan, deployment_id: str) -> list[Replica]:
    """Return the replicas of a deployment that are to run and are not lost, as a plan leaves them."""
    changed = {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
    rows = (*(row for key, row in view.replicas.items() if key not in changed), *changed.values())
    mine = (row for row in rows if row.deployment_id == deployment_id and row.gang_rank == 0)
    return [row for row in mine if row.is_wanted and row.phase is not Phase.LOST]


def _has_two_active(deployment: Deployment, present: list[Replica], *, now: float) -> bool:
    if deployment.desired is not DeploymentDesired.RUN or deployment.is_paused:
        return False
    mine = [row for row in present if row.version_id == deployment.version_id]
    settled = [
        row
        for row in mine
        if row.phase is Phase.READY
        and row.ready_since is not None
        and row.ready_since + deployment.rollout.min_ready_s < now
    ]
    return len(mine) < len(present) and len(settled) >= deployment.wanted_replicas

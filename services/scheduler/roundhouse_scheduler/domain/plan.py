"""A plan: what was decided, why, and the rows it changes. Made by `Draft` inside one `decide`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.autoscale.demand import NO_DEMAND, Demand
from roundhouse_scheduler.domain.focus import NOTHING, Focus, Later
from roundhouse_scheduler.domain.index import Index
from roundhouse_scheduler.domain.overlay import Overlay
from roundhouse_scheduler.domain.records import Deployment, Node, NodeState, Replica, VersionFailure
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.scope import Scope
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.domain.transitions import ReplicaEvent, advance
from roundhouse_scheduler.domain.view import Mint, View

__all__ = [
    "Action",
    "Advised",
    "BrakeHeld",
    "Created",
    "Draft",
    "FailureForgotten",
    "FailureSeen",
    "Moved",
    "NodeMarked",
    "Noted",
    "Plan",
    "ReportIgnored",
    "Scaled",
    "VersionGivenUp",
    "Wanted",
]

Row = TypeVar("Row", Node, Deployment, Replica, Switch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A deployment gets one more replica."""

    replica_id: str
    deployment_id: str
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A replica's phase, or the reason for it, changed."""

    replica_id: str
    event: ReplicaEvent
    before: Phase
    after: Phase
    reason: Reason
    detail: str
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of a replica changed: the only way in which a healthy engine comes to be stopped."""

    replica_id: str
    desired: Desired
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMarked:
    node_id: str
    before: NodeState
    after: NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportIgnored:
    """A report of an epoch or an agent that is not the node's."""

    node_id: str
    epoch: int
    current_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeHeld:
    """Too many nodes are silent together: we are blind, they are not dead. Nothing is given up."""

    silent: tuple[str, ...]
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something for the timeline of a deployment that no row says by itself."""

    deployment_id: str
    kind: str
    reason: str
    detail: str
    replica_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSeen:
    """The first error of a series of failures of a version."""

    version_id: str
    failure: VersionFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureForgotten:
    """Somebody started a version anew: its errors so far are not held against it."""

    version_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionGivenUp:
    """A version failed while it was rolled out: the catalog is told, and decides which one is wanted next."""

    deployment_id: str
    generation: int
    version_id: str
    version_number: int
    replica_id: str
    node_id: str
    reason: Reason
    detail: str
    log_tail: tuple[str, ...]
    serving_number: int
    """The newest other version that serves, or 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """The number of wanted replicas changed without anybody asking."""

    deployment_id: str
    before: int
    after: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What the load of a deployment asks for now. Kept in memory for the looks to come; nothing is written."""

    replicas: int
    strained_load: float | None = None


Action = (
    Scaled
    | Created
    | Moved
    | Wanted
    | NodeMarked
    | ReportIgnored
    | BrakeHeld
    | Noted
    | FailureSeen
    | FailureForgotten
    | VersionGivenUp
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rows carry the `row_version` they were read with; the commit refuses the whole plan if one has moved on."""

    actions: tuple[Action, ...] = ()
    nodes: tuple[Node, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    replicas: tuple[Replica, ...] = ()
    new_replicas: tuple[Replica, ...] = ()
    switches: tuple[Switch, ...] = ()
    new_switches: tuple[Switch, ...] = ()
    advice: Mapping[str, Advised] = field(default_factory=dict)
    """By deployment; for the memory of whoever makes the next view."""
    look_again_at: float = float("inf")
    later: tuple[Later, ...] = ()
    """Which records are to be looked at again, and when, even if nothing happens."""
    touched: Focus = NOTHING
    """What was changed: the next decision looks at it."""
    is_brake_held: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        rows = (self.nodes, self.deployments, self.replicas, self.new_replicas, self.switches, self.new_switches)
        return not any(rows)


@dataclass(slots=True)
class Draft:
    """The working set of one decision: steps read and change it in turn, and every change leaves an action.

    `nodes`, `deployments` and `replicas` are what was read with the changes laid over it; setting a row there counts
    as changing it. A step looks at what `focus_*` returns and at what follows from it, never at everything.
    """

    view: View
    now: float
    rules: Rules
    mint: Mint
    nodes: Overlay[Node] = field(init=False)
    deployments: Overlay[Deployment] = field(init=False)
    replicas: Overlay[Replica] = field(init=False)
    switches: dict[str, Switch] = field(init=False)
    advice: dict[str, Advised] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    look_again_at: float = float("inf")
    late: frozenset[str] = frozenset()
    is_brake_held: bool = False
    _index: Index = field(init=False)
    _scope: Scope = field(init=False)
    _changed: Index = field(default_factory=Index)

    def __post_init__(self) -> None:
        view = self.view
        self._index = view.index or Index(view.nodes.values(), view.replicas.values())
        self.replicas = Overlay(view.replicas, self._replica_set)
        self._scope = Scope(view.focus, self._index, self.replicas)
        self.nodes = Overlay(view.nodes, self._scope.node_set)
        self.deployments = Overlay(view.deployments, self._scope.deployment_set)
        self.switches = dict(view.switches)

    def live(self) -> Iterable[Replica]:
        """Yield all replicas that have not ended, oldest first. For tests: it costs what the fleet costs."""
        return [row for key in sorted(self.replicas) if (row := self.replicas[key]).ended_at is None]

    def focus_nodes(self) -> list[Node]:
        """Return the nodes that this decision must look at, in the order of their ids. A step that walks nodes walks
        these: what nothing happened to needs no look."""
        keys = self.nodes if self._scope.is_all else self._scope.nodes
        return [self.nodes[key] for key in sorted(keys) if key in self.nodes]

    def focus_deployments(self) -> list[Deployment]:
        """Return the deployments that this decision must look at, in the order of their ids."""
        keys = self.deployments if self._scope.is_all else self._scope.deployments
        return [self.deployments[key] for key in sorted(keys) if key in self.deployments]

    def focus_replicas(self) -> list[Replica]:
        """Return the replicas that this decision must look at and that have not ended, oldest first. When room was
        freed, or a node changed, all PENDING ones are among them."""
        if self._scope.is_all:
            return list(self.live())
        keys = self._scope.replicas
        if self._scope.has_room_changed:
            keys = keys | self._index.pending
        found = (self.replicas.get(key) for key in sorted(keys))
        return [replica for replica in found if replica is not None and replica.ended_at is None]

    def of(self, deployment_id: str) -> list[Replica]:
        """Return the replicas of one deployment that have not ended, oldest first; of a gang its leader."""
        return [replica for replica in self.members(deployment_id) if replica.gang_rank == 0]

    def members(self, deployment_id: str) -> list[Replica]:
        """Return as `of`, with every member of its gangs."""
        found = (self.replicas[key] for key in sorted(self._index.of(deployment_id) | self._changed.of(deployment_id)))
        return [replica for replica in found if replica.ended_at is None]

    def on(self, node_id: str) -> list[Replica]:
        """Return the replicas that hold a claim on a node, oldest first."""
        found = (self.replicas[key] for key in sorted(self._index.on(node_id) | self._changed.on(node_id)))
        return [replica for replica in found if replica.is_held and replica.node_id == node_id]

    @property
    def index(self) -> Index:
        """The index of the records as they were read."""
        return self._index

    def unready_nodes(self) -> list[Node]:
        """Return the nodes that were LATE or UNREACHABLE when this decision began."""
        return [self.nodes[key] for key in sorted(self._index.unready)]

    def changed_replicas(self) -> list[tuple[Replica | None, Replica]]:
        """Return what was read (None: it is new) and what became of it, of every replica that a step changed."""
        return [(self.view.replicas.get(key), row) for key, row in sorted(self.replicas.changed.items())]

    def _replica_set(self, before: Replica | None, after: Replica) -> None:
        self._changed.take_replica(before, after)
        self._scope.replica_set(before, after)

    def look_again(self, at: float, *, deployment_id: str = "", node_id: str = "", replica_id: str = "") -> None:
        """Ask for another decision at `at` even if nothing happens, about this record; without one, about all."""
        self.look_again_at = min(self.look_again_at, at)
        named = (("deployment", deployment_id), ("node", node_id), ("replica", replica_id))
        for kind, key in [item for item in named if item[1]] or [("", "")]:
            self._scope.look_again(at, kind, key)

    # Any: the fields of Deployment, checked by msgspec.structs.replace.
    def edit_deployment(self, deployment_id: str, **changes: Any) -> Deployment:
        """Change fields of a deployment that are the scheduler's own; leaves no action."""
        deployment = msgspec.structs.replace(self.deployments[deployment_id], **changes)
        self.deployments[deployment_id] = deployment
        return deployment

    # Any: the fields of Node, checked by msgspec.structs.replace.
    def edit_node(self, node_id: str, **changes: Any) -> Node:
        """Change fields of a node; leaves no action."""
        node = msgspec.structs.replace(self.nodes[node_id], **changes)
        self.nodes[node_id] = node
        return node

    def demand_of(self, deployment_id: str) -> Demand:
        """Return what routers and engines say of the demand for a deployment."""
        demand = self.view.demand.get(deployment_id, NO_DEMAND)
        found = (self.view.loads.get(row.node_id, {}).get(row.replica_id) for row in self.of(deployment_id))
        return demand.with_engines([load for load in found if load is not None])

    def scale(self, deployment_id: str, target: int | None, *, reason: Reason, detail: str) -> None:
        """Change how many replicas a deployment has without anybody asking; None: as its spec says."""
        before = self.deployments[deployment_id]
        after = self.edit_deployment(deployment_id, target_replicas=target, target_reason=reason)
        if before.wanted_replicas != after.wanted_replicas:
            self.actions.append(
                Scaled(
                    deployment_id=deployment_id,
                    before=before.wanted_replicas,
                    after=after.wanted_replicas,
                    reason=reason,
                    detail=detail,
                )
            )

    def create(self, replica: Replica) -> None:
        """Add a new replica."""
        self.replicas[replica.replica_id] = replica
        self.actions.append(
            Created(replica_id=replica.replica_id, deployment_id=replica.deployment_id, replaces=replica.replaces)
        )

    # Any: the fields of Replica, checked by msgspec.structs.replace.
    def edit(self, replica_id: str, **changes: Any) -> Replica:
        """Change fields that are neither phase nor desired; leaves no action."""
        before = self.replicas[replica_id]
        replica = msgspec.structs.replace(before, **changes)
        if replica != before:
            self.replicas[replica_id] = replica
        return replica

    def move(
        self, replica_id: str, event: ReplicaEvent, *, reason: Reason, detail: str = "", **changes: Any
    ) -> Replica:
        """Advance a replica, then change further fields. The same phase for the same reason leaves no action."""
        before = self.replicas[replica_id]
        moved = advance(before, event, reason=reason, at=self.now, detail=detail)
        if before.phase is not moved.phase or before.reason is not moved.reason:
            self.actions.append(
                Moved(
                    replica_id=replica_id,
                    event=event,
                    before=before.phase,
                    after=moved.phase,
                    reason=reason,
                    detail=detail,
                    node_id=changes.get("node_id") or before.node_id,
                )
            )
        after = msgspec.structs.replace(moved, **changes)
        if after != before:
            self.replicas[replica_id] = after
        return after

    def want(self, replica_id: str, desired: Desired, *, reason: Reason) -> None:
        """Change what is wanted of a replica."""
        self.edit(replica_id, desired=desired, desired_reason=reason)
        self.actions.append(Wanted(replica_id=replica_id, desired=desired, reason=reason))

    def mark(self, node_id: str, state: NodeState) -> None:
        """Change the state of a node."""
        before = self.nodes[node_id]
        self.nodes[node_id] = msgspec.structs.replace(before, state=state, state_since=self.now)
        self.actions.append(NodeMarked(node_id=node_id, before=before.state, after=state))

    def finish(self) -> Plan:
        """Return the plan: the rows that differ from the view."""
        replicas = sorted(self.replicas.changed.items())
        known = self.view.replicas
        return Plan(
            actions=tuple(self.actions),
            nodes=_changed(self.view.nodes, self.nodes.changed),
            deployments=_changed(self.view.deployments, self.deployments.changed),
            replicas=tuple(row for key, row in replicas if key in known and row != known[key]),
            new_replicas=tuple(row for key, row in replicas if key not in known),
            switches=tuple(
                row
                for key, row in sorted(self.switches.items())
                if key in self.view.switches and row != self.view.switches[key]
            ),
            new_switches=tuple(row for key, row in sorted(self.switches.items()) if key not in self.view.switches),
            advice=self.advice,
            look_again_at=self.look_again_at,
            later=self._scope.later_looks(),
            touched=self._scope.touched,
            is_brake_held=self.is_brake_held,
        )


def _changed(before: Mapping[str, Row], after: Mapping[str, Row]) -> tuple[Row, ...]:
    return tuple(row for key, row in sorted(after.items()) if key not in before or row != before[key])

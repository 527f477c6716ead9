"""A plan: what was decided, why, and the rows it changes. Made by `Draft` inside one `decide`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.autoscale.demand import NO_DEMAND, Demand
from roundhouse_scheduler.domain.records import Deployment, Node, NodeState, Replica
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.domain.transitions import ReplicaEvent, advance
from roundhouse_scheduler.domain.view import Mint, View

__all__ = [
    "Action",
    "Advised",
    "BrakeHeld",
    "Created",
    "Draft",
    "Moved",
    "NodeMarked",
    "Plan",
    "ReportIgnored",
    "Scaled",
    "Wanted",
]

Row = TypeVar("Row", Node, Deployment, Replica)


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


Action = Scaled | Created | Moved | Wanted | NodeMarked | ReportIgnored | BrakeHeld


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rows carry the `row_version` they were read with; the commit refuses the whole plan if one has moved on."""

    actions: tuple[Action, ...] = ()
    nodes: tuple[Node, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    replicas: tuple[Replica, ...] = ()
    new_replicas: tuple[Replica, ...] = ()
    switches: tuple[Switch, ...] = ()
    """New ones and those that changed; a new one has the `row_version` 0 and is not in the view."""
    advice: Mapping[str, Advised] = field(default_factory=dict)
    """By deployment; for the memory of whoever makes the next view."""
    look_again_at: float = float("inf")
    is_brake_held: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.nodes or self.deployments or self.replicas or self.new_replicas or self.switches)


@dataclass(slots=True)
class Draft:
    """The working set of one decision: steps read and change it in turn, and every change leaves an action."""

    view: View
    now: float
    rules: Rules
    mint: Mint
    nodes: dict[str, Node] = field(init=False)
    deployments: dict[str, Deployment] = field(init=False)
    replicas: dict[str, Replica] = field(init=False)
    switches: dict[str, Switch] = field(init=False)
    advice: dict[str, Advised] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    look_again_at: float = float("inf")
    late: frozenset[str] = frozenset()
    is_brake_held: bool = False
    _by_node: dict[str, set[str]] = field(default_factory=dict)
    _by_deployment: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = dict(self.view.nodes)
        self.deployments = dict(self.view.deployments)
        self.replicas = dict(self.view.replicas)
        self.switches = dict(self.view.switches)
        for replica in self.replicas.values():
            self._index(replica)

    def live(self) -> Iterable[Replica]:
        """Yield the replicas that have not ended, oldest first; changes during the walk are not seen."""
        return [self.replicas[key] for key in sorted(self.replicas) if self.replicas[key].ended_at is None]

    def focus_nodes(self) -> list[Node]:
        """Return the nodes that this decision must look at, in the order of their ids. A step that walks nodes walks
        these: what nothing happened to needs no look."""
        return [self.nodes[key] for key in sorted(self.nodes)]

    def focus_deployments(self) -> list[Deployment]:
        """Return the deployments that this decision must look at, in the order of their ids."""
        return [self.deployments[key] for key in sorted(self.deployments)]

    def focus_replicas(self) -> list[Replica]:
        """Return the replicas that this decision must look at and that have not ended, oldest first."""
        return list(self.live())

    def of(self, deployment_id: str) -> list[Replica]:
        """Return the replicas of one deployment that have not ended, oldest first."""
        found = (self.replicas[key] for key in sorted(self._by_deployment.get(deployment_id, ())))
        return [replica for replica in found if replica.ended_at is None]

    def on(self, node_id: str) -> list[Replica]:
        """Return the replicas that hold a claim on a node, oldest first."""
        found = (self.replicas[key] for key in sorted(self._by_node.get(node_id, ())))
        return [replica for replica in found if replica.ended_at is None and replica.node_id == node_id]

    def _index(self, replica: Replica) -> None:
        self._by_deployment.setdefault(replica.deployment_id, set()).add(replica.replica_id)
        if replica.node_id:
            self._by_node.setdefault(replica.node_id, set()).add(replica.replica_id)

    def look_again(self, at: float, *, deployment_id: str = "", node_id: str = "", replica_id: str = "") -> None:
        """Ask for another decision at `at` even if nothing happens, about this record."""
        self.look_again_at = min(self.look_again_at, at)

    def demand_of(self, deployment_id: str) -> Demand:
        """Return what is known of the demand for a deployment."""
        return self.view.demand.get(deployment_id, NO_DEMAND)

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

    def create(self, replica: Replica) -> None:
        """Add a new replica."""
        self.replicas[replica.replica_id] = replica
        self._index(replica)
        self.actions.append(
            Created(replica_id=replica.replica_id, deployment_id=replica.deployment_id, replaces=replica.replaces)
        )

    # Any: the fields of Replica, checked by msgspec.structs.replace.
    def edit(self, replica_id: str, **changes: Any) -> Replica:
        """Change fields that are neither phase nor desired; leaves no action."""
        replica = msgspec.structs.replace(self.replicas[replica_id], **changes)
        self.replicas[replica_id] = replica
        if "node_id" in changes:
            self._index(replica)
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
        self.replicas[replica_id] = moved
        return self.edit(replica_id, **changes)

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
        known = self.view.replicas
        return Plan(
            actions=tuple(self.actions),
            nodes=_changed(self.view.nodes, self.nodes),
            deployments=_changed(self.view.deployments, self.deployments),
            replicas=tuple(row for key, row in sorted(self.replicas.items()) if key in known and row != known[key]),
            new_replicas=tuple(row for key, row in sorted(self.replicas.items()) if key not in known),
            switches=tuple(row for key, row in sorted(self.switches.items()) if row != self.view.switches.get(key)),
            advice=self.advice,
            look_again_at=self.look_again_at,
            is_brake_held=self.is_brake_held,
        )


def _changed(before: Any, after: dict[str, Row]) -> tuple[Row, ...]:  # Any: a mapping of the same rows
    return tuple(row for key, row in sorted(after.items()) if row != before[key])

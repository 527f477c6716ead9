"""The record in memory: what decisions are made over, kept equal to SQL row by row."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments, Phase
from roundhouse_scheduler.domain.documents import assignments_of, endpoints_of
from roundhouse_scheduler.domain.focus import Focus
from roundhouse_scheduler.domain.index import Index
from roundhouse_scheduler.domain.leases import may_be_away
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import Deployment, Node, NodeState, Replica
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store.changes import Changes

__all__ = ["Mirror"]

Row = TypeVar("Row", Node, Deployment, Replica, Switch)


class Mirror:
    """All nodes and deployments, all replicas that have not ended, and the versions these need.

    It changes only by `take` (rows read from SQL) and `apply` (a plan that was committed); both are sure of SQL.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.revision: int | None = None
        self.nodes: dict[str, Node] = {}
        self.deployments: dict[str, Deployment] = {}
        self.versions: dict[str, VersionSpec] = {}
        self.replicas: dict[str, Replica] = {}
        self.switches: dict[str, Switch] = {}
        self.unsettled: set[str] = set()
        """Nodes that run engines which nobody has judged yet."""
        self.ended: set[str] = set()
        """Replicas that ended while this process looked, or that it found to have ended before."""
        self.index = Index()
        self.states: Counter[NodeState] = Counter()
        self.phases: Counter[Phase] = Counter()

    def doubt(self) -> None:
        """Read everything the next time."""
        self.revision = None

    @property
    def is_loaded(self) -> bool:
        """Whether SQL was read at all."""
        return self.revision is not None

    def take(self, changes: Changes) -> Focus:
        """Take in what was read, and return what it brings into focus: rows that this process did not know so."""
        if changes.is_whole:
            self._clear()
        self.versions |= changes.versions
        nodes = [row.node_id for row in changes.nodes if self._set_node(row)]
        deployments = [row.deployment_id for row in changes.deployments if self._set_deployment(row)]
        replicas = [row.replica_id for row in changes.replicas if self._set_replica(row)]
        deployments += self._set_switches(changes.switches)
        for node_id in changes.gone_nodes:
            self._drop_node(node_id)
        if deployments:
            nodes += self.unsettled  # it may be these deployments that their engines are of
        for deployment_id in changes.gone_deployments:
            self.deployments.pop(deployment_id, None)
        self.revision = changes.revision
        return Focus(
            nodes=frozenset(nodes),
            deployments=frozenset(deployments),
            replicas=frozenset(replicas),
            has_room_changed=bool(nodes or replicas),
        )

    def apply(self, plan: Plan, revision: int) -> None:
        """Take in a plan that was committed as `revision`. When somebody else wrote just before it, the next look
        reads both: what is known already is no news."""
        for node in plan.nodes:
            self._set_node(_committed(node))
        for deployment in plan.deployments:
            self._set_deployment(_committed(deployment))
        for replica in plan.replicas:
            self._set_replica(_committed(replica))
        for replica in plan.new_replicas:
            self._set_replica(replica)
        for switch in (*map(_committed, plan.switches), *plan.new_switches):
            self.switches[switch.switch_id] = switch
            if switch.ended_at is not None:
                del self.switches[switch.switch_id]
        if self.revision == revision - 1:
            self.revision = revision

    def assignments(self, node_ids: Iterable[str]) -> dict[str, NodeAssignments]:
        """Return the documents of these nodes."""
        return {
            key: assignments_of(self.nodes[key], self._rows(self.index.on(key)), self.deployments, self.versions)
            for key in sorted(node_ids)
            if key in self.nodes
        }

    def endpoints(self, deployment_ids: Iterable[str]) -> dict[str, DeploymentEndpoints]:
        """Return the documents of these deployments."""
        return {
            key: endpoints_of(self.deployments[key], self._rows(self.index.of(key)), self.nodes, self.versions)
            for key in sorted(deployment_ids)
            if key in self.deployments
        }

    def _rows(self, replica_ids: Iterable[str]) -> list[Replica]:
        return [self.replicas[key] for key in sorted(replica_ids)]

    def _set_node(self, row: Node) -> bool:
        before = self.nodes.get(row.node_id)
        self.nodes[row.node_id] = row
        self.index.take_node(before, row)
        self.states[row.state] += _counts(row)
        (self.unsettled.discard if row.is_settled else self.unsettled.add)(row.node_id)
        if before is None:
            return True
        self.states[before.state] -= _counts(before)
        return row != msgspec.structs.replace(before, last_heartbeat_at=row.last_heartbeat_at)

    def _set_deployment(self, row: Deployment) -> bool:
        before = self.deployments.get(row.deployment_id)
        self.deployments[row.deployment_id] = row
        return before != row

    def _set_replica(self, row: Replica) -> bool:
        before = self.replicas.get(row.replica_id)
        self.index.take_replica(before, row)
        if before is not None:
            self.phases[before.phase] -= 1
        if row.ended_at is not None:
            self.replicas.pop(row.replica_id, None)
            self.ended.add(row.replica_id)
            return before is not None
        self.phases[row.phase] += 1
        self.replicas[row.replica_id] = row
        return before != row

    def _set_switches(self, switches: Mapping[str, Switch]) -> list[str]:
        """Take in all that are open; return the deployments of those that came, changed or ended."""
        before, self.switches = self.switches, dict(switches)
        changed = [key for key in {*before, *switches} if before.get(key) != switches.get(key)]
        return [(switches.get(key) or before[key]).deployment_id for key in changed]

    def _drop_node(self, node_id: str) -> None:
        before = self.nodes.pop(node_id, None)
        if before is not None:
            self.index.take_node(before, None)
            self.unsettled.discard(node_id)
            self.states[before.state] -= _counts(before)


def _counts(node: Node) -> int:
    """A node in maintenance is silent or not as it likes: it alarms nobody."""
    return 0 if may_be_away(node) else 1


def _committed(row: Row) -> Row:
    return msgspec.structs.replace(row, row_version=row.row_version + 1)

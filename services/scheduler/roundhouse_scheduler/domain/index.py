"""Ways into the records other than by their own ids. Kept along with the records, or made when there are none kept."""

from collections.abc import Iterable, Set
from typing import Any

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.records import Node, NodeState, Replica

__all__ = ["Index"]

_NONE: frozenset[str] = frozenset()


class Index:
    """Which replicas are on a node, of a deployment, without a node; which nodes are not READY. Only live replicas."""

    def __init__(self, nodes: Iterable[Node] = (), replicas: Iterable[Replica] = ()) -> None:
        self._by_node: dict[str, set[str]] = {}
        self._by_deployment: dict[str, set[str]] = {}
        self._pending: set[str] = set()
        self._unready: set[str] = set()
        self._moved: set[str] = set()
        self.board: Board | None = None
        """What placement remembers of these nodes; it asks `take_moved` which it must look at again."""
        for node in nodes:
            self.take_node(None, node)
        for replica in replicas:
            self.take_replica(None, replica)

    def on(self, node_id: str) -> Set[str]:
        """Return the replicas that were placed on a node."""
        return self._by_node.get(node_id, _NONE)

    def of(self, deployment_id: str) -> Set[str]:
        """Return the replicas of a deployment."""
        return self._by_deployment.get(deployment_id, _NONE)

    @property
    def pending(self) -> Set[str]:
        """Replicas without a node."""
        return self._pending

    @property
    def unready(self) -> Set[str]:
        """Nodes that are LATE or UNREACHABLE."""
        return self._unready

    def take_moved(self) -> set[str]:
        """Return the nodes of which something changed since the last call: they themselves or what is on them."""
        moved, self._moved = self._moved, set()
        return moved

    def note_moved(self, node_id: str) -> None:
        """Something that is not in the record changed about a node: what files it has."""
        self._moved.add(node_id)

    def take_node(self, before: Node | None, after: Node | None) -> None:
        """A node was added, changed or (`after` is None) removed."""
        self._moved |= {row.node_id for row in (before, after) if row is not None}
        if before is not None:
            self._unready.discard(before.node_id)
        if after is not None and after.state is not NodeState.READY:
            self._unready.add(after.node_id)

    def take_replica(self, before: Replica | None, after: Replica | None) -> None:
        """A replica was added, changed or removed."""
        self._moved |= {row.node_id for row in (before, after) if row is not None and row.node_id}
        if before is not None and before.ended_at is None:
            self._drop(before)
        if after is not None and after.ended_at is None:
            self._by_deployment.setdefault(after.deployment_id, set()).add(after.replica_id)
            if after.node_id:
                self._by_node.setdefault(after.node_id, set()).add(after.replica_id)
            if after.phase is Phase.PENDING:
                self._pending.add(after.replica_id)

    def _drop(self, replica: Replica) -> None:
        _discard(self._by_deployment, replica.deployment_id, replica.replica_id)
        _discard(self._by_node, replica.node_id, replica.replica_id)
        self._pending.discard(replica.replica_id)


def _discard(index: dict[str, set[str]], key: str, member: Any) -> None:  # Any: set.discard takes anything
    members = index.get(key)
    if members is not None:
        members.discard(member)
        if not members:
            del index[key]

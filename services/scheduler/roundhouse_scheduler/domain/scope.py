"""What is in focus while one decision is made, and what the decision itself touches on its way."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.focus import Focus, Later
from roundhouse_scheduler.domain.index import Index
from roundhouse_scheduler.domain.records import Deployment, Node, Replica

__all__ = ["Scope"]

_NOT_LOADED = frozenset({Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING, Phase.FAILED})
_OF_EVERY_REPORT = ("report_sequence", "assignments_revision", "last_heartbeat_at", "row_version")
_OF_EVERY_CHANGE = ("endpoints_revision", "last_used_at", "row_version")


class Scope:
    """With `focus` None everything is in focus. What a step changes comes into focus for the steps after it, and is
    the focus of the next decision."""

    def __init__(self, focus: Focus | None, index: Index, replicas: Mapping[str, Replica]) -> None:
        self.is_all = focus is None
        self.nodes: set[str] = set()
        self.deployments: set[str] = set()
        self.replicas: set[str] = set()
        self.has_room_changed = False
        self.later: dict[tuple[str, str], float] = {}
        self._index = index
        self._rows = replicas
        self._touched_nodes: set[str] = set()
        self._touched_deployments: set[str] = set()
        self._touched_replicas: set[str] = set()
        if focus is not None:
            self._take(focus)

    @property
    def touched(self) -> Focus:
        """What the decision changed."""
        return Focus(
            nodes=frozenset(self._touched_nodes),
            deployments=frozenset(self._touched_deployments),
            replicas=frozenset(self._touched_replicas),
            has_room_changed=self.has_room_changed,
        )

    def look_again(self, at: float, kind: str, key: str) -> None:
        """Keep the earliest time for each record."""
        known = self.later.get((kind, key))
        if known is None or at < known:
            self.later[kind, key] = at

    def later_looks(self) -> tuple[Later, ...]:
        """Return what is to be looked at later, in a stable order."""
        return tuple(Later(at=at, kind=kind, key=key) for (kind, key), at in sorted(self.later.items()))

    def node_set(self, before: Node | None, after: Node) -> None:
        """A step changed a node."""
        if before is not None and not _differs(before, after, _OF_EVERY_REPORT):
            return
        self.has_room_changed = True
        if (
            before is None
            or _differs(before, after, (*_OF_EVERY_REPORT, "inventory"))
            or _shape(before.inventory) != _shape(after.inventory)
        ):
            self._touched_nodes.add(after.node_id)
            self._take_node(after.node_id)

    def deployment_set(self, before: Deployment | None, after: Deployment) -> None:
        """A step changed a deployment."""
        if _differs(before, after, _OF_EVERY_CHANGE):
            self._touched_deployments.add(after.deployment_id)
            self._take_deployment(after.deployment_id)

    def replica_set(self, before: Replica | None, after: Replica) -> None:
        """A step changed a replica, or made one."""
        self._touched_replicas.add(after.replica_id)
        if before is not None and before.node_id != after.node_id:
            self.nodes.add(before.node_id)
        if not self.has_room_changed and _claim(before) != _claim(after):
            self.has_room_changed = True
        self._take_replica(after)

    def _take(self, focus: Focus) -> None:
        self.nodes |= focus.reports
        for node_id in focus.nodes:
            self._take_node(node_id)
        for deployment_id in focus.deployments:
            self._take_deployment(deployment_id)
        for replica_id in focus.replicas:
            self._take_by_id(replica_id)
        if focus.has_room_changed:
            self._take_all(self._index.pending)

    def _take_node(self, node_id: str) -> None:
        self.nodes.add(node_id)
        self._take_all(self._index.on(node_id))

    def _take_deployment(self, deployment_id: str) -> None:
        self.deployments.add(deployment_id)
        self.replicas |= self._index.of(deployment_id)

    def _take_all(self, replica_ids: Iterable[str]) -> None:
        for replica_id in replica_ids:
            self._take_by_id(replica_id)

    def _take_by_id(self, replica_id: str) -> None:
        replica = self._rows.get(replica_id)
        if replica is not None:
            self._take_replica(replica)

    def _take_replica(self, replica: Replica) -> None:
        self.replicas.add(replica.replica_id)
        self.deployments.add(replica.deployment_id)
        if replica.node_id:
            self.nodes.add(replica.node_id)


def _differs(before: Node | Deployment | None, after: Node | Deployment, but_for: tuple[str, ...]) -> bool:
    """Whether more changed than what changes all the time."""
    if before is None:
        return True
    return any(getattr(before, name) != getattr(after, name) for name in after.__struct_fields__ if name not in but_for)


def _shape(inventory: NodeInventory) -> Any:  # Any: only compared with its like
    """What a node is, without how much is free on it just now."""
    devices = tuple((item.uuid, item.health, item.memory_total_bytes) for item in inventory.devices)
    return devices, msgspec.structs.replace(inventory, memory_available_bytes=0, devices=())


def _claim(replica: Replica | None) -> Any:  # Any: only compared with its like
    """What a replica takes of its node, as placement counts it."""
    if replica is None or not replica.is_held:
        return None
    return (replica.node_id, replica.phase in _NOT_LOADED, replica.is_wanted, replica.resources, replica.device_uuids)

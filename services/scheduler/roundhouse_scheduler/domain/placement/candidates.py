"""What a node has left, summed up once and kept along: nothing here walks the replicas of a node again.

Free memory is the lower of what was not claimed and what the node says is free, less what its starting replicas have
not taken yet.
"""

from collections.abc import Callable, Iterable, Sequence, Set

from roundhouse_common.contracts.catalog import Resources
from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo
from roundhouse_common.contracts.scheduler import NodeAdmission, Phase
from roundhouse_scheduler.domain.records import Node, NodeDuty, RejectionReason, Replica

__all__ = ["MOMENTARY", "Candidate", "DeviceRoom", "claimed_memory_bytes"]

_NOT_LOADED = frozenset({Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING, Phase.FAILED})


def claimed_memory_bytes(held: Iterable[Replica]) -> int:
    """Return the host memory that the replicas on a node claim."""
    return sum(item.resources.memory_bytes for item in held if item.is_held and item.resources.device_count == 0)


class DeviceRoom:
    """One device and what is left of it."""

    __slots__ = ("barred", "free_bytes", "holders", "index", "info", "is_degraded", "is_whole", "uuid")

    def __init__(self, info: DeviceInfo, barred: str) -> None:
        self.info = info
        self.uuid = info.uuid
        self.index = info.index
        self.barred = barred
        """Why nothing may be placed on it; empty when it may."""
        self.is_degraded = info.health is DeviceHealth.DEGRADED
        self.free_bytes = 0
        """What a new replica can count on."""
        self.holders = 0
        self.is_whole = False
        """One replica claims all of it."""

    def likeness(self) -> tuple[object, ...]:
        """Return all that a judgement depends on, apart from its name."""
        info = self.info
        return (
            info.model,
            info.vendor,
            self.index,
            info.memory_total_bytes,
            self.free_bytes,
            self.holders > 0,
            self.is_whole,
            bool(self.barred),
            self.is_degraded,
        )

    def take(self, memory_bytes: int, *, is_exclusive: bool) -> None:
        """One more replica claims its memory here."""
        self.free_bytes -= memory_bytes
        self.holders += 1
        self.is_whole = self.is_whole or is_exclusive


class Candidate:
    """One node as placement sees it. `take` keeps it up to date while a plan grows; it is derived, never the record."""

    __slots__ = ("_versions", "device_free", "device_total", "devices", "engine_versions", "engines", "files",
                 "free_cpu_millis", "free_memory_bytes", "hindrance", "installable", "is_late", "is_uniform", "kind",
                 "labels", "node", "node_id", "region", "zone")  # fmt: skip

    def __init__(
        self, node: Node, held: Iterable[Replica] = (), *, is_late: bool = False, files: Set[str] = frozenset()
    ) -> None:
        inventory = node.inventory
        claims = [item for item in held if item.is_held]
        on_host = [item for item in claims if item.resources.device_count == 0]
        coming = sum(item.resources.memory_bytes for item in on_host if item.phase in _NOT_LOADED)
        claimed = sum(item.resources.memory_bytes for item in on_host)
        self.node = node
        self.node_id = node.node_id
        self.is_late = is_late
        self.kind = 0
        """What `Board` knows candidates by that are alike in all but name; 0 until it has looked."""
        self.engines = frozenset(inventory.engines)
        self.engine_versions = inventory.engine_versions
        self._versions = tuple(sorted(inventory.engine_versions.items())) if inventory.engine_versions else ()
        self.installable = inventory.installable_engines
        """Engines that the node may and can install."""
        self.files = files
        """Keys of the files that it has whole. No part of `likeness`: which nodes will do does not depend on it."""
        self.region = node.in_region
        self.zone = node.in_zone
        self.labels = node.all_labels
        self.free_memory_bytes = min(inventory.memory_total_bytes - claimed, inventory.memory_available_bytes - coming)
        """Host memory that a new replica can count on."""
        self.free_cpu_millis = inventory.cpu_cores * 1000 - sum(item.resources.cpu_millis for item in claims)
        """Reserved cores are reserved; what is not reserved is shared."""
        self.devices = _rooms(node, claims) if inventory.devices else []
        self.is_uniform = len({device.model for device in inventory.devices}) <= 1
        """All its devices are of one model."""
        self.hindrance = next((reason for reason, holds in MOMENTARY if holds(self)), None)
        """Why nothing at all may be placed here now; None when something may."""
        self.device_total = sum(device.memory_total_bytes for device in inventory.devices)
        self.device_free = sum(max(0, room.free_bytes) for room in self.devices)

    @property
    def place(self) -> tuple[str, str]:
        """The zone that siblings are counted by: names of zones are those of a region."""
        return self.region, self.zone

    def likeness(self) -> tuple[object, ...]:
        """Return all that a judgement depends on, apart from the names of the node and its devices."""
        return (
            self.engines,
            self._versions,
            self.installable,
            self.region,
            self.zone,
            tuple(sorted(self.labels.items())),
            self.hindrance,
            self.free_memory_bytes,
            self.node.inventory.memory_total_bytes,
            self.free_cpu_millis,
            tuple(room.likeness() for room in self.devices),
        )

    def take(self, resources: Resources, device_uuids: Sequence[str]) -> None:
        """One more replica claims its resources here; its engine has loaded nothing yet."""
        self.kind = 0
        self.free_cpu_millis -= resources.cpu_millis
        if resources.device_count == 0:
            self.free_memory_bytes -= resources.memory_bytes
            return
        for room in self.devices:
            if room.uuid in device_uuids:
                room.take(resources.memory_bytes, is_exclusive=resources.is_exclusive)
                self.device_free -= resources.memory_bytes


def is_not_approved(candidate: Candidate) -> bool:
    return candidate.node.admission is not NodeAdmission.APPROVED


def is_not_active(candidate: Candidate) -> bool:
    return candidate.node.duty is not NodeDuty.ACTIVE


def is_shutting_down(candidate: Candidate) -> bool:
    return candidate.node.is_shutting_down


def is_silent(candidate: Candidate) -> bool:
    """Also while it runs engines that the record has lost and has not taken up yet: what they hold is not counted."""
    return candidate.is_late or not candidate.node.is_settled


MOMENTARY: tuple[tuple[RejectionReason, Callable[[Candidate], bool]], ...] = (
    (RejectionReason.NODE_NOT_APPROVED, is_not_approved),
    (RejectionReason.NODE_CORDONED, is_not_active),
    (RejectionReason.NODE_SHUTTING_DOWN, is_shutting_down),
    (RejectionReason.NODE_NOT_READY, is_silent),
)
"""What keeps everything off a node, and may pass without anything being bought or moved."""


def _rooms(node: Node, claims: Sequence[Replica]) -> list[DeviceRoom]:
    quarantined = {item.device_uuid: item.reason for item in node.quarantines}
    rooms = {device.uuid: DeviceRoom(device, _barred(device, quarantined)) for device in node.inventory.devices}
    coming = dict.fromkeys(rooms, 0)
    for replica in claims:
        for uuid in replica.device_uuids:
            room = rooms.get(uuid)
            if room is None:
                continue
            room.take(replica.resources.memory_bytes, is_exclusive=replica.resources.is_exclusive)
            if replica.phase in _NOT_LOADED:
                coming[uuid] += replica.resources.memory_bytes
    for uuid, room in rooms.items():
        by_the_books = room.info.memory_total_bytes + room.free_bytes
        room.free_bytes = min(by_the_books, room.info.memory_free_bytes - coming[uuid])
    return sorted(rooms.values(), key=lambda room: (room.index, room.uuid))


def _barred(device: DeviceInfo, quarantined: dict[str, str]) -> str:
    if device.uuid in quarantined:
        reason = quarantined[device.uuid]
        return f"it is quarantined: {reason}" if reason else "it is quarantined"
    if device.health is DeviceHealth.FAILED:
        return f"it has failed: {device.health_detail}" if device.health_detail else "it has failed"
    if device.memory_total_bytes <= 0:
        return "how much memory it has is not known"
    return ""

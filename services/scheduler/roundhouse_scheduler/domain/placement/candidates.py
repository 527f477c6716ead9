"""What a replica asks for and what a node has left. Free memory is the lower of what was not claimed and what the
node says is free, less what its starting replicas have not taken yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.records import Node, Replica

__all__ = ["Candidate", "Demand", "claimed_memory_bytes"]

_NOT_LOADED = frozenset({Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING, Phase.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one replica asks for."""

    replica: Replica
    version: VersionSpec
    now: float


def claimed_memory_bytes(held: Sequence[Replica]) -> int:
    """Return the host memory that the replicas on a node claim."""
    return sum(item.resources.memory_bytes for item in held if item.resources.device_count == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One node with the replicas that hold a claim on it."""

    node: Node
    held: tuple[Replica, ...]
    is_late: bool

    @property
    def unclaimed_memory_bytes(self) -> int:
        """Host memory by the books."""
        return self.node.inventory.memory_total_bytes - claimed_memory_bytes(self.held)

    @property
    def free_memory_bytes(self) -> int:
        """Host memory that a new replica can count on."""
        coming = claimed_memory_bytes([item for item in self.held if item.phase in _NOT_LOADED])
        return min(self.unclaimed_memory_bytes, self.node.inventory.memory_available_bytes - coming)

    @property
    def free_cpu_millis(self) -> int:
        """Reserved cores are reserved; what is not reserved is shared."""
        return self.node.inventory.cpu_cores * 1000 - sum(item.resources.cpu_millis for item in self.held)

    def free_device_bytes(self, device: DeviceInfo) -> int:
        """Memory on one device that a new replica can count on."""
        holders = [item for item in self.held if device.uuid in item.device_uuids]
        claimed = sum(item.resources.memory_bytes for item in holders)
        coming = sum(item.resources.memory_bytes for item in holders if item.phase in _NOT_LOADED)
        return min(device.memory_total_bytes - claimed, device.memory_free_bytes - coming)

    def count_of(self, deployment_id: str) -> int:
        """How many replicas of a deployment are here and meant to stay."""
        return sum(1 for item in self.held if item.deployment_id == deployment_id and item.is_wanted)

    def fitting_devices(self, demand: Demand) -> list[DeviceInfo]:
        """Return the devices that fit, those with most room first."""
        vendor = demand.version.placement.device_vendor
        need_bytes = demand.version.resources.memory_bytes
        fitting = [
            device
            for device in self.node.inventory.devices
            if vendor in ("", device.vendor.value) and self.free_device_bytes(device) >= need_bytes
        ]
        return sorted(fitting, key=lambda device: (-self.free_device_bytes(device), device.index, device.uuid))

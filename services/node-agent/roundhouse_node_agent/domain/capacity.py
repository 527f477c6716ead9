"""The node's last word: an assignment that plainly cannot fit is refused with figures."""

from collections.abc import Iterable, Sequence

from roundhouse_common.contracts.node import DeviceInfo, NodeInventory
from roundhouse_common.contracts.scheduler import Assignment
from roundhouse_node_agent.domain.replica import Replica

__all__ = ["other_epoch", "refusal"]

_MIB = 1024 * 1024


def refusal(assignment: Assignment, others: Iterable[Replica], inventory: NodeInventory) -> str | None:
    """Return why the assignment cannot fit beside the others, or None. Free is the lower of claims and measurement."""
    claims = [other.assignment for other in others if other.is_active and other.replica_id != assignment.replica_id]
    if assignment.version.resources.device_count > 0 or assignment.device_uuids:
        return _devices_refusal(assignment, claims, inventory.devices)
    on_host = [claim.version.resources.memory_bytes for claim in claims if not claim.device_uuids]
    return _memory_refusal(
        assignment.version.resources.memory_bytes,
        on_host,
        total_bytes=inventory.memory_total_bytes,
        measured_bytes=inventory.memory_available_bytes,
        where="host memory",
    )


def other_epoch(assignment: Assignment, others: Iterable[Replica]) -> str | None:
    """Return why a member of a gang cannot start beside one of another epoch that is not down yet, or None."""
    gang = assignment.gang
    if gang is None:
        return None
    for other in others:
        theirs = other.assignment.gang
        if other.is_active and theirs is not None and theirs.gang_id == gang.gang_id and theirs.epoch != gang.epoch:
            return (
                f"member {theirs.rank} of epoch {theirs.epoch} of its gang still runs here; this is epoch {gang.epoch}"
            )
    return None


def _devices_refusal(assignment: Assignment, claims: Sequence[Assignment], devices: Sequence[DeviceInfo]) -> str | None:
    by_uuid = {device.uuid: device for device in devices}
    count = assignment.version.resources.device_count
    if len(assignment.device_uuids) < count:
        return f"it needs {count} devices and was given {len(assignment.device_uuids)}"
    for uuid in assignment.device_uuids:
        device = by_uuid.get(uuid)
        if device is None:
            return f"device {uuid} is not on this node; it has {', '.join(by_uuid) or 'none'}"
        holders = [claim for claim in claims if uuid in claim.device_uuids]
        refused = _exclusion(assignment, holders, uuid) or _memory_refusal(
            assignment.version.resources.memory_bytes,
            [claim.version.resources.memory_bytes for claim in holders],
            total_bytes=device.memory_total_bytes,
            measured_bytes=device.memory_free_bytes,
            where=f"memory on device {uuid}",
        )
        if refused is not None:
            return refused
    return None


def _exclusion(assignment: Assignment, holders: Sequence[Assignment], uuid: str) -> str | None:
    """Return why a device that somebody wants for itself alone is not shared, or None."""
    for holder in holders:
        if assignment.version.resources.is_exclusive or holder.version.resources.is_exclusive:
            whose = "it wants" if assignment.version.resources.is_exclusive else "that one has"
            return f"replica {holder.replica_id} still holds device {uuid}, which {whose} for itself alone"
    return None


def _memory_refusal(
    need_bytes: int, claims: Sequence[int], *, total_bytes: int, measured_bytes: int, where: str
) -> str | None:
    unclaimed = total_bytes - sum(claims)
    if need_bytes <= min(unclaimed, measured_bytes):
        return None
    return (
        f"it needs {_mib(need_bytes)} of {where}: of {_mib(total_bytes)} in all, {_mib(sum(claims))} are claimed by"
        f" {len(claims)} other replicas and {_mib(measured_bytes)} are free now"
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:,.0f} MiB"

"""Where more is claimed than there is: engines were taken up on a node that an older record had given to others."""

from collections.abc import Iterable

from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["is_crowded"]


def is_crowded(draft: Draft, replica: Replica) -> bool:
    """Return whether a placed replica shares its devices, or its host's memory, with more than they can hold."""
    inventory = draft.nodes[replica.node_id].inventory
    held = draft.on(replica.node_id)
    if not replica.device_uuids:
        return _need(row for row in held if not row.device_uuids) > inventory.memory_total_bytes
    for device in inventory.devices:
        if device.uuid not in replica.device_uuids:
            continue
        holders = [row for row in held if device.uuid in row.device_uuids]
        is_shared = len(holders) > 1
        if is_shared and (
            any(row.resources.is_exclusive for row in holders) or _need(holders) > device.memory_total_bytes
        ):
            return True
    return False


def _need(rows: Iterable[Replica]) -> int:
    return sum(row.resources.memory_bytes for row in rows)

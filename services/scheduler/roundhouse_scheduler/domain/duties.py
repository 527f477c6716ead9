"""What administrators do to nodes. Each order returns the node as it is then and a line for its timeline; an order that
is carried out already changes nothing and leaves no line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from roundhouse_common.contracts.scheduler import NodeAdmission, Phase
from roundhouse_scheduler.domain.errors import NodeHoldsReplicas, NodeIsRemoved, UnknownDevice
from roundhouse_scheduler.domain.records import Node, NodeDuty, NodeState, Quarantine, Replica

__all__ = ["NodeEvent", "Ordered", "approve", "quarantine", "relabel", "release", "remove", "set_duty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """One line of a node's timeline, without when and by whom."""

    kind: str
    before: str = ""
    after: str = ""
    detail: str = ""


Ordered = tuple[Node, NodeEvent | None]


def set_duty(node: Node, duty: NodeDuty, *, reason: str, at: float) -> Ordered:
    """Cordon, drain, maintain or take up again. Any duty may follow any other: a cordon ends a drain where it is."""
    _check_present(node)
    if node.duty is duty and reason in ("", node.duty_reason):
        return node, None
    since = node.duty_since if node.duty is duty else at
    after = msgspec.structs.replace(node, duty=duty, duty_reason=reason, duty_since=since)
    return after, NodeEvent(kind="node.duty", before=node.duty.value, after=duty.value, detail=reason)


def approve(node: Node) -> Ordered:
    """Let a node that joined have something to run."""
    _check_present(node)
    if node.admission is NodeAdmission.APPROVED:
        return node, None
    after = msgspec.structs.replace(node, admission=NodeAdmission.APPROVED)
    return after, NodeEvent(kind="node.admission", before=node.admission.value, after=after.admission.value)


def relabel(
    node: Node, *, labels: Mapping[str, str] | None = None, region: str | None = None, zone: str | None = None
) -> Ordered:
    """Say where a node is and what is known of it, over what it says itself; None leaves a thing as it is."""
    _check_present(node)
    after = msgspec.structs.replace(
        node,
        labels=node.labels if labels is None else dict(labels),
        region=node.region if region is None else region,
        zone=node.zone if zone is None else zone,
    )
    changes = [
        f"{name} {before or 'unset'} -> {now or 'unset'}"
        for name, before, now in (
            ("labels", _words(node.labels), _words(after.labels)),
            ("region", node.region, after.region),
            ("zone", node.zone, after.zone),
        )
        if before != now
    ]
    return after, NodeEvent(kind="node.labels", detail="; ".join(changes)) if changes else None


def quarantine(node: Node, device_uuid: str, *, reason: str, actor: str, at: float) -> Ordered:
    """Take one device out of use, for as long as nobody releases it: also over restarts and new registrations.

    Raises UnknownDevice.
    """
    _check_present(node)
    _check_device(node, device_uuid)
    if any(item.device_uuid == device_uuid for item in node.quarantines):
        return node, None
    added = Quarantine(device_uuid=device_uuid, reason=reason, actor=actor, at=at)
    after = msgspec.structs.replace(node, quarantines=(*node.quarantines, added))
    return after, NodeEvent(kind="node.device", before="in use", after="quarantined", detail=_of(device_uuid, reason))


def release(node: Node, device_uuid: str) -> Ordered:
    """Use a device again. Raises UnknownDevice."""
    _check_present(node)
    kept = tuple(item for item in node.quarantines if item.device_uuid != device_uuid)
    if len(kept) == len(node.quarantines):
        _check_device(node, device_uuid)
        return node, None
    after = msgspec.structs.replace(node, quarantines=kept)
    return after, NodeEvent(kind="node.device", before="quarantined", after="in use", detail=device_uuid)


def remove(node: Node, held: Sequence[Replica], names: Mapping[str, str]) -> Ordered:
    """Take a node out for good: its credentials are taken back, and it can only come back by joining again.

    Raises NodeHoldsReplicas while something may still run there: what is LOST was given up and does not count.
    """
    if node.admission is NodeAdmission.REMOVED:
        return node, None
    left = Counter(names.get(row.deployment_id, row.deployment_id) for row in held if row.phase is not Phase.LOST)
    if left:
        raise NodeHoldsReplicas(node.node_id, left, is_silent=node.state is not NodeState.READY)
    after = msgspec.structs.replace(node, admission=NodeAdmission.REMOVED)
    return after, NodeEvent(kind="node.admission", before=node.admission.value, after=after.admission.value)


def _check_present(node: Node) -> None:
    if node.admission is NodeAdmission.REMOVED:
        raise NodeIsRemoved(node.node_id)


def _check_device(node: Node, device_uuid: str) -> None:
    known = [device.uuid for device in node.inventory.devices]
    if device_uuid not in known:
        raise UnknownDevice(node.node_id, device_uuid, known)


def _words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _of(device_uuid: str, reason: str) -> str:
    return f"{device_uuid}: {reason}" if reason else device_uuid

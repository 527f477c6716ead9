"""Nodes as REST shows them."""

import zlib
from collections.abc import Sequence

import msgspec
from pydantic import BaseModel, Field

from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.http import Timestamp
from roundhouse_scheduler.domain.condition import Condition, condition_of
from roundhouse_scheduler.domain.placement.candidates import Candidate, claimed_memory_bytes
from roundhouse_scheduler.domain.records import Node, NodeDuty, NodeState, Quarantine, Replica
from roundhouse_scheduler.store.node_events import Line

__all__ = ["DeviceView", "DrainView", "NodeEventView", "NodeView", "QuarantineView", "WaitingView", "orders_tag"]


class QuarantineView(BaseModel):
    """Why a device is not used."""

    reason: str
    actor: str
    at: Timestamp


class DeviceView(BaseModel):
    """One accelerator."""

    uuid: str
    index: int = Field(description="As engines count.")
    physical_index: int | None = Field(description="As its vendor's tools number it, where that differs.")
    minor: int | None = Field(description="Of its device file.")
    pci_address: str
    parent_uuid: str = Field(description="Of the card that it is a slice of.")
    vendor: str
    model: str
    driver: str = Field(description="Its version.")
    memory_total_bytes: int = Field(description="0: not known; nothing is placed on it.")
    memory_free_bytes: int = Field(description="What the device reported last.")
    is_memory_shared: bool = Field(description="Its memory is the host's.")
    claimed_memory_bytes: int
    health: DeviceHealth = Field(description="degraded: used last; failed: not used.")
    health_detail: str
    quarantine: QuarantineView | None = Field(description="Set while an administrator keeps it out of use.")


class WaitingView(BaseModel):
    """A replacement that cannot be placed: while it waits, what it replaces goes on serving."""

    replica_id: str
    deployment_id: str
    detail: str


class DrainView(BaseModel):
    """How far it is with moving everything away."""

    left: int = Field(description="Replicas that are still here.")
    waiting: list[WaitingView] = Field(description="What it cannot go on for.")


class NodeView(BaseModel):
    """One host."""

    id: str
    hostname: str
    address: str
    condition: Condition = Field(description="All that is known of it, in one word.")
    why: str = Field(description="The condition in a sentence, and what can be done.")
    state: NodeState = Field(description="What is made of its silence.")
    state_since: Timestamp
    duty: NodeDuty = Field(description="What an administrator wants of it.")
    duty_reason: str
    duty_since: Timestamp | None
    admission: NodeAdmission
    epoch: int
    region: str
    zone: str
    labels: dict[str, str] = Field(description="The host's own with an administrator's laid over them.")
    own_labels: dict[str, str] = Field(description="Those that an administrator set.")
    os: str
    arch: str
    agent_version: str
    cpu_cores: int
    memory_total_bytes: int
    memory_free_bytes: int = Field(description="What a new replica can count on.")
    claimed_memory_bytes: int
    devices: list[DeviceView]
    device_errors: list[str]
    quarantines: list[str] = Field(description="UUIDs of quarantined devices, also of such as are not there now.")
    engines: list[str]
    is_shutting_down: bool
    last_heartbeat_at: Timestamp
    replicas_count: int
    drain: DrainView | None = Field(description="Set while its replicas are to move away.")

    @classmethod
    def of(cls, node: Node, held: Sequence[Replica], waiting: Sequence[Replica] = ()) -> "NodeView":
        """Return the view of a node with the replicas on it; `waiting` are unplaced ones of their deployments."""
        found = node.inventory
        condition, why = condition_of(node, left=len(held))
        return cls(
            id=node.node_id,
            hostname=found.hostname,
            address=found.address,
            condition=condition,
            why=why,
            state=node.state,
            state_since=node.state_since,
            duty=node.duty,
            duty_reason=node.duty_reason,
            duty_since=node.duty_since or None,
            admission=node.admission,
            epoch=node.epoch,
            region=node.in_region,
            zone=node.in_zone,
            labels=node.all_labels,
            own_labels=node.labels,
            os=found.os,
            arch=found.arch,
            agent_version=found.agent_version,
            cpu_cores=found.cpu_cores,
            memory_total_bytes=found.memory_total_bytes,
            memory_free_bytes=max(0, Candidate(node, held).free_memory_bytes),
            claimed_memory_bytes=claimed_memory_bytes(held),
            devices=[_device(device, node, held) for device in found.devices],
            device_errors=list(found.device_errors),
            quarantines=[item.device_uuid for item in node.quarantines],
            engines=list(found.engines),
            is_shutting_down=node.is_shutting_down,
            last_heartbeat_at=node.last_heartbeat_at,
            replicas_count=len(held),
            drain=_drain(held, waiting) if node.is_leaving else None,
        )


class NodeEventView(BaseModel):
    """One line of a node's timeline."""

    id: str
    at: Timestamp
    kind: str = Field(description="node.registered, node.state, node.duty, node.admission, node.labels or node.device.")
    before: str | None
    after: str | None
    detail: str
    actor: str

    @classmethod
    def of(cls, line: Line) -> "NodeEventView":
        """Return the view of a line."""
        return cls(
            id=line.event_id,
            at=line.at,
            kind=line.kind,
            before=line.before or None,
            after=line.after or None,
            detail=line.detail,
            actor=line.actor,
        )


def orders_tag(node: Node) -> int:
    """Return what tells one set of an administrator's orders from another, whatever the node itself reports."""
    orders = (node.labels, node.region, node.zone, node.duty, node.duty_reason, node.admission, node.quarantines)
    return zlib.crc32(msgspec.json.encode(orders, order="deterministic"))


def _device(device: DeviceInfo, node: Node, held: Sequence[Replica]) -> DeviceView:
    claims = (item.resources.memory_bytes for item in held if item.is_held and device.uuid in item.device_uuids)
    found = next((item for item in node.quarantines if item.device_uuid == device.uuid), None)
    return DeviceView(
        uuid=device.uuid,
        index=device.index,
        physical_index=device.physical_index if device.physical_index >= 0 else None,
        minor=device.minor if device.minor >= 0 else None,
        pci_address=device.pci_address,
        parent_uuid=device.parent_uuid,
        vendor=device.vendor.value,
        model=device.model,
        driver=device.driver,
        memory_total_bytes=device.memory_total_bytes,
        memory_free_bytes=device.memory_free_bytes,
        is_memory_shared=device.is_memory_shared,
        claimed_memory_bytes=sum(claims),
        health=device.health,
        health_detail=device.health_detail,
        quarantine=None if found is None else _quarantine(found),
    )


def _quarantine(found: Quarantine) -> QuarantineView:
    return QuarantineView(reason=found.reason, actor=found.actor, at=found.at)


def _drain(held: Sequence[Replica], waiting: Sequence[Replica]) -> DrainView:
    concerned = {item.deployment_id for item in held}
    return DrainView(
        left=len(held),
        waiting=[
            WaitingView(replica_id=item.replica_id, deployment_id=item.deployment_id, detail=item.detail)
            for item in waiting
            if item.deployment_id in concerned
        ],
    )

"""Nodes as REST shows them."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_common.http import Timestamp
from roundhouse_scheduler.domain.placement.candidates import Candidate, claimed_memory_bytes
from roundhouse_scheduler.domain.records import Node, NodeState, Replica

__all__ = ["DeviceView", "NodeView"]


class DeviceView(BaseModel):
    """One accelerator."""

    uuid: str
    index: int
    vendor: str
    model: str
    memory_total_bytes: int
    memory_free_bytes: int = Field(description="What the device reported last.")
    claimed_memory_bytes: int


class NodeView(BaseModel):
    """One host."""

    id: str
    hostname: str
    address: str
    state: NodeState
    state_since: Timestamp
    epoch: int
    region: str
    labels: dict[str, str]
    os: str
    arch: str
    agent_version: str
    cpu_cores: int
    memory_total_bytes: int
    memory_free_bytes: int = Field(description="What a new replica can count on.")
    claimed_memory_bytes: int
    devices: list[DeviceView]
    device_errors: list[str]
    engines: list[str]
    is_shutting_down: bool
    last_heartbeat_at: Timestamp
    replicas_count: int

    @classmethod
    def of(cls, node: Node, held: Sequence[Replica]) -> "NodeView":
        """Return the view of a node with the replicas on it."""
        candidate = Candidate(node=node, held=tuple(held), is_late=node.state is not NodeState.READY)
        found = node.inventory
        return cls(
            id=node.node_id,
            hostname=found.hostname,
            address=found.address,
            state=node.state,
            state_since=node.state_since,
            epoch=node.epoch,
            region=found.region,
            labels=found.labels,
            os=found.os,
            arch=found.arch,
            agent_version=found.agent_version,
            cpu_cores=found.cpu_cores,
            memory_total_bytes=found.memory_total_bytes,
            memory_free_bytes=max(0, candidate.free_memory_bytes),
            claimed_memory_bytes=claimed_memory_bytes(held),
            devices=[_device(device, held) for device in found.devices],
            device_errors=list(found.device_errors),
            engines=list(found.engines),
            is_shutting_down=node.is_shutting_down,
            last_heartbeat_at=node.last_heartbeat_at,
            replicas_count=len(held),
        )


def _device(device: DeviceInfo, held: Sequence[Replica]) -> DeviceView:
    claims = (item.resources.memory_bytes for item in held if device.uuid in item.device_uuids)
    return DeviceView(
        uuid=device.uuid,
        index=device.index,
        vendor=device.vendor.value,
        model=device.model,
        memory_total_bytes=device.memory_total_bytes,
        memory_free_bytes=device.memory_free_bytes,
        claimed_memory_bytes=sum(claims),
    )

"""A synthetic fleet: nodes of 8 devices of 80 GiB, and deployments of 10 replicas that share the devices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from roundhouse_common.contracts.catalog import (
    DeploymentDesired,
    DeploymentSpec,
    EngineKind,
    ModelKind,
    ModelSource,
    Resources,
    SourceKind,
    VersionSpec,
)
from roundhouse_common.contracts.node import (
    DeviceInfo,
    DeviceVendor,
    NodeInventory,
    NodeReport,
    ObservedPhase,
    ReplicaReport,
)
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.records import Node, NodeDuty, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import add_all
from roundhouse_scheduler.store.specs import take_specs

__all__ = [
    "DEVICES",
    "GIB",
    "LOST_REPLICAS",
    "PER_DEPLOYMENT",
    "Shape",
    "a_device",
    "a_spec",
    "fill",
    "records",
    "reports_of",
]

GIB = 1024**3
DEVICES = 8
PER_DEPLOYMENT = 10
LOST_REPLICAS = 100
"""On the first node, which is the one to be lost. It is cordoned, so that no more are placed there."""
_DEVICE_BYTES = 79 * GIB
_REPLICA_BYTES = 2 * GIB
_HOLDS = DEVICES * (_DEVICE_BYTES // _REPLICA_BYTES)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large it is."""

    nodes: int
    replicas: int

    @property
    def deployments(self) -> int:
        return self.replicas // PER_DEPLOYMENT

    @staticmethod
    def of(nodes: int, replicas: int) -> "Shape":
        """As many replicas as asked for, or as there is room for with a tenth of it left."""
        return Shape(nodes, min(replicas, nodes * _HOLDS * 9 // 10) // PER_DEPLOYMENT * PER_DEPLOYMENT)


def a_spec(
    number: int, *, replicas: int = PER_DEPLOYMENT, generation: int = 1, memory_bytes: int = 0
) -> DeploymentSpec:
    """Return what the catalog wants of deployment `number`."""
    version = VersionSpec(
        version_id=f"ver_{number:06d}",
        number=1,
        model_id="mdl_1",
        model_name="model",
        model_kind=ModelKind.CHAT,
        source=ModelSource(kind=SourceKind.PATH, uri="/models/model.gguf"),
        context_length=4096,
        engine=EngineKind.VLLM,
        resources=Resources(memory_bytes=memory_bytes or _REPLICA_BYTES, device_count=1),
    )
    return DeploymentSpec(
        deployment_id=f"dep_{number:06d}",
        name=f"model-{number}",
        tenant_id="ten_default",
        generation=generation,
        desired=DeploymentDesired.RUN,
        replicas=replicas,
        version=version,
        disconnect_grace_s=20.0,
    )


def a_device(node: int, index: int) -> DeviceInfo:
    """Return one device of a node."""
    return DeviceInfo(
        uuid=f"GPU-{node:05d}-{index}",
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model="H100",
        memory_total_bytes=80 * GIB,
        memory_free_bytes=_DEVICE_BYTES,
    )


def records(shape: Shape, at: float) -> tuple[list[DeploymentSpec], list[Node], list[Replica]]:
    """Return a fleet in which everything runs as wanted; the same arguments give the same one."""
    specs = [a_spec(number) for number in range(shape.deployments)]
    nodes = [_node(number, at) for number in range(shape.nodes)]
    replicas = [
        _replica(number, specs[number // PER_DEPLOYMENT], nodes[node], device, at)
        for number, (node, device) in enumerate(_places(shape))
    ]
    return specs, nodes, replicas


async def fill(db: Database, shape: Shape, at: float) -> list[DeploymentSpec]:
    """Write such a fleet; return its specs."""
    specs, nodes, replicas = records(shape, at)
    async with db.write() as session:
        await take_specs(session, specs, at=at)
        revision = await next_revision(session)
        await add_all(session, tables.nodes, nodes, revision=revision)
        await add_all(session, tables.replicas, replicas, revision=revision)
    return specs


def _places(shape: Shape) -> list[tuple[int, int]]:
    """A hundred on the first node, the others evenly; each deployment is spread over different nodes."""
    lost = set(range(0, shape.replicas, max(1, shape.replicas // LOST_REPLICAS))) if shape.nodes > 1 else set()
    lost = set(sorted(lost)[:LOST_REPLICAS])
    places, others = [], 0
    for number in range(shape.replicas):
        if number in lost:
            places.append((0, number % DEVICES))
        else:
            node, round_ = 1 + others % (shape.nodes - 1), others // (shape.nodes - 1)
            places.append((node, round_ % DEVICES))
            others += 1
    return places


def _node(number: int, at: float) -> Node:
    name = f"nod_{number:05d}"
    inventory = NodeInventory(
        hostname=name,
        address="10.0.0.1",
        cpu_cores=128,
        memory_total_bytes=1024 * GIB,
        memory_available_bytes=1000 * GIB,
        os="linux",
        arch="x86_64",
        agent_version="0",
        engines=("vllm",),
        devices=tuple(a_device(number, index) for index in range(DEVICES)),
    )
    return Node(
        node_id=name,
        epoch=1,
        incarnation="one",
        inventory=inventory,
        state_since=at,
        registered_at=at - 100.0,
        last_heartbeat_at=at,
        duty=NodeDuty.ACTIVE if number else NodeDuty.CORDONED,
    )


def _replica(number: int, spec: DeploymentSpec, node: Node, device: int, at: float) -> Replica:
    return Replica(
        replica_id=f"rep_{number:07d}",
        deployment_id=spec.deployment_id,
        version_id=spec.version.version_id,
        version_number=1,
        engine=EngineKind.VLLM,
        resources=spec.version.resources,
        engine_api_key="secret",
        phase=Phase.READY,
        reason=Reason.ENGINE_READY,
        since=at,
        created_at=at,
        ready_since=at,
        node_id=node.node_id,
        device_uuids=(node.inventory.devices[device].uuid,),
        is_serving=True,
        base_url=f"http://10.0.0.1:{9000 + device}",
        served_model="model",
    )


def reports_of(nodes: Mapping[str, Node], replicas: Iterable[Replica]) -> dict[str, NodeReport]:
    """Return what the agents of these nodes report: everything that was placed is ready."""
    on: dict[str, list[Replica]] = {node_id: [] for node_id in nodes}
    for replica in replicas:
        on[replica.node_id].append(replica)
    return {node_id: _report(node, on[node_id]) for node_id, node in nodes.items()}


def _report(node: Node, replicas: Sequence[Replica]) -> NodeReport:
    return NodeReport(
        node_id=node.node_id,
        epoch=node.epoch,
        incarnation=node.incarnation,
        sequence=node.report_sequence + 1,
        assignments_revision=node.assignments_revision,
        inventory=_with_what_is_taken(node.inventory, replicas),
        replicas=tuple(
            ReplicaReport(
                replica_id=row.replica_id,
                deployment_id=row.deployment_id,
                attempt=row.attempt,
                phase=ObservedPhase.READY,
                reason=Reason.ENGINE_READY.value,
                since=row.since,
                base_url=row.base_url or "http://10.0.0.1:9000",
                served_model="model",
                version_id=row.version_id,
                version_number=row.version_number,
                device_uuids=row.device_uuids,
                engine_api_key=row.engine_api_key,
            )
            for row in replicas
        ),
    )


def _with_what_is_taken(inventory: NodeInventory, replicas: Sequence[Replica]) -> NodeInventory:
    taken: dict[str, int] = {}
    for row in replicas:
        for uuid in row.device_uuids:
            taken[uuid] = taken.get(uuid, 0) + row.resources.memory_bytes
    devices = tuple(
        msgspec.structs.replace(item, memory_free_bytes=_DEVICE_BYTES - taken.get(item.uuid, 0))
        for item in inventory.devices
    )
    return msgspec.structs.replace(inventory, devices=devices)

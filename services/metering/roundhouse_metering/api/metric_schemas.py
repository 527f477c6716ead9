"""What the REST API answers about curves."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from roundhouse_common.http import Timestamp
from roundhouse_metering.store.latest import LatestNode
from roundhouse_metering.store.samples import ComputePoint, DevicePoint

__all__ = [
    "ComputeSample",
    "Curves",
    "DeploymentCurves",
    "DeviceCurve",
    "NodeCurves",
    "NodeNow",
    "ReplicaCurves",
]

_Bytes = Annotated[int, Field(ge=0)]


class Units(BaseModel):
    """What the figures are in."""

    cpu: str = "cores"
    memory: str = "bytes"
    utilization: str = "0 to 1"
    temperature: str = "degrees Celsius"
    power: str = "watts"


class ComputeSample(BaseModel):
    """Processor and memory over one step: averages, and the highest single sample."""

    at: Timestamp = Field(description="Start of the step.")
    cpu_user: float = Field(description="Cores busy in user mode.")
    cpu_system: float = Field(description="Cores busy in system mode.")
    cpu_max: float = Field(description="User and system mode together, the highest sample.")
    cpu_cores: float = Field(description="Cores of the node.")
    memory_used_bytes: _Bytes
    memory_max_bytes: _Bytes = Field(description="The highest sample.")
    memory_total_bytes: _Bytes = Field(description="Of the node.")

    @classmethod
    def of(cls, point: ComputePoint) -> "ComputeSample":
        return cls(**_values(cls, point))


class DeviceSample(BaseModel):
    """One device over one step: averages, and the highest single sample; null where it does not tell."""

    at: Timestamp = Field(description="Start of the step.")
    utilization: float | None = Field(description="0 to 1.")
    utilization_max: float | None
    memory_used_bytes: int | None = Field(description="Of a replica: its own part, where the vendor tells.")
    memory_max_bytes: int | None
    memory_total_bytes: int | None = Field(description="Of the device.")
    temperature_c: float | None
    temperature_max_c: float | None
    power_w: float | None
    power_max_w: float | None

    @classmethod
    def of(cls, point: DevicePoint) -> "DeviceSample":
        return cls(**_values(cls, point))


class DeviceCurve(BaseModel):
    uuid: str
    points: list[DeviceSample]


class Curves(BaseModel):
    """Points in the order of time. Where nothing was sampled there is no point: a gap is a gap, never a zero."""

    points: list[ComputeSample]
    devices: list[DeviceCurve]


class _Answer(BaseModel):
    unit: Units = Units()
    step_s: int = Field(description="Width of a step. Chosen for at most 500 points unless it was asked for.")
    since: Timestamp
    until: Timestamp


class NodeCurves(_Answer, Curves):
    node_id: str


class ReplicaCurves(_Answer, Curves):
    replica_id: str
    deployment_id: str
    node_ids: list[str] = Field(description="Where it ran.")


class OneReplica(Curves):
    replica_id: str
    node_ids: list[str]


class DeploymentCurves(_Answer):
    deployment_id: str
    replicas: list[OneReplica] = Field(description="Those that ran in the time, by id.")


class DeviceNow(BaseModel):
    uuid: str
    utilization: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_c: float | None
    power_w: float | None


class ComputeNow(BaseModel):
    cpu_user: float
    cpu_system: float
    memory_used_bytes: int
    devices: list[DeviceNow]


class ReplicaNow(ComputeNow):
    replica_id: str
    deployment_id: str


class NodeNow(ComputeNow):
    """The last sample of a node that was heard in the last 15 minutes."""

    node_id: str
    at: Timestamp
    cpu_cores: float
    memory_total_bytes: int
    replicas: list[ReplicaNow]

    @classmethod
    def of(cls, node: LatestNode) -> "NodeNow":
        return cls(
            node_id=node.node_id,
            at=node.own.at,
            cpu_cores=node.own.cpu_cores,
            memory_total_bytes=round(node.own.memory_total_bytes),
            replicas=[
                ReplicaNow(
                    replica_id=replica.replica_id,
                    deployment_id=replica.deployment_id,
                    **_now(replica.own, replica.devices),
                )
                for replica in node.replicas
            ],
            **_now(node.own, node.devices),
        )


# Any: the fields of a model, checked by pydantic.
def _now(own: ComputePoint, devices: Mapping[str, DevicePoint]) -> dict[str, Any]:
    return {
        "cpu_user": own.cpu_user,
        "cpu_system": own.cpu_system,
        "memory_used_bytes": round(own.memory_used_bytes),
        "devices": [DeviceNow(uuid=uuid, **_values(DeviceNow, point)) for uuid, point in sorted(devices.items())],
    }


def _values(model: type[BaseModel], point: ComputePoint | DevicePoint) -> dict[str, Any]:
    """Return the fields that a model and a point share; bytes are whole."""
    shared = {name: getattr(point, name) for name in model.model_fields if hasattr(point, name)}
    return {
        name: round(value) if name.endswith("_bytes") and value is not None else value for name, value in shared.items()
    }

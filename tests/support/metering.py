"""Samples and transitions for tests of metering, by default of one node and one replica."""

from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import Resources
from roundhouse_common.contracts.node import DeviceSample, NodeSample, ReplicaSample
from roundhouse_common.contracts.scheduler import Phase, Reason, ReplicaTransition

__all__ = ["GIB", "device", "node_sample", "replica_sample", "transition"]

GIB = 1024**3


# Any below: fields of the struct.
def node_sample(at: float, **changes: Any) -> NodeSample:
    """Return a node with 8 cores, of which 2 and 1 are busy, and no devices."""
    sample = NodeSample(
        node_id="nod_a",
        epoch=1,
        at=at,
        interval_s=10.0,
        cpu_cores=8,
        cpu_user=2.0,
        cpu_system=1.0,
        memory_used_bytes=4 * GIB,
        memory_total_bytes=16 * GIB,
    )
    return msgspec.structs.replace(sample, **changes)


def replica_sample(replica_id: str = "rep_a", **changes: Any) -> ReplicaSample:
    """Return a replica of `dep_a` that keeps half a core busy."""
    sample = ReplicaSample(replica_id=replica_id, deployment_id="dep_a", cpu_user=0.4, cpu_system=0.1, memory_bytes=GIB)
    return msgspec.structs.replace(sample, **changes)


def device(uuid: str = "GPU-a", **changes: Any) -> DeviceSample:
    """Return a busy device of 80 GiB."""
    sample = DeviceSample(
        uuid=uuid,
        utilization=0.75,
        memory_used_bytes=40 * GIB,
        memory_total_bytes=80 * GIB,
        temperature_c=65.0,
        power_w=410.0,
    )
    return msgspec.structs.replace(sample, **changes)


def transition(at: float, before: Phase, after: Phase, **changes: Any) -> ReplicaTransition:
    """Return a transition of `rep_a`, which claims 2 devices with 10 GiB each and 1.5 cores."""
    event = ReplicaTransition(
        event_id=f"evt_{at:020.6f}_{after.value}",
        at=at,
        replica_id="rep_a",
        deployment_id="dep_a",
        version_id="ver_a",
        node_id="nod_a",
        before=before,
        after=after,
        reason=Reason.PLACED,
        tenant_id="ten_default",
        version_number=1,
        is_holding=after not in (Phase.PENDING, Phase.STOPPED, Phase.LOST),
        is_serving=after is Phase.READY,
        resources=Resources(memory_bytes=10 * GIB, cpu_millis=1500, device_count=2),
        device_uuids=("GPU-a", "GPU-b"),
    )
    return msgspec.structs.replace(event, **changes)

"""Samples as rows of curves: what is taken in, and what is refused."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from roundhouse_common.contracts.node import DeviceSample, NodeSample

__all__ = ["ComputeRow", "DeviceRow", "SeriesKey", "compute_rows", "device_rows", "fault", "time_of"]

N = TypeVar("N", int, float)

_MOST_DEVICES = 256
_MOST_REPLICAS = 4096
_MOST_CHARS = 200
_MOST = float(2**53)
_CLOCKS_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What a curve is of: a node; with `replica_id` a replica on it; with `device_uuid` a device of either."""

    node_id: str
    replica_id: str = ""
    device_uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeRow:
    """Processor and memory, of a node or of a replica. Cores and total memory are the node's."""

    key: SeriesKey
    deployment_id: str = ""
    at: int
    cpu_user: float
    cpu_system: float
    cpu_cores: int
    memory_used_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One device. None where it did not tell."""

    key: SeriesKey
    deployment_id: str = ""
    at: int
    utilization: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_c: float | None
    power_w: float | None


def fault(sample: NodeSample, node_id: str) -> str | None:
    """Say why a sample cannot be taken in, or None. `node_id` is whose subject it came on: that cannot be forged."""
    if sample.node_id != node_id:
        return f"it says that it is of {sample.node_id[:_MOST_CHARS]}"
    if len(sample.devices) > _MOST_DEVICES or len(sample.replicas) > _MOST_REPLICAS:
        return f"it has {len(sample.devices)} devices and {len(sample.replicas)} replicas"
    names = [node_id, *(device.uuid for device in sample.devices)]
    figures: list[float] = [sample.cpu_user, sample.cpu_system, sample.cpu_cores]
    figures += [sample.memory_used_bytes, sample.memory_total_bytes]
    for replica in sample.replicas:
        names += [replica.replica_id, *(device.uuid for device in replica.devices)]
        figures += [replica.cpu_user, replica.cpu_system, replica.memory_bytes]
    if not all(0 < len(name) <= _MOST_CHARS for name in names):
        return "an id in it is empty or too long"
    if not all(0 <= figure <= _MOST for figure in figures) or not math.isfinite(sample.at):
        return "a figure in it is negative or absurd"
    return None


def time_of(sample: NodeSample, now: float) -> int:
    """Return the second it belongs to: its own time, unless its node's clock is wrong; then that of receipt."""
    return math.floor(sample.at if abs(sample.at - now) <= _CLOCKS_APART_S else now)


def compute_rows(sample: NodeSample, at: int) -> Iterator[ComputeRow]:
    """Yield the node's row and one for each replica."""
    yield ComputeRow(
        key=SeriesKey(sample.node_id),
        at=at,
        cpu_user=sample.cpu_user,
        cpu_system=sample.cpu_system,
        cpu_cores=sample.cpu_cores,
        memory_used_bytes=sample.memory_used_bytes,
        memory_total_bytes=sample.memory_total_bytes,
    )
    for replica in sample.replicas:
        yield ComputeRow(
            key=SeriesKey(sample.node_id, replica.replica_id),
            deployment_id=replica.deployment_id,
            at=at,
            cpu_user=replica.cpu_user,
            cpu_system=replica.cpu_system,
            cpu_cores=sample.cpu_cores,
            memory_used_bytes=replica.memory_bytes,
            memory_total_bytes=sample.memory_total_bytes,
        )


def device_rows(sample: NodeSample, at: int) -> Iterator[DeviceRow]:
    """Yield a row for each device of the node and for each replica's part of its devices."""
    for device in sample.devices:
        yield _device_row(device, SeriesKey(sample.node_id, "", device.uuid), "", at)
    for replica in sample.replicas:
        for device in replica.devices:
            key = SeriesKey(sample.node_id, replica.replica_id, device.uuid)
            yield _device_row(device, key, replica.deployment_id, at)


def _device_row(device: DeviceSample, key: SeriesKey, deployment_id: str, at: int) -> DeviceRow:
    return DeviceRow(
        key=key,
        deployment_id=deployment_id,
        at=at,
        utilization=_told(device.utilization),
        memory_used_bytes=_told(device.memory_used_bytes),
        memory_total_bytes=_told(device.memory_total_bytes),
        temperature_c=_told(device.temperature_c),
        power_w=_told(device.power_w),
    )


def _told(figure: N) -> N | None:
    return figure if 0 <= figure <= _MOST else None

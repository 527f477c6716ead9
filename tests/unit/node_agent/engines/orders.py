"""What engines are rendered from in these tests."""

from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed, Resources, VersionSpec
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_common.contracts.scheduler import GangMembership
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.discovery import PROGRAMS
from roundhouse_node_agent.engines.engine import RenderOrder
from tests.support.scheduler_stub import an_assignment

__all__ = ["GIB", "KEY", "NEED", "a_device", "a_gang", "a_version", "an_order"]

GIB = 1024**3
KEY = "the-key-of-this-replica"
NEED = MemoryNeed(
    weights_bytes=15 * GIB,
    kv_cache_bytes=4 * GIB,
    activation_bytes=2 * GIB,
    overhead_bytes=GIB,
    context_tokens=8192,
    concurrency=16,
    devices=1,
)


def a_device(index: int, vendor: DeviceVendor = DeviceVendor.NVIDIA, *, free_gib: int = 78) -> DeviceInfo:
    return DeviceInfo(
        uuid=f"{'GPU' if vendor is DeviceVendor.NVIDIA else vendor.value}-{index}",
        index=index,
        vendor=vendor,
        model="H",
        memory_total_bytes=80 * GIB,
        memory_free_bytes=free_gib * GIB,
    )


def a_gang(rank: int) -> GangMembership:
    return GangMembership(gang_id="gng_1", epoch=3, rank=rank, size=2, address="10.0.0.1", port=29_777)


def a_version(engine: EngineKind, *, devices: int = 0, nodes: int = 1, **changes: Any) -> VersionSpec:
    version = an_assignment(engine=engine, parameters={}, context_length=32_768).version
    resources = Resources(memory_bytes=24 * GIB, device_count=devices, node_count=nodes)
    return msgspec.structs.replace(version, **{"resources": resources, **changes})


def an_order(version: VersionSpec, *devices: DeviceInfo, **changes: Any) -> RenderOrder:
    kind = version.engine
    name = PROGRAMS.get(kind, "")
    base: dict[str, Any] = {
        "runtime": EngineRuntime(
            kind=kind.value, python="/opt/engine/bin/python", program=f"/opt/engine/bin/{name}" if name else ""
        ),
        "version": version,
        "served_name": "smol",
        "model_path": "/models/smol",
        "devices": devices,
        "host": "10.0.0.7",
        "port": 9001,
        "api_key": KEY,
        "address": "10.0.0.7",
        "directory": "/state/replicas/rep_1/runs/000001-01",
    }
    return RenderOrder(**{**base, **changes})

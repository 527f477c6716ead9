"""What usage and prices call the devices of a replica."""

import msgspec
import pytest

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_scheduler.domain.documents import device_class
from tests.support.scheduler import a_fleet


def device(uuid: str, model: str) -> DeviceInfo:
    return DeviceInfo(
        uuid=uuid, index=0, vendor=DeviceVendor.NVIDIA, model=model, memory_total_bytes=1, memory_free_bytes=1
    )


@pytest.mark.parametrize(
    ("uuids", "count", "named"),
    [
        ((), 0, "cpu"),
        ((), 1, ""),
        (("a", "b"), 2, "NVIDIA H100 80GB HBM3"),
        (("a", "c"), 2, "NVIDIA A10 + NVIDIA H100 80GB HBM3"),
        (("gone",), 1, ""),
    ],
)
def test_a_replica_is_named_by_its_devices(uuids: tuple[str, ...], count: int, named: str) -> None:
    fleet = a_fleet()
    replica = fleet.only()
    node = fleet.nodes[replica.node_id]
    devices = (
        device("a", "NVIDIA H100 80GB HBM3"),
        device("b", "NVIDIA H100 80GB HBM3"),
        device("c", "NVIDIA A10"),
    )
    node = msgspec.structs.replace(node, inventory=msgspec.structs.replace(node.inventory, devices=devices))
    resources = msgspec.structs.replace(replica.resources, device_count=count)
    assert device_class(msgspec.structs.replace(replica, device_uuids=uuids, resources=resources), node) == named
    assert device_class(msgspec.structs.replace(replica, device_uuids=uuids), None) == ("cpu" if not uuids else "")

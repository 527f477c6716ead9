"""Which reason a node gives: what can never do before what may change, and each device for itself."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import AntiAffinity, Placement, Resources
from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.placement import Candidate, Infeasible, place
from roundhouse_scheduler.domain.records import NodeDuty, Quarantine, RejectionReason
from tests.support.placement import a_board, a_gpu, a_gpu_node, asking
from tests.support.scheduler import GIB, a_node, a_replica, an_inventory

R = RejectionReason
ONE_DEVICE = Resources(memory_bytes=10 * GIB, device_count=1)
CARD = a_gpu("GPU-1")


def why(node: Any, resources: Resources | None = None, **placement: Any) -> dict[str, RejectionReason]:
    """Reasons by device; the node's own is under the empty name."""
    found = place(asking(resources, Placement(**placement)), a_board(node))
    assert isinstance(found, Infeasible)
    return {row.device_uuid: row.reason for row in found.rejections}


@pytest.mark.parametrize(
    ("node", "placement", "expected"),
    [
        (a_node(inventory=an_inventory(engines=("vllm",))), {}, R.ENGINE_MISSING),
        (a_node(), {"node_ids": ("nod_7",)}, R.NOT_CHOSEN),
        (a_node(), {"region": "north"}, R.REGION),
        (a_node(inventory=an_inventory(region="north"), region="south"), {"region": "north"}, R.REGION),
        (a_node(), {"zone": "a"}, R.ZONE),
        (a_node(inventory=an_inventory(labels={"disk": "hdd"})), {"node_labels": {"disk": "ssd"}}, R.LABELS),
        (a_node(admission=NodeAdmission.PENDING), {}, R.NODE_NOT_APPROVED),
        (a_node(duty=NodeDuty.CORDONED), {}, R.NODE_CORDONED),
        (a_node(duty=NodeDuty.DRAINING), {}, R.NODE_CORDONED),
        (a_node(duty=NodeDuty.MAINTENANCE), {}, R.NODE_CORDONED),
        (a_node(is_shutting_down=True), {}, R.NODE_SHUTTING_DOWN),
        (Candidate(a_node(), is_late=True), {}, R.NODE_NOT_READY),
        (a_node(), {"zone_anti_affinity": AntiAffinity.REQUIRED}, R.ANTI_AFFINITY),
        (a_node(duty=NodeDuty.CORDONED), {"region": "north"}, R.REGION),
    ],
)
def test_a_node_says_why_it_will_not_do(node: Any, placement: dict[str, Any], expected: RejectionReason) -> None:
    assert why(node, **placement) == {"": expected}


def test_an_administrators_labels_region_and_zone_are_laid_over_the_hosts() -> None:
    node = a_node(
        inventory=an_inventory(region="north", labels={"disk": "hdd"}), labels={"disk": "ssd"}, region="south", zone="a"
    )
    demand = asking(placement=Placement(region="south", zone="a", node_labels={"disk": "ssd"}))
    assert not isinstance(place(demand, a_board(node)), Infeasible)


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("device", "placement", "expected"),
    [
        ({}, {"device_uuids": ("GPU-2",)}, R.NOT_CHOSEN),
        ({}, {"device_vendor": "ascend"}, R.DEVICE_VENDOR),
        ({}, {"device_model": "*h100*"}, R.DEVICE_MODEL),
        ({"health": DeviceHealth.FAILED}, {}, R.DEVICE_HEALTH),
        ({"memory_total_bytes": 0}, {}, R.DEVICE_HEALTH),
        ({"memory_free_bytes": 9 * GIB}, {}, R.MEMORY),
        ({"memory_total_bytes": 9 * GIB, "memory_free_bytes": 24 * GIB}, {}, R.MEMORY),
    ],
)
def test_a_device_says_why_it_will_not_do(
    device: dict[str, Any], placement: dict[str, Any], expected: RejectionReason
) -> None:
    node = a_gpu_node("nod_1", a_gpu("GPU-1", **device))
    assert why(node, ONE_DEVICE, **placement) == {"": expected, "GPU-1": expected}


def test_a_quarantined_device_is_not_used() -> None:
    quarantine = Quarantine(device_uuid="GPU-1", reason="XID 79", actor="user:admin", at=0.0)
    node = a_node(inventory=an_inventory(devices=(CARD,)), quarantines=(quarantine,))
    assert why(node, ONE_DEVICE) == {"": R.DEVICE_HEALTH, "GPU-1": R.DEVICE_HEALTH}


def test_a_device_that_is_claimed_whole_is_not_shared_and_a_shared_one_not_claimed_whole() -> None:
    small = Resources(memory_bytes=GIB, device_count=1)
    whole = Resources(memory_bytes=GIB, device_count=1, is_exclusive=True)
    for held, wanted in ((whole, small), (small, whole), (whole, whole)):
        holder = a_replica(node_id="nod_1", device_uuids=("GPU-1",), resources=held)
        assert why(Candidate(a_gpu_node("nod_1", CARD), [holder]), wanted)["GPU-1"] is R.DEVICES


def test_devices_of_different_models_do_not_make_one_replica() -> None:
    node = a_gpu_node("nod_1", a_gpu("GPU-1"), a_gpu("GPU-2", 1, model="NVIDIA H100"))
    assert why(node, Resources(memory_bytes=GIB, device_count=2)) == {"": R.DEVICES}


def test_without_enough_devices_the_node_says_so_and_not_that_memory_lacks() -> None:
    assert why(a_node(), ONE_DEVICE) == {"": R.DEVICES}
    assert why(a_gpu_node("nod_1", CARD), Resources(memory_bytes=GIB, device_count=2)) == {"": R.DEVICES}


def test_a_node_that_refused_a_replica_is_not_asked() -> None:
    found = place(asking(refusals={"nod_1": "no port is free"}), a_board(a_node("nod_1"), a_node("nod_2")))
    assert not isinstance(found, Infeasible)
    assert found.node_id == "nod_2"


def test_what_rests_after_too_many_failures_claims_nothing() -> None:
    spent = a_replica(node_id="nod_1", resources=Resources(memory_bytes=16 * GIB), is_spent=True)
    assert not isinstance(place(asking(), a_board(Candidate(a_node(), [spent]))), Infeasible)

"""Filter, score, pick; and an answer per node to "why is it pending?"."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import Placement, Resources
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor, ObservedPhase
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.records import RejectionReason
from tests.support.scheduler import (
    GIB,
    Fleet,
    a_deployment,
    a_fleet,
    a_node,
    a_replica,
    a_version,
    an_entry,
    an_inventory,
)


def a_gpu(index: int, *, total: int = 24 * GIB, free: int = 24 * GIB) -> DeviceInfo:
    return DeviceInfo(
        uuid=f"GPU-{index}",
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model="L4",
        memory_total_bytes=total,
        memory_free_bytes=free,
    )


def test_a_wanted_replica_is_created_and_placed_in_one_look() -> None:
    fleet = Fleet().with_nodes(a_node()).with_deployment(a_deployment())
    fleet.step()
    replica = fleet.only()
    assert (replica.phase, replica.reason, replica.node_id) == (Phase.ASSIGNED, Reason.PLACED, "nod_1")
    assert replica.assigned_revision == fleet.nodes["nod_1"].assignments_revision > 0


@pytest.mark.contract("A23")
def test_replicas_of_a_deployment_spread_over_the_nodes() -> None:
    fleet = a_fleet(nodes=2, replicas=4)
    assert sorted(item.node_id for item in fleet.live()) == ["nod_01", "nod_01", "nod_02", "nod_02"]


@pytest.mark.parametrize(
    ("node_changes", "version_changes", "expected"),
    [
        ({"engines": ()}, {}, RejectionReason.ENGINE_MISSING),
        ({"region": "north"}, {"placement": Placement(region="south")}, RejectionReason.REGION),
        ({}, {"placement": Placement(node_labels={"disk": "ssd"})}, RejectionReason.LABELS),
        ({}, {"placement": Placement(device_vendor="nvidia")}, RejectionReason.DEVICE_VENDOR),
        ({}, {"resources": Resources(memory_bytes=GIB, device_count=1)}, RejectionReason.DEVICES),
        ({}, {"resources": Resources(memory_bytes=17 * GIB)}, RejectionReason.MEMORY),
        ({"memory_available_bytes": GIB // 2}, {}, RejectionReason.MEMORY),
        ({}, {"resources": Resources(memory_bytes=GIB, cpu_millis=9000)}, RejectionReason.CPU),
    ],
)
def test_a_pending_replica_says_for_each_node_why_not(
    node_changes: dict[str, Any], version_changes: dict[str, Any], expected: RejectionReason
) -> None:
    version = a_version(**version_changes)
    fleet = Fleet(versions={"ver_1": version}).with_deployment(a_deployment(version=version))
    fleet.with_nodes(a_node(inventory=an_inventory(**node_changes)))
    fleet.step()
    replica = fleet.only()
    assert (replica.phase, replica.reason) == (Phase.PENDING, Reason.NO_FEASIBLE_NODE)
    assert [(item.node_id, item.reason) for item in replica.rejections] == [("nod_1", expected)]
    assert replica.detail.startswith("host: ")


def test_without_nodes_the_reason_says_so() -> None:
    fleet = Fleet().with_deployment(a_deployment())
    fleet.step()
    assert (fleet.only().reason, fleet.only().detail) == (Reason.NO_FEASIBLE_NODE, "there is no node")


def test_a_starting_replica_counts_against_what_the_node_says_is_free() -> None:
    version = a_version(memory_bytes=3 * GIB)
    node = a_node(inventory=an_inventory(memory_available_bytes=5 * GIB))
    fleet = Fleet(versions={"ver_1": version}).with_nodes(node).with_deployment(a_deployment(replicas=2))
    fleet.step()
    assert fleet.phases() == [Phase.ASSIGNED, Phase.PENDING]


def test_devices_are_chosen_by_uuid_with_most_room_first() -> None:
    version = a_version(resources=Resources(memory_bytes=10 * GIB, device_count=1))
    node = a_node(inventory=an_inventory(devices=(a_gpu(0, free=8 * GIB), a_gpu(1), a_gpu(2, free=20 * GIB))))
    fleet = Fleet(versions={"ver_1": version}).with_nodes(node).with_deployment(a_deployment(replicas=5))
    fleet.step()
    assert [item.device_uuids for item in fleet.live()] == [("GPU-1",), ("GPU-2",), ("GPU-1",), ("GPU-2",), ()]
    assert [item.phase for item in fleet.live()] == [Phase.ASSIGNED] * 4 + [Phase.PENDING]


def test_the_node_has_the_last_word_and_is_not_asked_again_for_a_while() -> None:
    fleet = Fleet().with_nodes(a_node()).with_deployment(a_deployment())
    fleet.step()
    fleet.report("nod_1", an_entry(fleet.only(), ObservedPhase.REJECTED, detail="the port range is used up"))
    fleet.step()
    replica = fleet.only()
    assert (replica.phase, replica.node_id) == (Phase.PENDING, "")
    assert replica.rejections[0].reason is RejectionReason.REFUSED_BY_NODE
    assert "the port range is used up" in replica.rejections[0].detail
    fleet.now += fleet.rules.refusal_s + 1
    fleet.hear_all()
    fleet.step()
    assert fleet.only().phase is Phase.ASSIGNED


def test_pending_replicas_are_placed_when_room_appears() -> None:
    fleet = Fleet().with_deployment(a_deployment())
    fleet.step()
    fleet.with_nodes(a_node())
    fleet.step()
    assert fleet.only().phase is Phase.ASSIGNED


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    totals=st.lists(st.integers(1, 16), min_size=1, max_size=4),
    free=st.lists(st.integers(0, 16), min_size=4, max_size=4),
    counts=st.lists(st.integers(0, 4), min_size=6, max_size=6),
)
def test_no_node_is_ever_claimed_beyond_its_memory(
    sizes: list[int], totals: list[int], free: list[int], counts: list[int]
) -> None:
    fleet = Fleet(versions={f"ver_{i}": a_version(i, memory_bytes=size * GIB) for i, size in enumerate(sizes)})
    for i, total in enumerate(totals):
        inventory = an_inventory(memory_total_bytes=total * GIB, memory_available_bytes=min(total, free[i]) * GIB)
        fleet.with_nodes(a_node(f"nod_{i}", inventory=inventory))
    for i, _ in enumerate(sizes):
        version = fleet.versions[f"ver_{i}"]
        fleet.with_deployment(a_deployment(f"dep_{i}", version=version, replicas=counts[i]))
    fleet.step()
    for node in fleet.nodes.values():
        claimed = sum(item.resources.memory_bytes for item in fleet.live() if item.node_id == node.node_id)
        assert claimed <= min(node.inventory.memory_total_bytes, node.inventory.memory_available_bytes)
    for item in fleet.live():
        if item.phase is Phase.PENDING:
            assert {no.node_id for no in item.rejections} == set(fleet.nodes)


def test_the_same_view_gives_the_same_plan() -> None:
    def plan() -> bytes:
        fleet = Fleet().with_nodes(a_node("nod_2"), a_node("nod_1")).with_deployment(a_deployment(replicas=3))
        return msgspec.json.encode(fleet.step().new_replicas)

    assert plan() == plan()


def test_an_unheard_node_gets_nothing_new() -> None:
    fleet = a_fleet(nodes=2, replicas=1)
    (home,) = {item.node_id for item in fleet.live()}
    fleet.now += 20.0
    fleet.hear(home)
    fleet.with_replicas(a_replica("rep_2")).with_deployment(a_deployment(replicas=2))
    fleet.step()
    assert {item.node_id for item in fleet.live()} == {home}

"""Which of the nodes and devices that will do is taken."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import Alternative, AntiAffinity, Placement, PlacementStrategy, Resources
from roundhouse_common.contracts.node import DeviceHealth, DeviceLink
from roundhouse_scheduler.domain.placement import Board, Candidate, Choice, Demand, Infeasible, Siblings
from tests.support.placement import a_board, a_gpu, a_gpu_node, asking, pick_each
from tests.support.scheduler import GIB, a_node, an_inventory

PACK = Placement(strategy=PlacementStrategy.PACK)


def nodes_of(demand: Demand, board: Board, count: int, siblings: Siblings | None = None) -> list[str]:
    return [item.node_id if isinstance(item, Choice) else "" for item in pick_each(demand, board, count, siblings)]


def devices_of(demand: Demand, board: Board, count: int = 1) -> list[tuple[str, ...]]:
    return [item.device_uuids if isinstance(item, Choice) else () for item in pick_each(demand, board, count)]


def zoned(node_id: str, zone: str) -> Any:
    return a_node(node_id, inventory=an_inventory(hostname=node_id, zone=zone))


def test_replicas_spread_over_zones_and_nodes() -> None:
    board = a_board(zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b"))
    assert nodes_of(asking(), board, 3) == ["a1", "b1", "a2"]


def test_many_nodes_in_one_zone_are_not_left_for_the_one_node_of_another() -> None:
    board = a_board(*(zoned(f"a{number}", "a") for number in range(5)), zoned("b0", "b"))
    assert nodes_of(asking(), board, 6).count("b0") == 1


def test_packing_fills_one_node_before_the_next() -> None:
    board = a_board(a_gpu_node("nod_1", count=2), a_gpu_node("nod_2", count=2))
    demand = asking(Resources(memory_bytes=12 * GIB, device_count=1), PACK)
    assert nodes_of(demand, board, 5) == ["nod_1"] * 4 + ["nod_2"]
    assert devices_of(demand, a_board(a_gpu_node("nod_1", count=2)), 3) == [("nod_1-0",), ("nod_1-0",), ("nod_1-1",)]


def test_spreading_uses_the_emptiest_device() -> None:
    demand = asking(Resources(memory_bytes=4 * GIB, device_count=1))
    assert devices_of(demand, a_board(a_gpu_node("nod_1", count=2)), 3) == [("nod_1-0",), ("nod_1-1",), ("nod_1-0",)]


def test_replicas_that_must_be_apart_share_no_node() -> None:
    board = a_board(a_node("nod_1"), a_node("nod_2"))
    demand = asking(placement=Placement(node_anti_affinity=AntiAffinity.REQUIRED))
    assert nodes_of(demand, board, 3) == ["nod_1", "nod_2", ""]


def test_replicas_that_must_be_in_different_zones_are() -> None:
    board = a_board(zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b"))
    demand = asking(placement=Placement(zone_anti_affinity=AntiAffinity.REQUIRED))
    assert nodes_of(demand, board, 3) == ["a1", "b1", ""]


def test_zones_of_two_regions_that_have_one_name_are_two() -> None:
    board = a_board(
        a_node("nod_1", inventory=an_inventory(region="north", zone="a")),
        a_node("nod_2", inventory=an_inventory(region="south", zone="a")),
    )
    demand = asking(placement=Placement(zone_anti_affinity=AntiAffinity.REQUIRED))
    assert nodes_of(demand, board, 2) == ["nod_1", "nod_2"]


def test_a_degraded_device_is_the_last_choice() -> None:
    worn = a_gpu("GPU-worn", health=DeviceHealth.DEGRADED)
    board = a_board(a_gpu_node("nod_1", worn), a_gpu_node("nod_2", a_gpu("GPU-2", memory_free_bytes=3 * GIB)))
    demand = asking(Resources(memory_bytes=2 * GIB, device_count=1), Placement(node_anti_affinity=AntiAffinity.NONE))
    assert devices_of(demand, board, 2) == [("GPU-2",), ("GPU-worn",)]


def test_devices_of_one_replica_are_neighbours() -> None:
    taken = a_gpu("GPU-1", 1, memory_free_bytes=0)
    cards = (a_gpu("GPU-0", 0), taken, a_gpu("GPU-2", 2), a_gpu("GPU-3", 3))
    demand = asking(Resources(memory_bytes=GIB, device_count=2))
    assert devices_of(demand, a_board(a_gpu_node("nod_1", *cards))) == [("GPU-2", "GPU-3")]


def test_devices_of_one_replica_are_linked_directly_where_links_are_told() -> None:
    """Four cards of which 0 and 2, and 1 and 3, are joined by NVLink: neighbours by number are not."""
    joined = {"GPU-0": "GPU-2", "GPU-2": "GPU-0", "GPU-1": "GPU-3", "GPU-3": "GPU-1"}
    cards = [
        a_gpu(
            uuid,
            number,
            links={
                other: DeviceLink.DIRECT if joined[uuid] == other else DeviceLink.SYSTEM
                for other in joined
                if other != uuid
            },
        )
        for number, uuid in enumerate(sorted(joined))
    ]
    board = a_board(a_gpu_node("nod_1", *cards))
    whole = Resources(memory_bytes=20 * GIB, device_count=2, is_exclusive=True)
    assert devices_of(asking(whole), board, 2) == [("GPU-0", "GPU-2"), ("GPU-1", "GPU-3")]


def test_what_needs_no_device_stays_off_nodes_that_have_some() -> None:
    assert nodes_of(asking(), a_board(a_gpu_node("nod_1", count=1), a_node("nod_2")), 1) == ["nod_2"]


def test_only_the_named_devices_and_nodes_are_used() -> None:
    board = a_board(a_gpu_node("nod_1", count=2), a_gpu_node("nod_2", count=2))
    demand = asking(Resources(memory_bytes=20 * GIB, device_count=1), Placement(device_uuids=("nod_2-1",)))
    assert devices_of(demand, board, 2) == [("nod_2-1",), ()]
    assert nodes_of(asking(placement=Placement(node_ids=("nod_2",))), board, 3) == ["nod_2"] * 3


@pytest.mark.contract("A23", "A33")
def test_the_first_class_of_devices_that_fits_is_taken_and_an_earlier_one_elsewhere_is_preferred() -> None:
    ways = (
        Alternative(name="big", device_model="*H100*", resources=Resources(memory_bytes=40 * GIB, device_count=1)),
        Alternative(name="small", device_model="*L4*", resources=Resources(memory_bytes=20 * GIB, device_count=2)),
        Alternative(name="cpu", resources=Resources(memory_bytes=8 * GIB)),
    )
    big = a_gpu("GPU-h", model="NVIDIA H100", memory_total_bytes=80 * GIB, memory_free_bytes=80 * GIB)
    board = a_board(a_node("nod_0"), a_gpu_node("nod_1", count=2), a_gpu_node("nod_2", big))
    found = pick_each(asking(alternatives=ways), board, 8)
    names = [item.alternative for item in found if isinstance(item, Choice)]
    assert names == ["big", "big", "small", *["cpu"] * 5]
    claims = {item.alternative: item.resources for item in found if isinstance(item, Choice)}
    assert claims == {way.name: way.resources for way in ways}


def test_small_replicas_share_a_device_as_far_as_its_memory_goes() -> None:
    demand = asking(Resources(memory_bytes=10 * GIB, device_count=1))
    found = pick_each(demand, a_board(a_gpu_node("nod_1", count=1)), 3)
    assert [isinstance(item, Infeasible) for item in found] == [False, False, True]


def test_free_memory_is_the_lower_of_the_books_and_what_the_device_says() -> None:
    said = Candidate(a_gpu_node("nod_1", a_gpu("GPU-1", memory_free_bytes=5 * GIB)))
    assert said.devices[0].free_bytes == 5 * GIB

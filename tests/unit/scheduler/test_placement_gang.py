"""The members of a replica that spans nodes all get nodes of their own, alike and near each other, or none does."""

import pytest

from roundhouse_common.contracts.catalog import Alternative, AntiAffinity, Placement, Resources
from roundhouse_scheduler.domain.placement import Board, Infeasible, Siblings, place_gang
from roundhouse_scheduler.domain.records import Node, RejectionReason
from tests.support.placement import a_board, a_gpu, a_gpu_node, asking
from tests.support.scheduler import GIB

TWO = Resources(memory_bytes=20 * GIB, device_count=2, node_count=2)


def zoned(node_id: str, zone: str, model: str = "NVIDIA L4", region: str = "north") -> Node:
    cards = tuple(a_gpu(f"{node_id}-{index}", index, model=model) for index in range(2))
    return a_gpu_node(node_id, *cards, zone=zone, region=region)


def placed(board: Board, members: int = 2, **placement: object) -> list[str]:
    found = place_gang([asking(TWO, Placement(**placement))] * members, board)  # type: ignore[arg-type]
    return [] if isinstance(found, Infeasible) else [choice.node_id for choice in found]


@pytest.mark.contract("A07")
def test_members_are_on_different_nodes_of_one_zone() -> None:
    board = a_board(zoned("nod_1", "a"), zoned("nod_2", "b"), zoned("nod_3", "b"))
    assert placed(board) == ["nod_2", "nod_3"]


def test_one_region_is_better_than_two() -> None:
    far = zoned("nod_1", "a", region="south")
    assert placed(a_board(far, zoned("nod_2", "b"), zoned("nod_3", "c"))) == ["nod_2", "nod_3"]
    assert placed(a_board(far, zoned("nod_2", "b"))) == ["nod_1", "nod_2"]


def test_members_run_on_one_model_of_devices() -> None:
    other = zoned("nod_1", "a", model="NVIDIA H100")
    assert placed(a_board(other, zoned("nod_2", "a"), zoned("nod_3", "b"))) == ["nod_2", "nod_3"]
    assert placed(a_board(other, zoned("nod_2", "a"))) == []


def test_a_node_with_two_models_gives_the_one_that_the_others_have() -> None:
    mixed = a_gpu_node(
        "nod_1",
        *(a_gpu(f"L-{i}", i, memory_free_bytes=21 * GIB) for i in range(2)),
        *(a_gpu(f"H-{i}", 2 + i, model="NVIDIA H100") for i in range(2)),
    )
    found = place_gang([asking(TWO)] * 2, a_board(mixed, zoned("nod_2", "")))
    assert not isinstance(found, Infeasible)
    assert {choice.node_id: choice.device_uuids for choice in found}["nod_1"] == ("L-0", "L-1")


def test_members_run_by_one_class_of_devices() -> None:
    ways = (
        Alternative(name="big", device_model="*H100*", resources=TWO),
        Alternative(name="small", device_model="*L4*", resources=TWO),
    )
    board = a_board(zoned("nod_1", "a", model="NVIDIA H100"), zoned("nod_2", "a"), zoned("nod_3", "a"))
    found = place_gang([asking(TWO, alternatives=ways)] * 2, board)
    assert not isinstance(found, Infeasible)
    # nod_1 would run it by the better class, but alone.
    assert [(choice.node_id, choice.alternative) for choice in found] == [("nod_2", "small"), ("nod_3", "small")]


def test_without_enough_nodes_none_is_taken_and_each_says_that_it_alone_would_do() -> None:
    board = a_board(zoned("nod_1", "a"), zoned("nod_2", "a"))
    found = place_gang([asking(TWO)] * 3, board)
    assert isinstance(found, Infeasible)
    assert {row.reason for row in found.rejections} == {RejectionReason.GANG}
    assert found.detail.startswith("needs 3 nodes that are alike, 2 would do for one member; ")
    assert board.candidates["nod_1"].devices[0].free_bytes == 24 * GIB


def test_a_node_that_refused_one_member_is_asked_for_none() -> None:
    board = a_board(zoned("nod_1", "a"), zoned("nod_2", "a"), zoned("nod_3", "a"))
    refused = asking(TWO, refusals={"nod_1": "its port range is used up"})
    found = place_gang([asking(TWO), refused], board)
    assert not isinstance(found, Infeasible)
    assert [choice.node_id for choice in found] == ["nod_2", "nod_3"]


def test_two_gangs_that_must_be_apart_share_no_node() -> None:
    board = a_board(*(zoned(f"nod_{number}", "a") for number in range(1, 4)))
    siblings = Siblings.on([board.candidates["nod_1"]])
    demand = asking(TWO, Placement(node_anti_affinity=AntiAffinity.REQUIRED))
    found = place_gang([demand] * 2, board, siblings)
    assert not isinstance(found, Infeasible)
    assert [choice.node_id for choice in found] == ["nod_2", "nod_3"]
    assert isinstance(place_gang([demand] * 3, board, siblings), Infeasible)

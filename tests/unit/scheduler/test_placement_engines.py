"""Which engine a node has, may install, or lacks; and whose files are there already."""

import dataclasses
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import AntiAffinity, EngineKind, Placement, PlacementStrategy, Resources
from roundhouse_scheduler.domain.placement import Board, Candidate, Choice, Demand, Infeasible, Search, Shape, Siblings
from roundhouse_scheduler.domain.placement.gang import place_gang
from roundhouse_scheduler.domain.records import RejectionReason
from tests.support.placement import a_board, pick_each
from tests.support.provisioning import QWEN
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_inventory

KEY = "0123456789abcdef0123456789abcdef"


def asking(version: str = "", *, installs: bool = False, files: str = "", **placement: Any) -> Demand:
    shape = Shape.asking(
        EngineKind.VLLM,
        Resources(memory_bytes=GIB),
        Placement(**placement),
        engine_version=version,
        installs_engine=installs,
    )
    return Demand(deployment_id="dep_1", version_id="ver_1", shape=shape, files=files)


def has(node_id: str, *versions: str, installs: tuple[str, ...] = (), files: Any = (), **inventory: Any) -> Candidate:
    """A node that has vLLM in these versions; without any it has llama.cpp only."""
    found = an_inventory(
        hostname=node_id,
        engines=("llama.cpp", "vllm") if versions else ("llama.cpp",),
        engine_versions={"vllm": versions} if versions != ("",) and versions else {},
        installable_engines=installs,
        **inventory,
    )
    return Candidate(a_node(node_id, inventory=found), files=frozenset(files))


def place(demand: Demand, *candidates: Candidate) -> Choice | Infeasible:
    return pick_each(demand, a_board(*candidates), 1)[0]


@pytest.mark.parametrize(
    ("candidate", "version", "installs", "is_placed"),
    [
        (has("one", "0.32.0"), "", False, True),
        (has("one", "0.31.0", "0.32.0"), "0.32.0", False, True),
        (has("one", "0.31.0"), "0.32.0", False, False),
        (has("one", "0.31.0", installs=("vllm",)), "0.32.0", False, False),
        (has("one", "0.31.0", installs=("vllm",)), "0.32.0", True, True),
        (has("one", "0.31.0", installs=("sglang",)), "0.32.0", True, False),
        (has("one", ""), "", False, True),
        (has("one", ""), "0.32.0", False, False),
        (has("one"), "", False, False),
        (has("one", installs=("vllm",)), "", True, True),
        (has("one", installs=("vllm",)), "", False, False),
    ],
)
def test_a_node_has_the_engine_in_the_version_asked_for_or_may_install_it(
    candidate: Candidate, version: str, installs: bool, is_placed: bool
) -> None:
    found = place(asking(version, installs=installs), candidate)
    assert isinstance(found, Choice) is is_placed
    if isinstance(found, Infeasible):
        assert [row.reason for row in found.rejections] == [RejectionReason.ENGINE_MISSING]


@pytest.mark.parametrize(
    ("candidate", "version", "words"),
    [
        (
            has("one", "0.31.0", installs=("vllm",)),
            "0.32.0",
            "engine vllm 0.32.0 is not installed here (it has 0.31.0); install it: "
            "roundhouse engines install vllm --version 0.32.0 --node one",
        ),
        (
            has("one", installs=("sglang", "vllm")),
            "",
            "engine vllm is not installed here (it has llama.cpp); install it: "
            "roundhouse engines install vllm --node one",
        ),
        (
            has("one", ""),
            "0.32.0",
            "engine vllm 0.32.0 is not installed here (the one it has does not state its version); "
            "this node does not install engines",
        ),
        (
            has("one", installs=("sglang",)),
            "",
            "engine vllm is not installed here (it has llama.cpp); this node can install sglang only",
        ),
    ],
)
def test_it_says_what_the_node_has_and_what_to_do(candidate: Candidate, version: str, words: str) -> None:
    found = place(asking(version), candidate)
    assert isinstance(found, Infeasible)
    assert found.rejections[0].detail == words
    assert found.detail == f"one: {words}"


def test_over_many_nodes_the_version_is_named() -> None:
    found = place(asking("0.32.0"), *(has(f"nod_{number}", "0.31.0") for number in range(4)))
    assert isinstance(found, Infeasible)
    assert found.detail == "0 of 4 nodes can take it: 4 lack the engine vllm 0.32.0"


def chosen(demand: Demand, *candidates: Candidate, count: int = 1) -> list[str]:
    found = pick_each(demand, a_board(*candidates), count)
    return [choice.node_id for choice in found if isinstance(choice, Choice)]


@pytest.mark.parametrize("strategy", [PlacementStrategy.SPREAD, PlacementStrategy.PACK])
def test_a_node_that_has_the_engine_is_better_than_one_that_would_install_it(strategy: PlacementStrategy) -> None:
    demand = asking("0.32.0", installs=True, strategy=strategy)
    candidates = (has("a", installs=("vllm",)), has("b", "0.32.0"), has("c", "0.31.0", installs=("vllm",)))
    assert chosen(demand, *candidates) == ["b"]


@pytest.mark.parametrize("strategy", [PlacementStrategy.SPREAD, PlacementStrategy.PACK])
def test_a_node_that_has_the_files_is_better_than_one_that_must_fetch_them(strategy: PlacementStrategy) -> None:
    demand = asking(files=KEY, strategy=strategy)
    assert chosen(demand, has("a", "1"), has("b", "1", files=[KEY]), has("c", "1", files=["other"])) == ["b"]


def test_files_outweigh_how_full_a_node_is_and_not_where_the_siblings_are() -> None:
    full = has("full", "1", files=[KEY], memory_available_bytes=3 * GIB)
    assert chosen(asking(files=KEY), has("empty", "1"), full, count=2) == ["full", "empty"]


def test_files_count_for_each_member_of_a_gang() -> None:
    candidates = [has("a", "1"), has("b", "1", files=[KEY]), has("c", "1"), has("d", "1", files=[KEY])]
    found = place_gang([asking(files=KEY)] * 2, a_board(*candidates))
    assert isinstance(found, tuple)
    assert [choice.node_id for choice in found] == ["b", "d"]


def test_a_node_whose_files_became_whole_or_went_is_looked_at_again() -> None:
    board = a_board(has("a", "1"), has("b", "1"))
    demand = asking(files=KEY)
    found = []
    for files in ([], [KEY], ["other"], [KEY]):
        board.put(has("b", "1", files=files))
        choice = Search(board, demand, Siblings()).pick()
        assert choice is not None
        found.append(choice.node_id)
    board.drop("b")
    assert found == ["a", "b", "a", "b"]
    assert list(board.holders(KEY)) == []


def test_replicas_of_one_model_go_to_its_holders_first_and_then_spread() -> None:
    candidates = [has(name, "1", files=[KEY] if name in "ce" else []) for name in "abcdef"]
    assert chosen(asking(files=KEY), *candidates, count=4) == ["c", "e", "a", "b"]


def test_replicas_that_must_be_apart_take_each_holder_once() -> None:
    candidates = [has("a", "1"), has("b", "1", files=[KEY])]
    demand = asking(files=KEY, node_anti_affinity=AntiAffinity.REQUIRED)
    assert chosen(demand, *candidates, count=3) == ["b", "a"]


def test_a_holder_that_refused_it_is_not_asked() -> None:
    demand = dataclasses.replace(asking(files=KEY), refusals={"b": "no"})
    assert chosen(demand, has("a", "1"), has("b", "1", files=[KEY])) == ["a"]


def test_a_search_leaves_the_board_as_it_found_it() -> None:
    board = a_board(has("a", "1"), has("b", "1", files=[KEY]), has("c", "1"))
    assert [pick_each(asking(files=KEY), board, 1)[0].node_id for _ in range(1)] == ["b"]  # type: ignore[union-attr]
    assert pick_each(asking(), board, 1)[0].node_id == "a"  # type: ignore[union-attr]


def test_files_that_are_everywhere_make_no_difference_and_cost_nothing() -> None:
    board = a_board(*(has(f"nod_{number:04d}", "1", files=[KEY] if number else []) for number in range(600)))
    assert list(board.holders(KEY)) == []
    assert chosen_on(board) == "nod_0000"
    for number in range(500, 600):
        board.put(has(f"nod_{number:04d}", "1"))
    assert len(board.holders(KEY)) == 499
    assert chosen_on(board) == "nod_0001"


def chosen_on(board: Board) -> str:
    search = Search(board, asking(files=KEY), Siblings())
    choice = search.pick()
    search.release()
    assert choice is not None
    return choice.node_id


def test_nodes_alike_in_all_but_their_files_share_one_judgement_and_one_shape() -> None:
    board = a_board(*(has(f"nod_{number}", "1", files=[f"{number:032x}"]) for number in range(8)))
    demands = [asking(files=f"{number:032x}") for number in range(8)]
    assert {demand.shape.key for demand in demands} == {asking().shape.key}
    assert [pick_each(demand, board, 1)[0].node_id for demand in demands] == [  # type: ignore[union-attr]
        f"nod_{number}" for number in range(8)
    ]


def test_the_planner_sees_an_engine_that_was_installed_since() -> None:
    version = a_version(engine=EngineKind.VLLM, engine_version="0.32.0", source=QWEN)
    fleet = Fleet(versions={"ver_1": version}).with_nodes(a_node("nod_1")).with_deployment(a_deployment())
    fleet.step()
    assert "engine vllm 0.32.0 is not installed here" in fleet.only().detail
    installed = an_inventory(hostname="nod_1", engines=("vllm",), engine_versions={"vllm": ("0.32.0",)})
    fleet.report("nod_1", inventory=installed)
    fleet.step()
    assert fleet.only().node_id == "nod_1"

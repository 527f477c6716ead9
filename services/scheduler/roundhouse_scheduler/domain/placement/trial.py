"""A trial: where so many replicas would go now, one after the other, or why not. The planner's own functions on a board
that is thrown away after."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand, Shape
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.gang import place_gang
from roundhouse_scheduler.domain.placement.search import Choice, Search, Siblings
from roundhouse_scheduler.domain.records import Node, NodeState, Replica

__all__ = ["Trial", "board_from", "try_placing"]

_TRIED = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of it."""

    placed: tuple[tuple[Choice, ...], ...]
    """For each replica its choice, or those of its members by rank."""
    nowhere: Infeasible | None
    """Why the next one cannot be placed; None when all were."""


def board_from(
    nodes: Mapping[str, Node], replicas: Iterable[Replica], files: Mapping[str, Set[str]] = MappingProxyType({})
) -> Board:
    """Return what all nodes have left according to the record; `files` are the keys of what each has whole."""
    held: dict[str, list[Replica]] = {node_id: [] for node_id in nodes}
    for replica in replicas:
        if replica.node_id in held:
            held[replica.node_id].append(replica)
    return Board(
        Candidate(node, held[node_id], is_late=node.state is not NodeState.READY, files=files.get(node_id, frozenset()))
        for node_id, node in sorted(nodes.items())
        if node.admission is not NodeAdmission.REMOVED
    )


def try_placing(shape: Shape, board: Board, replicas: int, *, files: str = "") -> Trial:
    """Place so many replicas of a new version, as far as they go. The board shows their claims after. `files` is the
    key of the files that they need."""
    demand = Demand(deployment_id=_TRIED, version_id=_TRIED, shape=shape, files=files)
    if max(option.resources.node_count for option in shape.options) > 1:
        return _try_gangs(demand, board, replicas)
    search = Search(board, demand, Siblings())
    placed: list[tuple[Choice, ...]] = []
    while len(placed) < replicas:
        choice = search.pick()
        if choice is None:
            return Trial(placed=tuple(placed), nowhere=search.why_not())
        search.claim(choice)
        placed.append((choice,))
    return Trial(placed=tuple(placed), nowhere=None)


def _try_gangs(demand: Demand, board: Board, replicas: int) -> Trial:
    size = max(option.resources.node_count for option in demand.shape.options)
    siblings = Siblings()
    placed: list[tuple[Choice, ...]] = []
    while len(placed) < replicas:
        found = place_gang([demand] * size, board, siblings)
        if isinstance(found, Infeasible):
            return Trial(placed=tuple(placed), nowhere=found)
        for choice in found:
            board.take(choice.node_id, choice.resources, choice.device_uuids)
            siblings.add(board.candidates[choice.node_id])
        placed.append(found)
    return Trial(placed=tuple(placed), nowhere=None)

"""Pick a node for one replica, or say for every node why not. What the planner does for many, here for one."""

from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.search import Choice, Search, Siblings

__all__ = ["place"]


def place(
    demand: Demand, board: Board, siblings: Siblings | None = None, *, most: int | None = None
) -> Choice | Infeasible:
    """Filter, score, pick; nothing is claimed. `most` bounds of how many nodes it is told why not."""
    search = Search(board, demand, siblings or Siblings())
    choice = search.pick()
    search.release()
    return choice or search.why_not(most=most)

"""Placement: filter -> score -> pick, and for what fits nowhere every rejection, per node and device, as a reason.

`pending.py` is the planner's step and imported by its own name: the rest knows nothing of plans.
"""

from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand, Shape
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.gang import place_gang
from roundhouse_scheduler.domain.placement.place import place
from roundhouse_scheduler.domain.placement.search import Choice, Search, Siblings

__all__ = ["Board", "Candidate", "Choice", "Demand", "Infeasible", "Search", "Shape", "Siblings", "place", "place_gang"]

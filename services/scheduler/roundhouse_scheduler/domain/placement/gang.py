"""Place a gang: all members at once on different nodes that are alike and near each other, or none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import AntiAffinity
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.demand import Demand, Shape
from roundhouse_scheduler.domain.placement.devices import Miss, choose_by_model
from roundhouse_scheduler.domain.placement.explain import Infeasible, explain
from roundhouse_scheduler.domain.placement.filters import Fit, judge_option
from roundhouse_scheduler.domain.placement.scores import files_term, node_term, score, zone_term
from roundhouse_scheduler.domain.placement.search import Choice, Siblings
from roundhouse_scheduler.domain.records import RejectionReason

__all__ = ["place_gang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seat:
    """A node that would do for one member."""

    choice: Choice
    model: str
    """Of its devices; empty for the CPU."""
    place: tuple[str, str]


def place_gang(
    demands: Sequence[Demand], board: Board, siblings: Siblings | None = None, *, most: int | None = None
) -> tuple[Choice, ...] | Infeasible:
    """Return one choice for each member, by rank, on as many different nodes; nothing is claimed.

    The members are of one version. They run by the same alternative on devices of the same model; one zone is better
    than one region, and that is better than anywhere. A node that refused one member is asked for none.
    """
    found = siblings or Siblings()
    refusals = {node_id: why for demand in demands for node_id, why in demand.refusals.items()}
    demand = Demand(
        deployment_id=demands[0].deployment_id,
        version_id=demands[0].version_id,
        shape=demands[0].shape,
        refusals=refusals,
        files=demands[0].files,
    )
    index = board.index(demand.shape)
    near = {key for key in index.fits if _is_too_near(demand.shape, found, key, board.candidates[key].place)}
    open_nodes = sorted(index.fits.keys() - near - refusals.keys())
    for option in range(len(demand.shape.options)):
        seats = [seat for key in open_nodes for seat in _seats(demand, option, board, key, found)]
        best = _best(seats, len(demands))
        if best is not None:
            return tuple(seat.choice for seat in best)
    misses = dict(index.misses)
    for node_id, fit in index.fits.items():
        reason = RejectionReason.GANG
        if node_id in refusals:
            reason = RejectionReason.REFUSED_BY_NODE
        elif node_id in near:
            reason = RejectionReason.ANTI_AFFINITY
        misses[node_id] = Miss(reason, fit.option)
    return explain(demand, misses, board.candidates, most=most, needed=len(demands))


def _is_too_near(shape: Shape, siblings: Siblings, node_id: str, place: tuple[str, str]) -> bool:
    """Members of one gang are not siblings; other gangs of the version are."""
    on_node = shape.placement.node_anti_affinity is AntiAffinity.REQUIRED and siblings.by_node[node_id] > 0
    in_zone = shape.placement.zone_anti_affinity is AntiAffinity.REQUIRED and siblings.by_place[place] > 0
    return on_node or in_zone


def _seats(demand: Demand, index: int, board: Board, node_id: str, siblings: Siblings) -> Iterable[_Seat]:
    """A node has one seat for each model of devices that it has enough of."""
    shape, candidate = demand.shape, board.candidates[node_id]
    option = shape.options[index]
    if not isinstance(judge_option(shape, index, candidate), Fit):
        return
    runs = choose_by_model(shape, index, candidate) if option.resources.device_count > 0 else {"": ()}
    term = node_term(shape.placement, siblings.by_node[node_id])
    term += zone_term(shape.placement, siblings.by_place[candidate.place])
    term += files_term(are_there=node_id in board.holders(demand.files))
    for model, devices in runs.items():
        yield _Seat(
            choice=Choice(
                node_id=node_id,
                device_uuids=tuple(device.uuid for device in devices),
                alternative=option.name,
                resources=option.resources,
                score=round(score(shape, index, candidate, devices) + term, 6),
            ),
            model=model,
            place=candidate.place,
        )


def _best(seats: Sequence[_Seat], count: int) -> Sequence[_Seat] | None:
    """Return the best seats that are alike, nearest together first; ties go by name."""
    groups: dict[tuple[int, str, tuple[str, str]], list[_Seat]] = {}
    for seat in seats:
        region, zone = seat.place
        for distance, area in enumerate(((region, zone), (region, ""), ("", ""))):
            if distance == 0 and not zone:
                continue
            groups.setdefault((distance, seat.model, area), []).append(seat)
    found: list[tuple[int, float, str, tuple[str, str], list[_Seat]]] = []
    for (distance, model, area), members in groups.items():
        if len(members) >= count:
            chosen = sorted(members, key=lambda seat: (-seat.choice.score, seat.choice.node_id))[:count]
            found.append((distance, -sum(seat.choice.score for seat in chosen), model, area, chosen))
    return min(found, key=lambda item: item[:4])[-1] if found else None

"""Pick the best node for one replica after another of the same version, without looking at all nodes each time."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from roundhouse_common.contracts.catalog import AntiAffinity, Resources
from roundhouse_scheduler.domain.placement.board import Board, Entry, ShapeIndex
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.devices import Miss, choose_devices
from roundhouse_scheduler.domain.placement.explain import Infeasible, explain
from roundhouse_scheduler.domain.placement.scores import files_term, node_term, zone_term
from roundhouse_scheduler.domain.records import RejectionReason

__all__ = ["Choice", "Search", "Siblings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a replica goes, and what it claims there."""

    node_id: str
    device_uuids: tuple[str, ...]
    alternative: str
    """Name of the version's alternative that it runs by; empty for the version's own."""
    resources: Resources
    score: float


@dataclass(slots=True)
class Siblings:
    """Where the other replicas of the same version are that are meant to stay."""

    by_node: Counter[str] = field(default_factory=Counter)
    by_place: Counter[tuple[str, str]] = field(default_factory=Counter)

    @staticmethod
    def on(candidates: Iterable[Candidate]) -> "Siblings":
        """Return siblings, one on each of these nodes (a node may come several times)."""
        found = Siblings()
        for candidate in candidates:
            found.add(candidate)
        return found

    def add(self, candidate: Candidate) -> None:
        """One more is on this node."""
        self.by_node[candidate.node_id] += 1
        self.by_place[candidate.place] += 1


class Search:
    """The search for nodes for the replicas of one version. Use one at a time on a board, and `release` it after.

    Nodes with siblings, and those that have the files, have another score than the board knows, so they are kept in
    heaps of their own here; what is taken off the board's heaps meanwhile is put back by `release`.
    """

    def __init__(self, board: Board, demand: Demand, siblings: Siblings) -> None:
        self._board = board
        self._demand = demand
        self._siblings = siblings
        self._holders = board.holders(demand.files)
        placement = demand.shape.placement
        self._is_alone_on_node = placement.node_anti_affinity is AntiAffinity.REQUIRED
        self._is_alone_in_zone = placement.zone_anti_affinity is AntiAffinity.REQUIRED
        self._own: dict[tuple[str, str], list[Entry]] = {}
        self._known: dict[str, int] = {}
        self._parked: list[tuple[tuple[str, str], Entry]] = []
        self._position = -1

    def pick(self) -> Choice | None:
        """Return where the next replica goes, or None. The best score wins; at a tie the lower node id, so that the
        same view gives the same answer. Nothing is claimed yet."""
        index = self._board.index(self._demand.shape)
        self._renew(index)
        best: tuple[float, str] | None = None
        for place in index.heaps:
            if self._is_alone_in_zone and self._siblings.by_place[place]:
                continue
            bonus = zone_term(self._demand.shape.placement, self._siblings.by_place[place])
            alone = node_term(self._demand.shape.placement, 0)
            for entry, term in ((self._first(index, place), alone + bonus), (self._first_own(index, place), bonus)):
                if entry is not None and (best is None or (entry[0] - term, entry[1]) < best):
                    best = (entry[0] - term, entry[1])
        return None if best is None else self._choice(index, best[1], -best[0])

    def claim(self, choice: Choice) -> None:
        """The choice was taken: the next replica sees its claim, and one more sibling."""
        self._board.take(choice.node_id, choice.resources, choice.device_uuids)
        self._siblings.add(self._board.candidates[choice.node_id])

    def release(self) -> None:
        """Let others search the board."""
        index = self._board.index(self._demand.shape)
        for place, entry in self._parked:
            if index.is_current(entry):
                heapq.heappush(index.heaps[place], entry)
        self._parked.clear()

    def why_not(self, *, most: int | None = None) -> Infeasible:
        """Return why each node will not do; only when `pick` found nothing. `most` bounds of how many it is told."""
        index = self._board.index(self._demand.shape)
        if index.fits:
            return explain(self._demand, self._misses(index), self._board.candidates, most=most)
        if most is None:
            return explain(self._demand, index.misses, self._board.candidates)
        if index.nowhere is None:
            index.nowhere = explain(self._demand, index.misses, self._board.candidates, most=most)
        return index.nowhere

    def _misses(self, index: ShapeIndex) -> dict[str, Miss]:
        """Those of the board, and of the nodes that would do were it not for siblings or a refusal."""
        found = dict(index.misses)
        for node_id, fit in index.fits.items():
            is_refused = node_id in self._demand.refusals
            reason = RejectionReason.REFUSED_BY_NODE if is_refused else RejectionReason.ANTI_AFFINITY
            found[node_id] = Miss(reason, fit.option)
        return found

    @property
    def siblings(self) -> Siblings:
        """Where the siblings are now."""
        return self._siblings

    def _choice(self, index: ShapeIndex, node_id: str, score: float) -> Choice:
        fit = index.fits[node_id]
        option = index.shape.options[fit.option]
        chosen = (
            choose_devices(index.shape, fit.option, self._board.candidates[node_id])
            if option.resources.device_count > 0
            else ()
        )
        assert not isinstance(chosen, Miss), "a node that fits has the devices"
        return Choice(
            node_id=node_id,
            device_uuids=tuple(device.uuid for device in chosen),
            alternative=option.name,
            resources=option.resources,
            score=round(score, 6),
        )

    def _renew(self, index: ShapeIndex) -> None:
        """Take in what changed about the nodes with siblings or files."""
        changed = self._board.changed_since(self._position) if self._position >= 0 else None
        self._position = self._board.position
        counted, holders = self._siblings.by_node, self._holders
        own = counted.keys() | holders.keys() if holders else counted.keys()
        for node_id in own if changed is None else changed & own:
            fit, siblings = index.fits.get(node_id), counted[node_id]
            if fit is None or node_id in self._demand.refusals or (siblings and self._is_alone_on_node):
                continue
            own_score = (
                fit.score + node_term(index.shape.placement, siblings) + files_term(are_there=node_id in holders)
            )
            place = self._board.candidates[node_id].place
            heapq.heappush(self._own.setdefault(place, []), (-own_score, node_id, index.stamps[node_id]))

    def _first(self, index: ShapeIndex, place: tuple[str, str]) -> Entry | None:
        """Return the best node of a zone that has neither siblings nor files."""
        heap = index.heaps[place]
        while heap:
            entry = heap[0]
            if not index.is_current(entry):
                heapq.heappop(heap)
            elif self._is_own(entry[1]) or entry[1] in self._demand.refusals:
                self._parked.append((place, heapq.heappop(heap)))
            else:
                return entry
        return None

    def _is_own(self, node_id: str) -> bool:
        return node_id in self._siblings.by_node or node_id in self._holders

    def _first_own(self, index: ShapeIndex, place: tuple[str, str]) -> Entry | None:
        """Return the best node of a zone that has either."""
        heap = self._own.get(place)
        while heap:
            if index.is_current(heap[0]):
                return heap[0]
            heapq.heappop(heap)
        return None

"""All nodes at once: what each has left, and for each shape of demand which of them will do, the best first.

A board can be kept from one decision to the next: it is a memory of things derived, and `put` says what changed. Every
change is noted in a log, and the index of a shape catches up with it when it is next used: placing one replica costs
what changed since, not what there is.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence, Set

from roundhouse_common.contracts.catalog import Resources
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Shape
from roundhouse_scheduler.domain.placement.devices import Miss
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.filters import Fit, judge

__all__ = ["Board", "Entry", "ShapeIndex"]

Place = tuple[str, str]
Entry = tuple[float, str, int]
"""Minus the score, the node, and the stamp that tells whether this is still so."""

_MOST_JUDGEMENTS = 600_000
"""Over all shapes: what the memory of past judgements may hold."""
_MOST_KINDS = 20_000
_MOST_HOLDERS = 512
"""Where more nodes than this have some files they are common: who lacks them copies from a neighbour."""
_NOBODY: Mapping[str, None] = {}


class ShapeIndex:
    """How every node stands to one shape."""

    __slots__ = ("_by_kind", "fits", "heaps", "misses", "nowhere", "position", "shape", "stamps")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.fits: dict[str, Fit] = {}
        self.misses: dict[str, Miss] = {}
        self.heaps: dict[Place, list[Entry]] = {}
        """Per zone, so that siblings in a zone count once for all its nodes."""
        self.stamps: dict[str, int] = {}
        self.position = 0
        self._by_kind: dict[int, Fit | Miss] | None = None if shape.node_ids or shape.device_uuids else {}
        """Nodes that are alike in all but name stand alike to a shape that names none."""
        self.nowhere: Infeasible | None = None
        """What was said of these misses when nothing fitted; kept as long as it would be said again."""

    def take(self, node_id: str, candidate: Candidate | None) -> None:
        """Look at one node again; None: it is not there any more."""
        stamp = self.stamps.get(node_id, 0) + 1
        self.stamps[node_id] = stamp
        found = None if candidate is None else self._judge(candidate)
        if self.nowhere is not None and (found != self.misses.get(node_id) or node_id in self.nowhere.node_ids):
            self.nowhere = None
        self.fits.pop(node_id, None)
        self.misses.pop(node_id, None)
        if isinstance(found, Miss):
            self.misses[node_id] = found
        elif found is not None and candidate is not None:
            self.fits[node_id] = found
            heapq.heappush(self.heaps.setdefault(candidate.place, []), (-found.score, node_id, stamp))

    def fill(self, candidates: Iterable[Candidate]) -> None:
        """Look at all nodes for the first time."""
        for candidate in candidates:
            node_id = candidate.node_id
            self.stamps[node_id] = 1
            found = self._judge(candidate)
            if isinstance(found, Miss):
                self.misses[node_id] = found
            else:
                self.fits[node_id] = found
                self.heaps.setdefault(candidate.place, []).append((-found.score, node_id, 1))
        for heap in self.heaps.values():
            heapq.heapify(heap)

    def _judge(self, candidate: Candidate) -> Fit | Miss:
        if self._by_kind is None:
            return judge(self.shape, candidate)
        found = self._by_kind.get(candidate.kind)
        if found is None:
            found = judge(self.shape, candidate)
            if len(self._by_kind) >= _MOST_KINDS:
                self._by_kind.clear()
            self._by_kind[candidate.kind] = found
        return found

    def compact(self) -> None:
        """Drop what is outdated once it is more than what is true."""
        if sum(map(len, self.heaps.values())) > 2 * len(self.fits) + 64:
            for place, heap in self.heaps.items():
                self.heaps[place] = [entry for entry in heap if self.is_current(entry)]
                heapq.heapify(self.heaps[place])

    def is_current(self, entry: Entry) -> bool:
        """Return whether an entry of a heap still says how its node stands."""
        return self.stamps.get(entry[1]) == entry[2]


class Board:
    """What all nodes have left."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.candidates = {item.node_id: item for item in candidates}
        self.late: frozenset[str] = frozenset()
        self.tentative: set[str] = set()
        """Nodes seen as a plan has them that is not in the record yet, and may never be: to be looked at again."""
        self._holders: dict[str, dict[str, None]] = {}
        """By key of files, the nodes that have them, in the order in which that became known."""
        for item in self.candidates.values():
            self._note_files(item.node_id, frozenset(), item.files)
        self._log: list[str] = []
        self._forgotten = 0
        self._indexes: dict[bytes, ShapeIndex] = {}
        self._kinds: dict[tuple[object, ...], int] = {}
        self._last_kind = 0

    @property
    def position(self) -> int:
        """How many changes there were."""
        return self._forgotten + len(self._log)

    def put(self, candidate: Candidate) -> None:
        """A node is new, or something about it changed."""
        before = self.candidates.get(candidate.node_id)
        self._note_files(candidate.node_id, frozenset() if before is None else before.files, candidate.files)
        self.candidates[candidate.node_id] = candidate
        self._log.append(candidate.node_id)

    def drop(self, node_id: str) -> None:
        """A node is not there any more."""
        before = self.candidates.pop(node_id, None)
        if before is not None:
            self._note_files(node_id, before.files, frozenset())
            self._log.append(node_id)

    def take(self, node_id: str, resources: Resources, device_uuids: Sequence[str]) -> None:
        """A replica was placed."""
        self.candidates[node_id].take(resources, device_uuids)
        self.tentative.add(node_id)
        self._log.append(node_id)

    def holders(self, files: str) -> Mapping[str, None]:
        """Return the nodes that have these files; none when there are so many that it makes no difference."""
        found = self._holders.get(files, _NOBODY)
        return found if len(found) <= _MOST_HOLDERS else _NOBODY

    def _note_files(self, node_id: str, before: Set[str], after: Set[str]) -> None:
        if before is after:
            return
        for key in sorted(before - after):
            self._holders[key].pop(node_id, None)
        for key in sorted(after - before):
            self._holders.setdefault(key, {})[node_id] = None

    def changed_since(self, position: int) -> set[str] | None:
        """Return the nodes that changed since a position; None when that is too long ago to know."""
        if position < self._forgotten:
            return None
        return set(self._log[position - self._forgotten :])

    def index(self, shape: Shape) -> ShapeIndex:
        """Return how all nodes stand to a shape now."""
        known = self._indexes.pop(shape.key, None)
        changed = None if known is None else self.changed_since(known.position)
        if known is None or changed is None:
            known = ShapeIndex(shape)
            for candidate in self.candidates.values():
                self._name(candidate)
            known.fill(self.candidates.values())
        else:
            for node_id in sorted(changed):
                found = self.candidates.get(node_id)
                if found is not None:
                    self._name(found)
                known.take(node_id, found)
            known.compact()
        known.position = self.position
        self._indexes[shape.key] = known
        if len(self._indexes) > self.most_shapes:
            del self._indexes[next(iter(self._indexes))]
        return known

    @property
    def most_shapes(self) -> int:
        """How many shapes are remembered at once: going round more than these forgets each before it comes again."""
        return max(16, _MOST_JUDGEMENTS // max(1, len(self.candidates)))

    def _name(self, candidate: Candidate) -> None:
        """Give a candidate the number of its kind; numbers are never used again for another."""
        if candidate.kind:
            return
        likeness = candidate.likeness()
        kind = self._kinds.get(likeness)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._last_kind += 1
            kind = self._kinds[likeness] = self._last_kind
        candidate.kind = kind

    def trim(self) -> None:
        """Forget old changes; call it between decisions."""
        most = 1000 + 2 * len(self.candidates)
        if len(self._log) > 2 * most:
            self._forgotten += len(self._log) - most
            del self._log[:-most]

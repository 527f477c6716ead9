"""When to look at a record again although nothing happens."""

import heapq
from collections.abc import Iterable

from roundhouse_scheduler.domain.focus import Later

__all__ = ["Timers"]


class Timers:
    """One time for each record, the earliest that was asked for. Looking too early costs a look, nothing more."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], float] = {}
        self._heap: list[tuple[float, str, str]] = []

    def set(self, later: Iterable[Later]) -> None:
        """Add to what is known."""
        for item in later:
            known = self._at.get((item.kind, item.key))
            if known is None or item.at < known:
                self._at[item.kind, item.key] = item.at
                heapq.heappush(self._heap, (item.at, item.kind, item.key))

    def replace(self, later: Iterable[Later]) -> None:
        """Forget what is known: somebody looked at everything and says what is to come."""
        self._at.clear()
        self._heap.clear()
        self.set(later)

    def take_due(self, now: float) -> list[Later]:
        """Return and forget what is due."""
        due: list[Later] = []
        while self._heap and self._heap[0][0] <= now:
            at, kind, key = heapq.heappop(self._heap)
            if self._at.get((kind, key)) == at:
                del self._at[kind, key]
                due.append(Later(at=at, kind=kind, key=key))
        return due

    @property
    def next_at(self) -> float:
        """When the next one is due; it may have been moved forward since."""
        return self._heap[0][0] if self._heap else float("inf")

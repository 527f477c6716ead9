"""Which numbers of a router the ledger has, as ranges: one range when nothing is missing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["RouterHour", "covered", "extended"]

Range = tuple[int, int]
"""First and last, both included."""


@dataclass(slots=True, kw_only=True)
class RouterHour:
    """How what a router admitted within one hour ended, and between which numbers it was."""

    first: int
    last: int
    completed: int = 0
    failed: int = 0
    aborted: int = 0

    @property
    def recorded(self) -> int:
        return self.completed + self.failed + self.aborted

    def count(self, sequence: int, outcome: str) -> None:
        """Count a record."""
        if sequence < self.first:
            self.first = sequence
        elif sequence > self.last:
            self.last = sequence
        setattr(self, outcome, getattr(self, outcome) + 1)

    def add(self, other: "RouterHour") -> None:
        """Count all that the other one counted."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.completed += other.completed
        self.failed += other.failed
        self.aborted += other.aborted


def extended(ranges: Sequence[Range], numbers: Iterable[int]) -> list[Range]:
    """Return the ranges with the numbers in them, in order, none touching another."""
    found: list[Range] = []
    for first, last in sorted([*ranges, *_runs(numbers)]):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _runs(numbers: Iterable[int]) -> Iterator[Range]:
    """Yield the ranges of numbers that follow each other."""
    first = last = None
    for number in sorted(numbers):
        if last is None or first is None:
            first = number
        elif number > last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def covered(ranges: Iterable[Range]) -> int:
    """Return how many numbers are in the ranges."""
    return sum(last - first + 1 for first, last in ranges)

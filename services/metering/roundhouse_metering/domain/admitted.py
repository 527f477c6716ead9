"""Which numbers of a router the ledger has, as ranges: one range when nothing is missing."""

from collections.abc import Iterable, Sequence
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
        self.first, self.last = min(self.first, sequence), max(self.last, sequence)
        setattr(self, outcome, getattr(self, outcome) + 1)


def extended(ranges: Sequence[Range], numbers: Iterable[int]) -> list[Range]:
    """Return the ranges with the numbers in them, in order, none touching another."""
    found: list[Range] = []
    for first, last in sorted([*ranges, *((number, number) for number in set(numbers))]):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def covered(ranges: Iterable[Range]) -> int:
    """Return how many numbers are in the ranges."""
    return sum(last - first + 1 for first, last in ranges)

"""Which parts of a file are still to be fetched, and how far it is whole from its start."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from roundhouse_node_agent.transfers.journal import JournalHead

__all__ = ["PartQueue", "Span"]


@dataclass(slots=True)
class Span:
    """A range of bytes that is being fetched; `offset` moves on as they are written."""

    offset: int
    end: int
    """The first byte after it; -1: as far as it goes."""

    @property
    def is_whole(self) -> bool:
        return self.offset == self.end


class PartQueue:
    """Hands out the missing parts in order, so that the start of the file is whole early and can be hashed."""

    def __init__(self, head: JournalHead, whole: Iterable[int], *, begun_bytes: int = 0) -> None:
        """`begun_bytes`: how much of part 0 is written already."""
        self._head = head
        self._whole = set(whole)
        self._begun_bytes = begun_bytes
        self._missing = iter([part for part in range(head.part_count) if part not in self._whole])
        self._prefix = 0
        self._advance()

    @property
    def prefix_bytes(self) -> int:
        """How much is whole from the start on."""
        return min(self._prefix * self._head.part_bytes, self._head.size)

    @property
    def missing_count(self) -> int:
        return self._head.part_count - len(self._whole)

    def spans(self) -> Iterator[tuple[int, Span]]:
        """Yield each missing part once, to whoever asks first."""
        for part in self._missing:
            start = part * self._head.part_bytes
            end = min(start + self._head.part_bytes, self._head.size)
            yield part, Span(start if part else min(self._begun_bytes, end), end)

    def finish(self, part: int) -> None:
        """Note a part as written."""
        self._whole.add(part)
        self._advance()

    def _advance(self) -> None:
        while self._prefix in self._whole:
            self._prefix += 1

"""Which parts of a file are still to be fetched, and how far it is whole from its start."""

from collections.abc import Iterable, Iterator, Mapping
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

    def __init__(self, head: JournalHead, whole: Iterable[int], begun: Mapping[int, int] | None = None) -> None:
        """`begun`: how many bytes of parts that are not whole are written already."""
        self._head = head
        self._whole = set(whole)
        self._begun = dict(begun or {})
        self._taken: dict[int, Span] = {}
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
            self._taken[part] = span = Span(min(start + self._begun.get(part, 0), end), end)
            yield part, span

    def begun(self) -> dict[int, int]:
        """Return how many bytes of parts that are not whole are written by now."""
        taken = {part: span.offset - part * self._head.part_bytes for part, span in self._taken.items()}
        return {part: count for part, count in (self._begun | taken).items() if count and part not in self._whole}

    def finish(self, part: int) -> None:
        """Note a part as written."""
        self._whole.add(part)
        self._advance()

    def _advance(self) -> None:
        while self._prefix in self._whole:
            self._prefix += 1

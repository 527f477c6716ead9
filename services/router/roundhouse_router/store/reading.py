"""Reads outcomes out of the spool, in the order in which they were settled."""

from pathlib import Path
from typing import Final

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.store.segments import decode_record, finals_in, scan, segment_path
from roundhouse_router.store.writer import Position, SegmentWriter

__all__ = ["finals_after", "oldest", "read_after"]

_READ_BYTES: Final = 64 * 1024


def oldest(writer: SegmentWriter) -> Position:
    """Return the beginning of what is retained."""
    return Position(_numbers(writer)[0], 0)


def read_after(
    directory: Path, writer: SegmentWriter, start: Position
) -> tuple[list[tuple[UsageRecord, Position]], Position]:
    """Return the next outcomes, each with the position behind it, and where to go on.

    Only durable ones: what is published must not be forgotten by a power failure. The second value equals `start`
    when there is nothing more; it may also move on although no outcome was found.
    """
    if start >= writer.durable:
        return [], start
    number = next(number for number in _numbers(writer) if number >= start.segment)
    offset = start.offset if number == start.segment else 0
    limit = writer.durable.offset - offset if number == writer.durable.segment else _READ_BYTES
    lines, end = finals_in(_read(segment_path(directory, number), offset, min(limit, _READ_BYTES)), offset)
    if end > offset:
        return [(decode_record(line), Position(number, line.end)) for line in lines], Position(number, end)
    # The end of a closed segment, or the torn line that a killed router left there.
    return [], next((Position(later, 0) for later in _numbers(writer) if later > number), start)


def finals_after(directory: Path, writer: SegmentWriter, start: Position) -> int:
    """Return how many outcomes stand behind a position. Reads the position's own segment, counts the others."""
    count = writer.finals if writer.number > start.segment else 0
    count += sum(sealed.finals for sealed in writer.sealed if sealed.number > start.segment)
    path = segment_path(directory, start.segment)
    if path.exists():
        count += sum(line.is_final for line in scan(_read(path, start.offset, -1)))
    return count


def _numbers(writer: SegmentWriter) -> list[int]:
    return [*(sealed.number for sealed in writer.sealed), writer.number]


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)

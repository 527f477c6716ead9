"""Reading a replica's log across its segments: the last lines, a range by offset, new lines as they come.

A segment's name is the offset of its first byte since the replica's first start, so an offset stays true over rotation
and over attempts.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Range", "end_offset", "read_range", "read_tail"]

_BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bytes of a log. `first_offset` is where the oldest that still exists begins."""

    offset: int
    data: bytes
    first_offset: int

    @property
    def next_offset(self) -> int:
        return self.offset + len(self.data)


def read_range(log_dir: Path, offset: int, max_bytes: int) -> Range | None:
    """Return up to `max_bytes` from `offset` (or from the oldest that exists), cut after a whole line when it has one.

    None when there is no log.
    """
    segments = _segments(log_dir)
    if not segments:
        return None
    first = segments[0][0]
    start = max(offset, first)
    data = _read(segments, start, max_bytes)
    last_line = data.rfind(b"\n")
    return Range(offset=start, data=data[: last_line + 1] if last_line >= 0 else data, first_offset=first)


def read_tail(log_dir: Path, lines: int, max_bytes: int) -> Range | None:
    """Return the last whole lines, at most `lines` of them and `max_bytes`; None when there is no log."""
    segments = _segments(log_dir)
    if not segments:
        return None
    first, end = segments[0][0], segments[-1][0] + segments[-1][2]
    start = end
    data = b""
    while start > first and len(data) < max_bytes and data.count(b"\n") <= lines:
        block_start = max(first, start - min(_BLOCK_BYTES, max_bytes - len(data)))
        data = _read(segments, block_start, start - block_start) + data
        start = block_start
    if start > first:
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    kept = data.splitlines(keepends=True)[-lines:] if lines > 0 else []
    tail = b"".join(kept)
    return Range(offset=start + len(data) - len(tail), data=tail, first_offset=first)


def end_offset(log_dir: Path) -> int:
    """Return the offset after the last byte; 0 when there is no log."""
    segments = _segments(log_dir)
    return segments[-1][0] + segments[-1][2] if segments else 0


def _segments(log_dir: Path) -> list[tuple[int, Path, int]]:
    """Return (offset, path, size), oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in log_dir.glob("*.log"):
            with contextlib.suppress(OSError, ValueError):
                found.append((int(path.stem), path, path.stat().st_size))
    return sorted(found)


def _read(segments: list[tuple[int, Path, int]], start: int, max_bytes: int) -> bytes:
    data = b""
    for offset, path, size in segments:
        position = start + len(data)
        if offset + size <= position or len(data) >= max_bytes:
            continue
        if offset > position:
            break
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(position - offset)
            data += file.read(min(max_bytes - len(data), size - (position - offset)))
    return data

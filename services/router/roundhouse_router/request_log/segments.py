"""The files of one tenant's request log: appended, followed by new ones, and deleted when they are old or too much."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from roundhouse_common.runtime import UnixTime

__all__ = ["OPEN_MOST_S", "Segment", "SegmentFolder", "segments_of"]

OPEN_MOST_S: Final = 86_400.0
"""A file takes lines for a day at most: so its name tells when all of it is old."""
_MODE: Final = 0o600


class Segment(NamedTuple):
    """One file, by its name."""

    path: Path
    begins_at: float
    """No line in it is older."""
    ends_at: float
    """None is newer."""


def segments_of(directory: Path) -> list[Segment]:
    """Return the files, the oldest first; none where there is no directory. Raises OSError."""
    paths = sorted(path for path in directory.glob("*.jsonl") if path.stem.isdecimal())
    begins = [int(path.stem) / 1000 for path in paths]
    following = [*begins[1:], float("inf")]
    return [
        Segment(path, begin, min(begin + OPEN_MOST_S, after))
        for path, begin, after in zip(paths, begins, following, strict=False)
    ]


class SegmentFolder:
    """One directory of mode 700 with files of mode 600. Used by one thread. Everything raises OSError.

    No file stays open: there may be thousands of tenants. A start begins a new file: a crash may have left half a line.
    """

    def __init__(self, directory: Path, *, file_bytes: int, most_bytes: int) -> None:
        self._directory = directory
        self._file_bytes = file_bytes
        self._most_bytes = most_bytes
        self._current: Path | None = None
        self._size = 0
        self._begun_at = UnixTime(0.0)

    def append(self, lines: Sequence[bytes], now: UnixTime) -> None:
        """Write whole lines, of which the first is of `now`; a file that cannot take them is not used again."""
        data = b"".join(lines)
        is_full = self._size and self._size + len(data) > self._file_bytes
        if self._current is None or is_full or not 0 <= now - self._begun_at < OPEN_MOST_S:
            self._begin(now)
        assert self._current is not None
        path, self._current = self._current, None
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")
        self._current, self._size = path, self._size + written

    def retire(self, now: UnixTime, keep_s: float) -> None:
        """Delete what is too old, and the oldest of what is too much, but never the file that is being written."""
        left = []
        for segment in segments_of(self._directory):
            if segment.path != self._current and segment.begins_at + OPEN_MOST_S + keep_s < now:
                segment.path.unlink(missing_ok=True)
            else:
                left.append((segment.path, segment.path.stat().st_size))
        extra = sum(size for _, size in left) - self._most_bytes
        for path, size in left:
            if extra <= 0 or path == self._current:
                return
            path.unlink(missing_ok=True)
            extra -= size

    def _begin(self, now: UnixTime) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        newest = max((int(path.stem) for path in self._directory.glob("*.jsonl") if path.stem.isdecimal()), default=0)
        number = max(int(now * 1000), newest + 1)
        self._current, self._size, self._begun_at = self._directory / f"{number:015d}.jsonl", 0, now

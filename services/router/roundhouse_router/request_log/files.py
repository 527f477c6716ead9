"""The files of the request log: appended, rotated, and deleted when there are too many or they are too old."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundhouse_common.runtime import UnixTime

__all__ = ["FileBounds", "LogFiles"]

_OPEN_MOST_S: Final = 86_400.0
"""A file is closed after a day, so that it can be deleted by its age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBounds:
    """How large one file gets, and how much is kept."""

    file_bytes: int
    keep_files: int
    keep_s: float


class LogFiles:
    """One directory of mode 700 with files of mode 600. Used by one thread. Everything raises OSError."""

    def __init__(self, directory: Path, bounds: FileBounds) -> None:
        self._directory = directory
        self._bounds = bounds
        self._fd = -1
        self._size = 0
        self._opened_at = UnixTime(0.0)

    def append(self, lines: Sequence[bytes], now: UnixTime) -> None:
        """Write whole lines; a file that cannot take them is not used again."""
        data = b"".join(lines)
        is_full = self._size and self._size + len(data) > self._bounds.file_bytes
        if is_full or now - self._opened_at > min(_OPEN_MOST_S, self._bounds.keep_s):
            self.close()
        if self._fd < 0:
            self._open(now)
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes were written")
        except OSError:
            self.close()
            raise
        self._size += written

    def retire(self, now: UnixTime) -> None:
        """Delete what is too old or too much, never the file that is being written."""
        closed = sorted(self._directory.glob("*.jsonl"))
        if self._fd >= 0:
            closed = closed[:-1]
        most = self._bounds.keep_files - (self._fd >= 0)
        extra = closed[: max(0, len(closed) - most)]
        for path in closed:
            if path in extra or now - path.stat().st_mtime > self._bounds.keep_s:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, now: UnixTime) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        newest = max((int(path.stem) for path in self._directory.glob("*.jsonl") if path.stem.isdecimal()), default=0)
        number = max(int(now * 1000), newest + 1)
        path = self._directory / f"{number:015d}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size, self._opened_at = 0, now
        self.retire(now)

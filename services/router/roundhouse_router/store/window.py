"""Room at the end of a segment that is reserved on the disk and mapped: a line is copied there without a system call.

What is in the mapped pages belongs to the file: it outlives the process, however that ends, and `fsync` takes it along.
"""

import mmap
import os
from pathlib import Path
from typing import Final

__all__ = ["Window", "can_reserve"]

_BYTES: Final = 1024 * 1024
_PAGE: Final = mmap.ALLOCATIONGRANULARITY
_AHEAD: Final = 64 * 1024
_BUSY: Final = 2 * _AHEAD
_ZEROS: Final = bytes(_AHEAD)
_RESERVING: Final = frozenset(("ext4", "xfs", "tmpfs"))
"""Where what `posix_fallocate` reserved can be written to for certain. Elsewhere a full disk might be found out only by
a page that cannot be written, which kills the process (SIGBUS)."""
_MOUNTS: Final = Path("/proc/self/mountinfo")


class Window:
    """The room that is mapped now, of one segment: from `_start` to `_end`."""

    __slots__ = ("_busy_from", "_end", "_map", "_ready", "_start")

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._start = 0
        self._end = 0
        self._ready = 0
        """Up to here pages may be touched: the end of a page."""
        self._busy_from = _BUSY

    def put(self, fd: int, offset: int, line: bytes) -> bool:
        """Copy the line to this offset of the file. False: nothing was written, there is no room for it here."""
        end = offset + len(line)
        if end > self._ready:
            self._reach(fd, offset, end)
        mapped = self._map
        if mapped is None or end > self._end:
            return False
        mapped[offset - self._start : end - self._start] = line
        return True

    def synced(self, offset: int) -> None:
        """What is before this offset goes to the disk now."""
        self._busy_from = offset + _BUSY

    def close(self) -> None:
        """Map nothing any more; the room stays reserved. Call it before the file is closed or made shorter."""
        mapped, self._map = self._map, None
        self._start = self._end = self._ready = 0
        if mapped is not None:
            mapped.close()

    def _reach(self, fd: int, offset: int, end: int) -> None:
        """Make room ready for a line, as far as there is some.

        A page that is touched first costs 3.5 us, with the file system's part. Written as zeros before, many at once,
        it is 1 us; but then all of them go to the disk at the next `fsync`. So that is done while much is written, and
        the disk gets half more at most.
        """
        if end > self._end:
            self._move(fd, offset)
        while self._ready < end <= self._end:
            behind = min(self._ready + _AHEAD, self._end)
            if offset < self._busy_from or not _zeroed(fd, self._ready, behind):
                behind = self._ready + _PAGE
            self._ready = behind

    def _move(self, fd: int, offset: int) -> None:
        self.close()
        start = offset - offset % _PAGE
        try:
            os.posix_fallocate(fd, start, _BYTES)
            self._map = mmap.mmap(fd, _BYTES, offset=start)
        except (OSError, ValueError):  # what cannot be reserved is written line by line, which tells why not
            return
        self._start, self._ready, self._end = start, start + _PAGE, start + _BYTES


def _zeroed(fd: int, start: int, end: int) -> bool:
    """Write zeros into room that nothing was written to yet; return whether they are all there."""
    try:
        return os.pwrite(fd, _ZEROS[: end - start], start) == end - start
    except OSError:
        return False


def can_reserve(directory: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether room that is reserved in this directory can be written to for certain, as far as can be told."""
    device = directory.stat().st_dev
    mounted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    kinds = {
        fields[fields.index("-") + 1] for line in lines if "-" in (fields := line.split()) and fields[2] == mounted
    }
    return bool(kinds) and kinds <= _RESERVING

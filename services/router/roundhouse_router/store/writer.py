"""The segment that is being written, and the closed ones behind it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from roundhouse_common.service import get_logger
from roundhouse_router.store.segments import Head, encode_head, segment_path
from roundhouse_router.store.syncer import Syncer
from roundhouse_router.store.window import Window

__all__ = ["Position", "Sealed", "SegmentWriter", "SpoolCounters"]

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_log = get_logger(__name__)


class Position(NamedTuple):
    """A place in the spool; positions compare in the order of writing."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A closed segment."""

    number: int
    size: int
    finals: int
    """How many outcomes it holds."""
    sealed_at: float


@dataclass(slots=True)
class SpoolCounters:
    """For the metrics."""

    failed_writes: int = 0
    lost_records: int = 0
    damaged_lines: int = 0


class SegmentWriter:
    """Appends lines. Nothing here raises for a full disk: a write that fails returns False and is counted."""

    def __init__(
        self,
        directory: Path,
        *,
        first_number: int,
        segment_bytes: int,
        head: Callable[[], Head],
        sealed: list[Sealed],
        counters: SpoolCounters,
        is_mapped: bool = False,
    ) -> None:
        """Create the first segment. Raises OSError when that cannot be done.

        `is_mapped`: lines go into reserved room that is mapped (`Window`), as far as there is some.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._head = head
        self._counters = counters
        self._syncer = Syncer()
        self._unsynced: list[int] = []
        self._is_torn = False
        self._is_failing = False
        self._is_listed = False
        """The directory is known to have the segment's name on stable storage."""
        self._window = Window() if is_mapped else None
        self.sealed = sealed
        self.number = first_number
        self.finals = 0
        """Outcomes in this segment."""
        self.total_finals = 0
        """Outcomes written since this writer was made."""
        self.head = head()
        self._fd, self.offset = self._create(first_number, self.head)
        self.durable = Position(first_number, 0)
        """Everything before it survives a power failure."""

    def write(self, line: bytes, finals: int) -> bool:
        """Append one line, which holds so many outcomes; return whether it is there whole.

        A line that is written survives the process, however that ends.
        """
        end = self.offset + len(line)
        if end > self._segment_bytes or self._is_torn:
            self.roll()
            if self._is_torn:
                return False
            end = self.offset + len(line)
        window = self._window
        if window is None or not window.put(self._fd, self.offset, line):
            try:
                written = os.pwrite(self._fd, line, self.offset)
            except OSError as error:
                return self._failed(str(error))
            if written != len(line):
                self._cut_back()
                return self._failed(f"only {written} of {len(line)} bytes were written")
        self.offset = end
        self.finals += finals
        self.total_finals += finals
        self._is_failing = False
        return True

    @property
    def is_behind(self) -> bool:
        """Whether something was written that is not durable yet."""
        return self.durable != (self.number, self.offset)

    def roll(self) -> None:
        """Close the segment and begin the next one; when that fails go on with the old one."""
        head = self._head()
        try:
            fd, offset = self._create(self.number + 1, head)
        except OSError as error:
            self._failed(str(error))
            return
        self._close()
        self._unsynced.append(self.number)
        self.sealed.append(Sealed(number=self.number, size=self.offset, finals=self.finals, sealed_at=head.created_at))
        self.number, self.head, self.finals = self.number + 1, head, 0
        self._fd, self.offset, self._is_torn, self._is_listed = fd, offset, False, False
        if self._window is not None:
            self._window.synced(offset)

    async def sync(self) -> bool:
        """Put everything written until now on stable storage; return whether `durable` moved."""
        target = Position(self.number, self.offset)
        if target == self.durable:
            return False
        if self._window is not None:
            self._window.synced(target.offset)
        numbers = list(self._unsynced)
        places = [segment_path(self._directory, number) for number in numbers]
        if not self._is_listed:
            places.append(self._directory)
        try:
            await self._syncer.sync(os.dup(self._fd), places)  # its own: this one may be closed meanwhile
        except OSError as error:
            return self._failed(str(error))
        self._unsynced = [number for number in self._unsynced if number not in numbers]
        self._is_listed = self._is_listed or self.number == target.segment
        self.durable = target
        return True

    def close(self) -> None:
        """Sync and close. Raises OSError when the last sync fails."""
        self._syncer.close()
        try:
            os.fsync(self._fd)
        finally:
            self._close()

    def _close(self) -> None:
        """Close the segment, without the room behind its last line."""
        try:
            self._cut_back()
        finally:
            os.close(self._fd)

    def _create(self, number: int, head: Head) -> tuple[int, int]:
        path, line = segment_path(self._directory, number), encode_head(head)
        fd = os.open(path, _FLAGS, 0o600)
        try:
            if os.write(fd, line) != len(line):
                raise OSError("the disk is full")
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        return fd, len(line)

    def _cut_back(self) -> None:
        if self._window is not None:
            self._window.close()
        try:
            os.ftruncate(self._fd, self.offset)
        except OSError:
            self._is_torn = True  # half a line stands at the end: nothing may be written behind it

    def _failed(self, why: str) -> bool:
        self._counters.failed_writes += 1
        if not self._is_failing:
            self._is_failing = True
            _log.error("spool_write_failed", directory=str(self._directory), error=why)
        return False

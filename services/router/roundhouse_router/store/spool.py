"""The usage spool: every admitted request is on disk before it runs, and every outcome before its last byte goes out.

`admit` and `settle` hand one line each to the kernel, so a killed router loses nothing; `sync` makes them survive a
power failure and is called by a loop many times a second, off the event loop. Nothing raises when the disk is full:
the router serves on, outcomes wait in memory, bounded, and the failures are counted.
"""

import asyncio
import fcntl
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.service import get_logger
from roundhouse_router.domain.records import Admission, settle_interrupted
from roundhouse_router.store.recovery import Recovered, recover
from roundhouse_router.store.segments import Head, encode_admission, encode_record, segment_path
from roundhouse_router.store.window import can_reserve
from roundhouse_router.store.writer import Position, SegmentWriter, SpoolCounters

__all__ = ["Spool", "SpoolLimits"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    segment_bytes: int = 8 * 1024 * 1024
    segment_age_s: float = 3600.0
    """A segment is closed at this age, so that retention can work by age."""
    retain_s: float = 86_400.0
    retain_bytes: int = 1024 * 1024 * 1024
    """Bounds acknowledged segments only: what was never acknowledged is never deleted."""
    waiting_records: int = 100_000
    """Outcomes that may wait in memory while the disk refuses them."""
    is_mapped: bool | None = None
    """Whether lines are copied into reserved, mapped room. None: where the file system keeps what it has reserved."""


class Spool:
    """Get one from `Spool.open`. It belongs to one event loop; only the fsync runs in a thread of its own."""

    def __init__(self, directory: Path, limits: SpoolLimits, clock: Clock, recovered: Recovered) -> None:
        self._limits = limits
        self._clock = clock
        self._open: dict[str, int] = {}
        self._waiting: deque[bytes] = deque()
        self._sequence = recovered.next_sequence
        self._lock = -1
        self.directory = directory
        self.router_id = recovered.router_id
        self.counters = SpoolCounters(damaged_lines=recovered.damaged_lines)
        self.writer = SegmentWriter(
            directory,
            first_number=recovered.next_segment,
            segment_bytes=limits.segment_bytes,
            head=self._head,
            sealed=recovered.sealed,
            counters=self.counters,
            is_mapped=can_reserve(directory) if limits.is_mapped is None else limits.is_mapped,
        )
        self._is_awaited = False
        self._written = asyncio.Event()
        self.synced = asyncio.Event()
        """Set whenever something became durable; the publisher clears it and looks."""

    @classmethod
    def open(cls, directory: Path, *, limits: SpoolLimits, clock: Clock, ids: Ids) -> "Spool":
        """Open or create the spool, and settle the requests that were in flight when it was last left.

        Raises OSError when the directory cannot be used: a router that cannot keep usage does not start.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _locked(directory)
        recovered = recover(directory, new_router_id=lambda: ids.new("rtr"))
        spool = cls(directory, limits, clock, recovered)
        spool._lock = lock
        for admission in recovered.interrupted:
            spool.settle(settle_interrupted(admission, recovered.router_id, clock.now()))
        if recovered.interrupted or recovered.damaged_lines:
            _log.warning(
                "spool_recovered", interrupted=len(recovered.interrupted), damaged_lines=recovered.damaged_lines
            )
        return spool

    def take_sequence(self) -> int:
        """Return the next number. Whoever takes one admits it at once: the numbers have no gaps."""
        taken = self._sequence
        self._sequence += 1
        return taken

    def admit(self, admission: Admission) -> None:
        """Write that the request is about to run. On a full disk its outcome alone will have to do."""
        self.admit_line(admission.request_id, encode_admission(admission))

    def admit_line(self, request_id: str, line: bytes) -> None:
        """The same with an admission that is encoded already."""
        writer = self.writer
        writer.write(line, 0)
        self._open[request_id] = writer.number
        if self._is_awaited:
            self._wake()

    def settle(self, record: UsageRecord) -> None:
        """Write the outcome. When this returns a kill can no longer lose it, unless the disk is full."""
        self.settle_line(record.request_id, encode_record(record))

    def settle_line(self, request_id: str, line: bytes) -> None:
        """The same with a record that is encoded already."""
        self._open.pop(request_id, None)
        if self._waiting or not self.writer.write(line, 1):
            self._wait(line)
        if self._is_awaited:
            self._wake()

    async def sync(self) -> None:
        """Make what was written durable; retry what could not be written; close a segment that is old enough."""
        while self._waiting and self.writer.write(self._waiting[0], 1):
            self._waiting.popleft()
        if self.writer.finals and self._clock.now() - self.writer.head.created_at > self._limits.segment_age_s:
            self.writer.roll()
        if await self.writer.sync():
            self.synced.set()

    async def behind(self, within_s: float) -> None:
        """Return once there is something to sync, or after that time. For one task."""
        if self._waiting or self.writer.is_behind:
            return
        self._written.clear()
        self._is_awaited = True
        try:
            async with asyncio.timeout(within_s):
                await self._written.wait()
        except TimeoutError:
            return
        finally:
            self._is_awaited = False

    def retire(self, acknowledged: Position) -> int:
        """Delete closed segments that are acknowledged whole and too old, or too many; return how many."""
        keep_from = min(acknowledged.segment, *self._open.values(), self.writer.number)
        total = sum(sealed.size for sealed in self.writer.sealed)
        deleted = 0
        for sealed in list(self.writer.sealed):
            is_old = self._clock.now() - sealed.sealed_at > self._limits.retain_s
            if sealed.number >= keep_from or not (is_old or total > self._limits.retain_bytes):
                break
            segment_path(self.directory, sealed.number).unlink(missing_ok=True)
            self.writer.sealed.remove(sealed)
            total -= sealed.size
            deleted += 1
        return deleted

    @property
    def waiting(self) -> int:
        """Outcomes that are only in memory."""
        return len(self._waiting)

    @property
    def retained_bytes(self) -> int:
        return sum(sealed.size for sealed in self.writer.sealed) + self.writer.offset

    def close(self) -> None:
        """Sync, and leave the spool to another process. Raises OSError when the last sync fails."""
        try:
            self.writer.close()
        finally:
            self._release()

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _wake(self) -> None:
        self._is_awaited = False
        self._written.set()

    def _wait(self, line: bytes) -> None:
        if len(self._waiting) >= self._limits.waiting_records:
            self._waiting.popleft()
            self.counters.lost_records += 1
        self._waiting.append(line)

    def _head(self) -> Head:
        return Head(router_id=self.router_id, next_sequence=self._sequence, created_at=self._clock.now())


def _locked(directory: Path) -> int:
    """Take the spool for this process; the lock goes with it, however it ends. Raises OSError."""
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise OSError(error.errno, "another router uses this spool", str(directory)) from error
    return fd

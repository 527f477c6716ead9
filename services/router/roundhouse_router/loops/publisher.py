"""Publishes settled usage, in the order in which it was settled, until it is acknowledged.

Many records make one message: the stream syncs every message to disk, and takes some hundred in a second.

At least once: after a crash, a lost acknowledgement or a wiped stream a record is published again under the same id,
and the ledger keeps it once.
"""

import asyncio
from typing import Final

from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import REPUBLISH_USAGE, USAGE_BATCH
from roundhouse_common.contracts.usage import UsageBatch, UsageRecord
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.cursor import Cursor, load_cursor, save_cursor
from roundhouse_router.store.reading import finals_after, oldest, read_after
from roundhouse_router.store.spool import Spool
from roundhouse_router.store.writer import Position

__all__ = ["UsagePublisher"]

_RETRY_S: Final = (0.1, 0.5, 2.0, 5.0)
_FLUSH_S: Final = 5.0
_READS: Final = 4
"""Parts of the spool, of 64 KiB each, that one message may hold: servers refuse messages of more than 1 MiB."""
_log = get_logger(__name__)


class UsagePublisher:
    """Owns the cursor. `run` is its loop; `republish` and `flush` may be called beside it."""

    def __init__(self, bus: Bus, spool: Spool, settings: RouterSettings, clock: Clock, metrics: RouterMetrics) -> None:
        self._bus = bus
        self._spool = spool
        self._clock = clock
        self._metrics = metrics
        self._batch = settings.publish_batch
        self._check_s = settings.stream_check_s
        self._failures = 0
        self._rewinds = 0
        self._check_at = clock.monotonic()
        self._progress = asyncio.Event()
        self._cursor = load_cursor(spool.directory)
        if (
            self._cursor.position > spool.writer.durable
        ):  # the cursor of another spool: begin again, duplicates are safe
            self._cursor = Cursor()
        self._behind = finals_after(spool.directory, spool.writer, self._cursor.position) - spool.writer.total_finals
        metrics.spool_depth.set_function(lambda: float(self.depth))

    @property
    def acknowledged(self) -> Position:
        """Everything before it is stored by the stream."""
        return self._cursor.position

    @property
    def depth(self) -> int:
        """Outcomes that are not acknowledged, those in memory included."""
        return self._spool.writer.total_finals + self._behind + self._spool.waiting

    async def serve(self) -> None:
        """Answer `REPUBLISH_USAGE` from now on."""

        async def answer(_: RebuildBus, __: tuple[str, ...]) -> Rebuilt:
            return Rebuilt(instance=self._spool.router_id, written={USAGE_BATCH.stream.name: self.republish()})

        await self._bus.serve(REPUBLISH_USAGE, answer)

    def republish(self) -> int:
        """Begin again with the oldest retained record; return how many records that makes."""
        start = oldest(self._spool.writer)
        self._move(start, self._cursor.stream_created_at)
        self._rewinds += 1
        self._metrics.republished.inc()
        self._spool.synced.set()
        records = finals_after(self._spool.directory, self._spool.writer, start)
        self._behind = records - self._spool.writer.total_finals
        return records

    async def run(self) -> None:
        while True:
            try:
                await self._look_at_stream()
                self._spool.synced.clear()  # before the look, so that what is synced from now on is not missed
                if not await self._publish_next():
                    await self._idle()
                self._failures = 0
            except BusUnavailable as error:
                if not self._failures:
                    _log.warning("usage_waits_for_bus", error=str(error))
                self._metrics.publish_failures.inc()
                await asyncio.sleep(_RETRY_S[min(self._failures, len(_RETRY_S) - 1)])
                self._failures += 1
                self._check_at = self._clock.monotonic()

    async def flush(self) -> None:
        """Give the bus a moment to take what is left; `run` must be turning. What stays waits for the next start."""
        await self._spool.sync()
        try:
            async with asyncio.timeout(_FLUSH_S):
                while self.depth and self._bus.is_connected:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return

    async def _publish_next(self) -> bool:
        """Publish some; return whether there may be more. Raises BusUnavailable; then they go out again later."""
        rewinds, start = self._rewinds, self.acknowledged
        records, after = self._read_after(start)
        if records:
            # After a failure the next message may hold more, and has another id then: the ledger tells records apart.
            event_id = f"{records[0].request_id}-{len(records)}"
            message = UsageBatch(records=tuple(records))
            await self._bus.append(USAGE_BATCH, message, self._spool.router_id, event_id=event_id)
        if self._rewinds != rewinds:
            return True
        self._metrics.published.inc(len(records))
        self._behind -= len(records)
        if after != self.acknowledged:
            self._move(after, self._cursor.stream_created_at)
        return after != start

    def _read_after(self, start: Position) -> tuple[list[UsageRecord], Position]:
        """Return about as many records as go into one message, and where to go on."""
        records: list[UsageRecord] = []
        after = start
        for _ in range(_READS):
            found, behind = read_after(self._spool.directory, self._spool.writer, after)
            records += [record for record, _ in found]
            if behind == after or len(records) >= self._batch:
                return records, behind
            after = behind
        return records, after

    async def _look_at_stream(self) -> None:
        """Notice that the stream is another one than the one that acknowledged, and begin again then."""
        now = self._clock.monotonic()
        if now < self._check_at:
            return
        created_at = await self._bus.stream_created_at(USAGE_BATCH)
        self._check_at = now + self._check_s
        known = self._cursor.stream_created_at
        if known == created_at:
            return
        if known:
            _log.warning("usage_stream_was_wiped", records=self.republish())
        self._move(self.acknowledged, created_at)

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(self._check_s):
                await self._spool.synced.wait()
        except TimeoutError:
            return

    def _move(self, position: Position, stream_created_at: float) -> None:
        self._cursor = Cursor(segment=position.segment, offset=position.offset, stream_created_at=stream_created_at)
        self._progress.set()
        try:
            save_cursor(self._spool.directory, self._cursor)
        except OSError as error:
            _log.error("cursor_not_saved", error=str(error))

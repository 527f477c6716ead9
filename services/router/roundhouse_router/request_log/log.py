"""The request log: requests hand over what there is to say, a thread makes lines of it and writes them.

Nothing waits for it. What the disk does not take in time is dropped, and counted.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_common.service import get_logger
from roundhouse_router.request_log.books import Book
from roundhouse_router.request_log.watch import HeardSink, Level, Watch
from roundhouse_router.reuse.sink import Sink

__all__ = ["RequestLog"]

_MOST: Final = 10_000
_MOST_BYTES: Final = 64 * 1024 * 1024
_BATCH: Final = 64
_EVERY_S: Final = 0.25
_RETIRE_EVERY_S: Final = 60.0
"""How often files are looked for that are to be deleted."""
_STEP_S: Final = 1e-6
_log = get_logger(__name__)


class RequestLog:
    """Belongs to one event loop; only what is given to `_in_thread` runs in the thread."""

    def __init__(
        self,
        books: Sequence[Book],
        clock: Clock,
        registry: CollectorRegistry,
        *,
        on_drop: Callable[[str], None] = lambda tenant_id: None,
    ) -> None:
        """`on_drop` hears of each request that is missing because the disk was slow, by its tenant."""
        self._books = books
        self._clock = clock
        self._on_drop = on_drop
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request-log")
        self._waiting: deque[tuple[Watch, int]] = deque()
        self._waiting_bytes = 0
        self._submitted = asyncio.Event()
        self._last_at = 0.0
        self._writing = asyncio.Lock()
        self._written = Counter(
            "roundhouse_router_request_log_lines", "Requests written to the request log", registry=registry
        )
        dropped = Counter(
            "roundhouse_router_request_log_dropped",
            "Requests missing from the request log: the disk was slow, or refused them",
            ["reason"],
            registry=registry,
        )
        self._too_slow, self._refused = dropped.labels("slow"), dropped.labels("refused")
        Gauge(
            "roundhouse_router_request_log_waiting",
            "Requests that wait to be written to the request log",
            registry=registry,
        ).set_function(lambda: len(self._waiting))

    def watch(self, tenant_id: str, body: bytes, sink: Sink) -> tuple[Watch | None, Sink]:
        """Return what follows one request, and what to answer it with. None: nobody wants it logged."""
        levels = tuple([book.level_of(tenant_id) for book in self._books])
        level = max(levels)
        if level is Level.OFF:
            return None, sink
        if level is Level.METADATA:
            return Watch(self._submit, levels, b"", None), sink
        heard = HeardSink(sink)
        return Watch(self._submit, levels, body, heard), heard

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        retire_at = loop.time()
        while True:
            if loop.time() >= retire_at:
                await self._in_thread(self._retire)
                retire_at = loop.time() + _RETIRE_EVERY_S
            self._submitted.clear()
            if not self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(retire_at):
                        await self._submitted.wait()
            await asyncio.sleep(_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._waiting_bytes -= sum(size for _, size in batch)
                refused = await self._in_thread(self._write, [watch for watch, _ in batch])
                self._written.inc(len(batch) - refused)
                self._refused.inc(refused)

    async def __aenter__(self) -> "RequestLog":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what still waits, and close the files."""
        await self.flush()
        self._executor.shutdown()
        for book in self._books:
            book.close()

    def _submit(self, watch: Watch) -> None:
        size = len(watch.body) + (sum(map(len, watch.heard.chunks)) if watch.heard is not None else 0)
        if len(self._waiting) >= _MOST or self._waiting_bytes + size > _MOST_BYTES:
            self._too_slow.inc()
            if watch.record is not None:
                self._on_drop(watch.record.tenant_id)
            return
        self._last_at = watch.at = max(self._clock.now(), self._last_at + _STEP_S)
        self._waiting.append((watch, size))
        self._waiting_bytes += size
        self._submitted.set()

    async def _in_thread(self, work: Any, *arguments: Any) -> int:  # Any: one of the two below
        loop = asyncio.get_running_loop()
        done: int = await loop.run_in_executor(self._executor, work, *arguments, self._clock.now())
        return done

    def _write(self, watches: list[Watch], now: UnixTime) -> int:
        """Return how many are missing somewhere."""
        refused = 0
        for index, book in enumerate(self._books):
            wanted = [(watch, level) for watch in watches if (level := watch.levels[index])]
            refused = max(refused, book.write(wanted, now) if wanted else 0)
        return refused

    def _retire(self, now: UnixTime) -> int:
        for book in self._books:
            try:
                book.retire(now)
            except OSError as error:
                _log.error("request_log_not_retired", error=error.strerror or str(error))
        return 0

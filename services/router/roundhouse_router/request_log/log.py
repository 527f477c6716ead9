"""The request log: requests hand over what there is to say, a thread makes lines of it and writes them.

Nothing waits for it. What the disk does not take in time is dropped, and counted.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_common.service import get_logger
from roundhouse_router.domain.faults import fault_of
from roundhouse_router.domain.redaction import Redactor
from roundhouse_router.request_log.files import LogFiles
from roundhouse_router.request_log.texts import shown_answer, shown_request
from roundhouse_router.request_log.watch import HeardSink, Watch
from roundhouse_router.reuse.sink import Sink

__all__ = ["RequestLog"]

_MOST: Final = 10_000
_MOST_BYTES: Final = 64 * 1024 * 1024
_BATCH: Final = 64
_EVERY_S: Final = 0.25
_RETIRE_EVERY: Final = 240
"""Rounds between two looks for files to delete."""
_log = get_logger(__name__)


class RequestLog:
    """Belongs to one event loop; only `_write` and `_retire` run in the thread."""

    def __init__(
        self, files: LogFiles, redactor: Redactor, clock: Clock, registry: CollectorRegistry, *, bodies_most: int
    ) -> None:
        """`bodies_most` is how many characters are shown of a request and of an answer; 0: none are."""
        self._files = files
        self._redactor = redactor
        self._clock = clock
        self._bodies_most = bodies_most
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request-log")
        self._waiting: deque[tuple[Watch, int]] = deque()
        self._waiting_bytes = 0
        self._is_failing = False
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

    def watch(self, body: bytes, sink: Sink) -> tuple[Watch, Sink]:
        """Return what follows one request, and what to answer it with."""
        if not self._bodies_most:
            return Watch(self._submit, b"", None), sink
        heard = HeardSink(sink)
        return Watch(self._submit, body, heard), heard

    async def run(self) -> None:
        """Write until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.flush()
            if turn % _RETIRE_EVERY == 0:
                await self._in_thread(self._retire)
            turn += 1

    async def flush(self) -> None:
        """Write what waits."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._waiting_bytes -= sum(size for _, size in batch)
                if await self._in_thread(self._write, [watch for watch, _ in batch]):
                    self._written.inc(len(batch))
                else:
                    self._refused.inc(len(batch))

    async def __aenter__(self) -> "RequestLog":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what still waits, and close the file."""
        await self.flush()
        self._executor.shutdown()
        self._files.close()

    def _submit(self, watch: Watch) -> None:
        size = len(watch.body) + (sum(map(len, watch.heard.chunks)) if watch.heard is not None else 0)
        if len(self._waiting) >= _MOST or self._waiting_bytes + size > _MOST_BYTES:
            self._too_slow.inc()
            return
        self._waiting.append((watch, size))
        self._waiting_bytes += size

    async def _in_thread(self, work: Any, *arguments: Any) -> bool:  # Any: one of the two below
        """Do it in the thread; return whether the disk took it."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments, self._clock.now())
        except OSError as error:
            if not self._is_failing:
                self._is_failing = True
                _log.error("request_log_write_failed", error=error.strerror or str(error))
            return False
        self._is_failing = False
        return True

    def _write(self, watches: list[Watch], now: UnixTime) -> None:
        self._files.append([self._line(watch) for watch in watches], now)

    def _retire(self, now: UnixTime) -> None:
        self._files.retire(now)

    def _line(self, watch: Watch) -> bytes:
        """Return the line of one request. Names that clients choose are redacted as texts are."""
        record, redactor, most = watch.record, self._redactor, self._bodies_most
        assert record is not None
        line: dict[str, Any] = msgspec.to_builtins(record)  # Any: JSON
        line["model_requested"] = redactor.bounded(record.model_requested, 200)
        line["model_served"] = redactor.bounded(record.model_served, 200)
        line["route"], line["provider"] = watch.route, watch.provider
        line["fault"] = fault_of(record.error_code, record.http_status, is_provider=bool(record.provider_id))
        if watch.heard is not None:
            line["request"] = shown_request(watch.body, redactor, most)
            heard: HeardSink = watch.heard
            line["answer"] = shown_answer(heard.chunks, heard.size, heard.kind, redactor, most)
            if watch.message:
                line["error"] = redactor.bounded(watch.message, most)
        return msgspec.json.encode(line) + b"\n"

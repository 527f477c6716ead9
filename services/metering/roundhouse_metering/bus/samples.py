"""Samples from the nodes into the database: gathered for a moment, written together, dropped when it cannot keep up."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import NodeSample
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable, ValueNotStorable
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.samples import SeriesKey, compute_rows, device_rows, fault, time_of
from roundhouse_metering.store.samples import put_samples
from roundhouse_metering.store.series import note_series

__all__ = ["SampleRecorder"]

_GROUP = "metering"
_GATHER_S = 1.0
_RETRY_S = 1.0
_SEEN_EVERY_S = 300
_MOST_KNOWN = 200_000

_log = structlog.get_logger(__name__)


class SampleRecorder:
    """A bounded queue between the bus and the database. Of several instances of metering one gets each sample; one
    that comes twice is stored once."""

    def __init__(
        self, db: Database, *, clock: Clock, registry: CollectorRegistry, queue_size: int, batch_size: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._queue: deque[tuple[NodeSample, int]] = deque()
        self._queue_size = queue_size
        self._batch_size = batch_size
        self._arrived = asyncio.Event()
        self._known: dict[SeriesKey, tuple[int, int]] = {}
        self._results = Counter(
            "roundhouse_metering_samples", "Samples of nodes, by what became of them.", ["result"], registry=registry
        )
        for result in ("stored", "invalid", "dropped"):
            self._results.labels(result)
        waiting = Gauge("roundhouse_metering_samples_waiting", "Not written yet.", registry=registry)
        waiting.set_function(lambda: len(self._queue))

    @contextlib.asynccontextmanager
    async def subscribed(self, bus: Bus) -> AsyncIterator[None]:
        """Take samples as long as the bus is open."""
        await bus.subscribe(NODE_SAMPLE, self.take, group=_GROUP)
        yield

    async def take(self, sample: NodeSample, ids: tuple[str, ...]) -> None:
        """Queue a sample; when the queue is full it is lost, and counted."""
        if reason := fault(sample, ids[0]):
            self._results.labels("invalid").inc()
            _log.debug("sample_invalid", node_id=ids[0], why=reason)
            return
        if len(self._queue) >= self._queue_size:
            self._results.labels("dropped").inc()
            return
        self._queue.append((sample, time_of(sample, self._clock.now())))
        self._arrived.set()

    async def run(self) -> None:
        """Write what has come, once a second at the most while it keeps up."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_GATHER_S)
            self._arrived.clear()
            while self._queue:
                await self._write_some()

    async def flush(self) -> None:
        """Write what is left, when the service stops; what cannot be written now is lost."""
        for _ in range(0, len(self._queue), self._batch_size):
            await self._write_some()

    async def _write_some(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._batch_size, len(self._queue)))]
        try:
            await self._store(batch)
            self._results.labels("stored").inc(len(batch))
        except (DatabaseUnavailable, DatabaseBusy) as error:
            _log.warning("samples_wait", why=error.message, waiting=len(self._queue) + len(batch))
            self._queue.extendleft(reversed(batch))
            self._drop_what_is_too_much()
            await asyncio.sleep(_RETRY_S)
        except ValueNotStorable as error:
            _log.warning("samples_not_storable", why=error.message)
            self._results.labels("invalid").inc(len(batch))

    async def _store(self, batch: list[tuple[NodeSample, int]]) -> None:
        compute = [row for sample, at in batch for row in compute_rows(sample, at)]
        devices = [row for sample, at in batch for row in device_rows(sample, at)]
        now = int(self._clock.now())
        found = {row.key: row.deployment_id for row in compute} | {row.key: row.deployment_id for row in devices}
        news = {key: value for key, value in found.items() if self._known.get(key, (0, 0))[1] <= now - _SEEN_EVERY_S}
        async with self._db.write() as session:
            ids = await note_series(session, news, seen_at=now)
            known = {key: self._known[key][0] for key in found if key not in ids}
            await put_samples(session, compute, devices, known | ids)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known |= {key: (number, now) for key, number in ids.items()}

    def _drop_what_is_too_much(self) -> None:
        while len(self._queue) > self._queue_size:
            self._queue.popleft()
            self._results.labels("dropped").inc()

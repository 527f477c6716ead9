"""Engines' counters out of the nodes' samples into the database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import NodeSample
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable, ValueNotStorable
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.engine_counters import Reading, RunKey, counters_fault, readings_of
from roundhouse_metering.store.engine_counters import enter_readings

__all__ = ["EngineCounterRecorder"]

_GROUP = "metering-engines"
_AT_ONCE = 500
_MOST_WAITING = 200_000

_log = structlog.get_logger(__name__)


class EngineCounterRecorder:
    """Keeps the newest reading of each run until it is written: counters are sums, so whatever lies between, and
    whatever gets lost, makes no difference. Several instances may each get a part of the samples."""

    def __init__(self, db: Database, *, clock: Clock, registry: CollectorRegistry, every_s: float) -> None:
        self._db = db
        self._clock = clock
        self._every_s = every_s
        self._waiting: dict[RunKey, Reading] = {}
        self._results = Counter(
            "roundhouse_metering_engine_readings",
            "Readings of engines' counters, by what became of them.",
            ["result"],
            registry=registry,
        )
        for result in ("stored", "invalid", "dropped"):
            self._results.labels(result)

    @contextlib.asynccontextmanager
    async def subscribed(self, bus: Bus) -> AsyncIterator[None]:
        """Take samples as long as the bus is open."""
        await bus.subscribe(NODE_SAMPLE, self.take, group=_GROUP)
        yield

    async def take(self, sample: NodeSample, ids: tuple[str, ...]) -> None:
        """Keep the readings in a sample for the next time that is written."""
        if not sample.engines:
            return
        reason = counters_fault(sample) or (None if sample.node_id == ids[0] else "it is another node's")
        if reason is not None:
            self._results.labels("invalid").inc(len(sample.engines))
            _log.debug("engine_counters_invalid", node_id=ids[0], why=reason)
            return
        for reading in readings_of(sample, self._clock.now()):
            if len(self._waiting) < _MOST_WAITING or reading.key in self._waiting:
                self._waiting[reading.key] = reading
            else:
                self._results.labels("dropped").inc()

    async def run(self) -> None:
        """Write what has come, now and then."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what has come; what cannot be written now stays, unless newer readings come meanwhile."""
        waiting, self._waiting = self._waiting, {}
        readings = list(waiting.values())
        for start in range(0, len(readings), _AT_ONCE):
            part = readings[start : start + _AT_ONCE]
            try:
                async with self._db.write() as session:
                    await enter_readings(session, part)
                self._results.labels("stored").inc(len(part))
            except (DatabaseUnavailable, DatabaseBusy) as error:
                _log.warning("engine_counters_wait", why=error.message)
                self._waiting = {reading.key: reading for reading in readings[start:]} | self._waiting
                return
            except ValueNotStorable as error:
                _log.warning("engine_counters_not_storable", why=error.message)
                self._results.labels("invalid").inc(len(part))

"""Counts the ledger's entries into cells, as they come, and forgets fine cells and records that are too old."""

import asyncio
import random

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.retention import KeptFor
from roundhouse_metering.loops.or_later import or_later
from roundhouse_metering.store.usage_cells import Series, begin_anew, forget_cells, keep_cells, roll_up

__all__ = ["UsageRollups"]

_EVERY_S = 1.0
_BUSY_EVERY_S = 3.0
"""While there is much: a pass over more records writes each cell once for more of them, and costs half. Answers take
what is not counted from the ledger, up to `_AT_ONCE` of it."""
_MUCH = 2_000
_AT_ONCE = 20_000
_FORGET_EVERY_S = 600.0
_FORGOTTEN_AT_ONCE = 2_000

_log = structlog.get_logger(__name__)


class UsageRollups:
    """Several instances may do it at once: each pass is one transaction that the others see."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
        kept_for: KeptFor = KeptFor(),
    ) -> None:
        self._db = db
        self._clock = clock
        self._rng = rng
        self._kept_for = kept_for
        self._series = Series()
        self._counted = Counter("roundhouse_metering_usage_counted", "Entries counted into cells.", registry=registry)
        self._pass_s = Histogram("roundhouse_metering_usage_pass_seconds", "One pass.", registry=registry)
        self._at = Gauge("roundhouse_metering_usage_counted_at", "When all was counted last.", registry=registry)

    async def run(self) -> None:
        """Count every second, or every three while there is much; without a pause while it is too much for that."""
        while True:
            counted = await or_later(_log, "usage_is_counted_later", self.step) or 0
            if counted < _AT_ONCE:
                self._at.set(self._clock.now())
                pause_s = _BUSY_EVERY_S if counted > _MUCH else _EVERY_S
                await asyncio.sleep(pause_s * self._rng.uniform(0.8, 1.2))

    async def step(self, limit: int = _AT_ONCE) -> int:
        """Count some entries; return how many."""
        with self._pass_s.time():
            counted = await roll_up(self._db, self._series, limit=limit)
        self._counted.inc(counted)
        return counted

    async def count_all(self) -> None:
        """Count until nothing is left."""
        while await self.step():
            pass

    async def rebuild(self) -> None:
        """Forget the cells; `run` makes them anew from the ledger. Answers lack what is not counted yet."""
        async with self._db.write() as session:
            await begin_anew(session)

    async def run_forgetting(self) -> None:
        """Forget every ten minutes."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_S * self._rng.uniform(0.9, 1.1))
            await or_later(_log, "forgetting_waits", self.forget)

    async def forget(self) -> None:
        """Delete cells of resolutions that are not kept for so long, some at a time."""
        for resolution_s, kept_s in self._kept_for.cells.items():
            async with self._db.write() as session:
                since = await keep_cells(session, resolution_s, int(self._clock.now()) - kept_s)
            forgotten = 1
            while forgotten:
                async with self._db.write() as session:
                    forgotten = await forget_cells(session, resolution_s, since, _FORGOTTEN_AT_ONCE)

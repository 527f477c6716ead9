"""Removes records of months that are over for so long, the oldest month first: never one whose sums are not there."""

import asyncio
import random

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.cells import DAY_S
from roundhouse_metering.domain.retention import (
    DayTotals,
    KeptFor,
    differences,
    month_after,
    month_name,
    records_floor,
    total_of,
)
from roundhouse_metering.loops.or_later import or_later
from roundhouse_metering.store.months import (
    delete_dropped,
    drop_month,
    month_sizes,
    obstacle,
    totals_of_cells,
    totals_of_records,
)

__all__ = ["RecordRetention"]

_EVERY_S = 600.0
_DELETED_AT_ONCE = 1_000
_PAUSE_S = 0.05
"""Between deletions on SQLite, whose writers take turns: records come first."""

_log = structlog.get_logger(__name__)


class RecordRetention:
    """Several instances may do it at once: a month is dropped in one transaction, by one of them."""

    def __init__(
        self, db: Database, *, kept_for: KeptFor, clock: Clock, rng: random.Random, registry: CollectorRegistry
    ) -> None:
        self._db = db
        self._kept_for = kept_for
        self._clock = clock
        self._rng = rng
        self._dropped = Counter("roundhouse_metering_records_dropped", "Records that were removed.", registry=registry)
        self._held = Gauge("roundhouse_metering_months_held", "Months that are due, and stay.", registry=registry)

    async def run(self) -> None:
        """Look every ten minutes."""
        while True:
            await asyncio.sleep(_EVERY_S * self._rng.uniform(0.9, 1.1))
            await or_later(_log, "retention_waits", self.step)

    async def step(self) -> None:
        """Drop what is due."""
        floor = records_floor(self._clock.now(), self._kept_for.months)
        async with self._db.read() as session:
            due = [size.month for size in await month_sizes(session) if size.month < floor]
        while due:
            if why := await self._drop(due[0]):
                _log.warning("month_is_kept", month=month_name(due[0]), why=why)
                break
            due.pop(0)
        self._held.set(len(due))
        await self._delete()

    async def _drop(self, month: int) -> str:
        """Drop a month's records, or return why they stay."""
        async with self._db.read() as session:
            if why := await obstacle(session, month):
                return why
        records: dict[int, DayTotals] = {}
        cells: dict[int, DayTotals] = {}
        for day in range(month, month_after(month), DAY_S):
            async with self._db.read() as session:  # short ones, of one day each, however many records there are
                records[day] = await totals_of_records(session, day)
                cells[day] = await totals_of_cells(session, day)
        if found := list(differences(records, cells)):
            return f"its sums are not those of its records ({found[0]}); make them anew: roundhouse admin rebuild-usage"
        totals = total_of(records.values())
        async with self._db.write() as session:
            now = {day: await totals_of_cells(session, day) for day in cells}
            if await obstacle(session, month) or now != cells:
                return "records came while it was looked through; it is looked through again"
            await drop_month(session, month, totals, now=self._clock.now())
        self._dropped.inc(totals.requests)
        _log.info("month_dropped", month=month_name(month), requests=totals.requests, cost_nano=totals.cost_nano)
        return ""

    async def _delete(self) -> None:
        """Remove rows that a dropped month has left, on SQLite, between other writers."""
        if self._db.dialect != "sqlite":
            return
        while True:
            async with self._db.write() as session:
                deleted = await delete_dropped(session, _DELETED_AT_ONCE)
            if deleted < _DELETED_AT_ONCE:
                return
            await asyncio.sleep(_PAUSE_S)

"""Rolls samples up, 10 s -> 1 min -> 15 min, and forgets what is old: in many small transactions, so that usage
records are never held up for long."""

import asyncio
import random

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.resolutions import MINUTE_S, QUARTER_S, RAW, ROLLUPS, Retention
from roundhouse_metering.loops.or_later import or_later
from roundhouse_metering.store.rollups import advance, forget_samples, forget_series, roll_up, rolled_up_until
from roundhouse_metering.store.series import series_ids

__all__ = ["Rollups"]

_EVERY_S = 60.0
_FORGET_EVERY_S = 600.0
_GRACE_S = 60
"""A sample that was queued for longer than this is missing in rollups."""
_SEEN_SLACK_S = 900
"""Series note only every few minutes that they were seen."""
_SERIES_AT_ONCE = 500
_SERIES_FORGOTTEN_AT_ONCE = 50
_LONGEST_S = 6 * QUARTER_S

_log = structlog.get_logger(__name__)


class Rollups:
    """Several instances may do it at once: buckets are made from all that is in them, however often."""

    def __init__(
        self, db: Database, *, retention: Retention, clock: Clock, rng: random.Random, registry: CollectorRegistry
    ) -> None:
        self._db = db
        self._retention = retention
        self._clock = clock
        self._rng = rng
        self._forgotten = Counter("roundhouse_metering_samples_forgotten", "By retention.", registry=registry)
        self._pass_s = Histogram("roundhouse_metering_rollup_seconds", "One pass.", registry=registry)

    async def run(self) -> None:
        """Roll up every minute."""
        while True:
            with self._pass_s.time():
                await or_later(_log, "rollup_waits", self.roll_up)
            await asyncio.sleep(_EVERY_S * self._rng.uniform(0.9, 1.1))

    async def run_forgetting(self) -> None:
        """Forget every ten minutes."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_S * self._rng.uniform(0.9, 1.1))
            await or_later(_log, "forgetting_waits", self.forget)

    async def roll_up(self) -> None:
        """Complete every resolution as far as its samples can be in."""
        ready = int(self._clock.now()) - _GRACE_S
        for finer_s, coarser_s in ROLLUPS:
            async with self._db.read() as session:
                done = await rolled_up_until(session)
            until = min(ready, done.get(finer_s, 0) if finer_s else ready) // coarser_s * coarser_s
            if coarser_s not in done:  # the first pass of all: there is nothing older
                async with self._db.write() as session:
                    await advance(session, coarser_s, until)
                continue
            oldest = int(self._clock.now() - self._retention.of(finer_s)) // coarser_s * coarser_s
            since = max(done[coarser_s], oldest)
            while since < until:
                part = min(until, since + max(_LONGEST_S, coarser_s))
                await self._roll_up_part(finer_s, coarser_s, since, part)
                since = part

    async def forget(self) -> None:
        """Delete what is older than its resolution is kept, and series of which nothing is left."""
        now = self._clock.now()
        after = 0
        while True:
            async with self._db.read() as session:
                ids = await series_ids(session, after=after, limit=_SERIES_FORGOTTEN_AT_ONCE)
            if not ids:
                break
            after = ids[-1]
            for resolution_s in (RAW, MINUTE_S, QUARTER_S):
                before = int(now - self._retention.of(resolution_s))
                async with self._db.write() as session:
                    deleted = await forget_samples(session, ids, resolution_s=resolution_s, before=before)
                self._forgotten.inc(deleted)
        await self._forget_series(int(now - self._retention.longest_s) - _SEEN_SLACK_S)

    async def _roll_up_part(self, finer_s: int, coarser_s: int, since: int, until: int) -> None:
        after = 0
        while True:
            async with self._db.read() as session:
                ids = await series_ids(session, after=after, limit=_SERIES_AT_ONCE, seen_since=since - _SEEN_SLACK_S)
            if not ids:
                break
            after = ids[-1]
            async with self._db.write() as session:
                await roll_up(session, ids, finer_s=finer_s, coarser_s=coarser_s, since=since, until=until)
        async with self._db.write() as session:
            await advance(session, coarser_s, until)

    async def _forget_series(self, seen_until: int) -> None:
        while True:
            async with self._db.read() as session:
                ids = await series_ids(session, after=0, limit=_SERIES_FORGOTTEN_AT_ONCE, seen_until=seen_until)
            if not ids:
                return
            async with self._db.write() as session:
                await forget_series(session, ids)

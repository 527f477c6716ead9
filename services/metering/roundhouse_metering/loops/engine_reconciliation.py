"""Compares the ledger with what engines counted, all the time: counts its entries by replica, judges the last day, and
forgets what is too old."""

import asyncio
import random
from collections import Counter
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.cells import DAY_S, HOUR_S
from roundhouse_metering.domain.engine_reconciliation import EngineRow, EngineState, Tolerance, engine_row
from roundhouse_metering.loops.or_later import or_later
from roundhouse_metering.store.engine_counters import forget_engines
from roundhouse_metering.store.engine_reconciliation import EngineQuery, facts
from roundhouse_metering.store.replica_hours import count_replicas

__all__ = ["EngineReconciliation"]

_COUNT_EVERY_S: Final = 2.0
_AT_ONCE: Final = 20_000
_JUDGE_EVERY_S: Final = 300.0
_SETTLED_S: Final = 600
"""So long after an hour has ended its records and readings are expected to be in."""
_FORGET_EVERY_S: Final = 3600.0

_log = structlog.get_logger(__name__)


class EngineReconciliation:
    """Several instances may do it at once."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
        tolerance: Tolerance,
        keep_s: float,
    ) -> None:
        self._db = db
        self._clock = clock
        self._rng = rng
        self._tolerance = tolerance
        self._keep_s = keep_s
        self._differing: set[str] = set()
        self._replicas = Gauge(
            "roundhouse_metering_engine_replicas",
            "Replicas by how the ledger's tokens of the last day agree with their engines' own counters.",
            ["state"],
            registry=registry,
        )
        self._tokens = Gauge(
            "roundhouse_metering_engine_tokens_unexplained",
            "Tokens of the last day that engines counted and the ledger lacks (positive), or the reverse, of replicas "
            "that differ.",
            ["tokens"],
            registry=registry,
        )
        self._judged_at = Gauge(
            "roundhouse_metering_engine_judged_at", "When that was compared last.", registry=registry
        )

    async def run_counting(self) -> None:
        """Count the ledger's new entries, without a pause while there is much."""
        while True:
            counted = await or_later(_log, "replicas_are_counted_later", self.count) or 0
            if counted < _AT_ONCE:
                await asyncio.sleep(_COUNT_EVERY_S * self._rng.uniform(0.8, 1.2))

    async def count(self, limit: int = _AT_ONCE) -> int:
        """Count some entries by replica; return how many."""
        since = int(self._clock.now() - self._keep_s)
        async with self._db.write() as session:
            return await count_replicas(session, limit=limit, since=since)

    async def run(self) -> None:
        """Judge every five minutes."""
        while True:
            await asyncio.sleep(_JUDGE_EVERY_S * self._rng.uniform(0.8, 1.2))
            await or_later(_log, "engines_are_compared_later", self.judge)

    async def judge(self) -> list[EngineRow]:
        """Compare the last 24 whole hours that are settled, by replica; say which begin to differ."""
        until = int(self._clock.now() - _SETTLED_S) // HOUR_S * HOUR_S
        async with self._db.read() as session:
            found = await facts(session, EngineQuery(since=until - DAY_S, until=until))
        rows = [engine_row(one, self._tolerance) for one in found]
        states = Counter(row.state for row in rows)
        for state in EngineState:
            self._replicas.labels(state.value).set(states[state])
        differing = [row for row in rows if row.state is EngineState.DIFFERS]
        for kind in ("input", "output"):
            sides = [getattr(row, kind) for row in differing]
            self._tokens.labels(kind).set(sum(side.unexplained for side in sides if side is not None))
        for row in differing:
            if row.key not in self._differing:
                _log.warning(
                    "ledger_differs_from_engine",
                    replica_id=row.key,
                    deployment_id=row.deployment_id,
                    input_tokens=row.input.unexplained if row.input is not None else None,
                    output_tokens=row.output.unexplained if row.output is not None else None,
                )
        self._differing = {row.key for row in differing}
        self._judged_at.set(self._clock.now())
        return rows

    async def run_forgetting(self) -> None:
        """Forget once an hour."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_S * self._rng.uniform(0.9, 1.1))
            await or_later(_log, "forgetting_waits", self.forget)

    async def forget(self) -> None:
        """Delete hours, and runs that ended, from before what is kept."""
        async with self._db.write() as session:
            await forget_engines(session, before=int(self._clock.now() - self._keep_s) // HOUR_S * HOUR_S)

"""Small periodic work: is the bus there, who was heard, what may be forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roundhouse_common.bus.api import Bus
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.store.nodes import note_heartbeats
from roundhouse_scheduler.store.timeline import forget_old

__all__ = ["Housekeeping", "Retention", "sweep"]

_WATCH_EVERY_S = 0.5
_NOTE_EVERY_S = 5.0
_FORGET_EVERY_S = 600.0
_SWEEP_EVERY_S = 3600.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long history is kept."""

    events_s: float = 30 * _DAY_S
    replicas_s: float = 7 * _DAY_S


async def sweep(forget: Callable[[], Awaitable[int]]) -> None:
    """Forget what is old, now and every hour; a missed round costs only space."""
    while True:
        await forget()
        await asyncio.sleep(_SWEEP_EVERY_S)


class Housekeeping:
    """Each method is a loop of its own."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        *,
        clock: Clock,
        hearing: Hearing,
        liveness: Liveness,
        planner: Waker,
        retention: Retention,
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._hearing = hearing
        self._liveness = liveness
        self._planner = planner
        self._retention = retention

    async def watch_connection(self) -> None:
        """Tell the leases whether anybody could be heard at all."""
        while True:
            was_listening = self._liveness.is_listening
            self._liveness.tick(self._clock.monotonic(), is_connected=self._bus.is_connected)
            if self._liveness.is_listening is not was_listening:
                self._planner.wake()
            await asyncio.sleep(_WATCH_EVERY_S)

    async def note_heartbeats(self) -> None:
        """Write down every few seconds who was heard, for people."""
        while True:
            await asyncio.sleep(_NOTE_EVERY_S)
            heard = self._hearing.take_heard()
            if heard:
                async with self._db.write() as session:
                    await note_heartbeats(session, heard)

    async def forget(self) -> None:
        """Delete history that is old enough, a batch at a time."""
        while True:
            now = self._clock.now()
            async with self._db.write() as session:
                gone = await forget_old(
                    session,
                    events_before=now - self._retention.events_s,
                    replicas_before=now - self._retention.replicas_s,
                )
            await asyncio.sleep(1.0 if gone else _FORGET_EVERY_S)

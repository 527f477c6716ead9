"""An event loop on virtual time: sleeping costs nothing, and a seed decides the order of what is ready.

It has no sockets, no threads and no real clock. When everything waits for a timer, the time is simply that timer's.
When everything waits and there is no timer, the simulation would stand still for ever, which is an error.
"""

import asyncio
import contextvars
import heapq
import math
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from roundhouse_common.runtime import UnixTime

__all__ = ["PROCESS", "Deadlock", "SequentialIds", "VirtualClock", "VirtualTimeLoop", "run"]

PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="")
"""The name of the simulated process that a task belongs to; tasks inherit it. Only those with a name can be paused."""

T = TypeVar("T")
EPOCH = 1_800_000_000.0


_TURNS_WITHOUT_TIME = 20_000


class Deadlock(Exception):
    """Every task waits for another one, or they keep each other busy without any time passing."""


class _NoFiles:
    """The place of a selector: there is nothing to wait for but time."""

    def __init__(self, loop: "VirtualTimeLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:  # Any: the loop's own event list, always empty
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """`BaseEventLoop` is what asyncio's own loops are made of; what is below is what they add to it."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._now = 0.0
        self._turns = 0
        self._rng = rng
        self._selector = _NoFiles(self)
        self._clock_resolution = 0.0
        self._paused: set[str] = set()
        self._parked: list[asyncio.Handle] = []

    def pause(self, process: str) -> None:
        """Let nothing of this process run, as if it had been stopped by a signal."""
        self._paused.add(process)

    def resume(self, process: str) -> None:
        """Let it go on: what was due meanwhile is due now."""
        self._paused.discard(process)
        parked, self._parked = self._parked, []
        for handle in parked:
            if isinstance(handle, asyncio.TimerHandle):
                heapq.heappush(self._scheduled, handle)  # type: ignore[attr-defined]  # the heap of BaseEventLoop
            else:
                self._ready.append(handle)  # type: ignore[attr-defined]  # the deque of BaseEventLoop

    def _park(self) -> None:
        """Take what belongs to a paused process out of the loop's own queues."""
        for queue in (self._ready, self._scheduled):  # type: ignore[attr-defined]  # of BaseEventLoop
            stays = [handle for handle in queue if handle._context.get(PROCESS, "") not in self._paused]
            if len(stays) < len(queue):
                self._parked += [handle for handle in queue if handle._context.get(PROCESS, "") in self._paused]
                queue.clear()
                queue.extend(stays)
        heapq.heapify(self._scheduled)  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now

    def pass_time(self, timeout: float | None) -> None:
        """Jump to the next timer, and shuffle what is ready."""
        if timeout is None:
            raise Deadlock("every task waits, and there is no timer")
        if self._paused:
            self._park()
        ready = self._ready  # type: ignore[attr-defined]  # the deque of BaseEventLoop
        if not ready:
            # Just behind the timer: a callback that ran a hair before its time would find that it is not time yet,
            # and set the same timer again for ever.
            when = self._scheduled[0]._when  # type: ignore[attr-defined]  # the heap of BaseEventLoop
            self._now = max(self._now, math.nextafter(when, math.inf))
            self._turns = 0
        self._turns += 1
        if self._turns > _TURNS_WITHOUT_TIME:
            raise Deadlock(f"no time passes at {self._now:.3f} s")
        if len(ready) > 1:
            handles = list(ready)
            self._rng.shuffle(handles)
            ready.clear()
            ready.extend(handles)

    # Any, and the ignore: the stubs spell this method with type variables that a plain override cannot repeat.
    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do it here and now: while a thread worked, the time would run away."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # the awaiting task gets it, as from a thread
            done.set_exception(error)
        return done

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""


class VirtualClock:
    """The loop's time as both clocks."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    def now(self) -> UnixTime:
        return UnixTime(EPOCH + self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()


class SequentialIds:
    """Identifiers that count up: the same in every run of a seed."""

    def __init__(self) -> None:
        self._made = 0

    def new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:032x}"


def run(main: Coroutine[Any, Any, T], loop: VirtualTimeLoop) -> T:
    """Run to the end on the loop, then cancel what is left and close it."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()

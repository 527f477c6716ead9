"""An event loop on virtual time: sleeping costs nothing, and a seed decides the order of what is ready.

It has no sockets, no threads and no real clock. When everything waits for a timer, the time is simply that timer's.
When everything waits and there is no timer, the simulation would stand still for ever, which is an error.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

from roundhouse_common.runtime import UnixTime

__all__ = ["Deadlock", "SequentialIds", "VirtualClock", "VirtualTimeLoop", "run"]

T = TypeVar("T")
EPOCH = 1_800_000_000.0


class Deadlock(Exception):
    """Every task waits for another one."""


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
    """`BaseEventLoop` is what asyncio's own loops are made of; the three methods below are what they add to it."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._now = 0.0
        self._rng = rng
        self._selector = _NoFiles(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def pass_time(self, timeout: float | None) -> None:
        """Jump to the next timer, and shuffle what is ready."""
        if timeout is None:
            raise Deadlock("every task waits, and there is no timer")
        self._now += timeout
        ready = self._ready  # type: ignore[attr-defined]  # the deque of BaseEventLoop
        if len(ready) > 1:
            handles = list(ready)
            self._rng.shuffle(handles)
            ready.clear()
            ready.extend(handles)

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

"""How many routers share the limits when nobody counts them together."""

from collections.abc import Callable
from typing import Final

from roundhouse_common.runtime import Clock

__all__ = ["RouterCount"]

_FEWER_AFTER_S: Final = 60.0


class RouterCount:
    """More routers count at once; fewer only when a bus that is there has said so all the time for a minute.

    Redis and the bus may be lost together, and then all other routers look as if they were gone: whoever believed it
    would take the whole of every limit for itself.
    """

    def __init__(self, live: Callable[[], int], is_heard: Callable[[], bool], clock: Clock) -> None:
        """`live()` is how many routers seem to be there, this one counted; `is_heard()` whether they could be heard."""
        self._live = live
        self._is_heard = is_heard
        self._clock = clock
        self._known = 1
        self._known_at = clock.monotonic()

    def __call__(self) -> int:
        now, live = self._clock.monotonic(), self._live()
        if live >= self._known:
            self._known, self._known_at = live, now
        elif not self._is_heard():
            self._known_at = now
        elif now - self._known_at >= _FEWER_AFTER_S:
            self._known, self._known_at = live, now
        return self._known

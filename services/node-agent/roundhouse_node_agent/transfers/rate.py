"""How fast a transfer goes: held to a limit, and measured."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from roundhouse_common.runtime import Clock

__all__ = ["Gauge", "RateLimit"]

_BURST_S: Final = 0.25
_WINDOW_S: Final = 5.0
_SLICE_S: Final = 0.1


class RateLimit:
    """A token bucket over all connections. A taker that overdraws it waits until the debt is paid back."""

    def __init__(
        self, rate_bytes_s: int, *, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._rate = rate_bytes_s
        self._clock = clock
        self._sleep = sleep
        self._tokens = rate_bytes_s * _BURST_S
        self._at = clock.monotonic()

    async def take(self, count: int) -> None:
        """Account for bytes that were received; return when more may be. A rate of 0 limits nothing."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._rate * _BURST_S) - count
        self._at = now
        if self._tokens < 0:
            await self._sleep(-self._tokens / self._rate)


class Gauge:
    """How much of each file is there, of how much in all, and how fast it has been growing in the last seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._received: deque[tuple[float, int]] = deque()
        self._stored: dict[str, int] = {}
        self.total_bytes = 0
        self.origin = ""
        """Where the last bytes came from, in words."""

    @property
    def stored_bytes(self) -> int:
        return sum(self._stored.values())

    def stand(self, path: str, stored_bytes: int) -> None:
        """State how much of a file is there, e.g. from an earlier transfer, or nothing after a fresh start."""
        self._stored[path] = stored_bytes

    def receive(self, path: str, count: int, origin: str) -> None:
        """Count bytes of a file that came over the network."""
        self._stored[path] = self._stored.get(path, 0) + count
        self.origin = origin
        now = self._clock.monotonic()
        if self._received and now - self._received[-1][0] < _SLICE_S:
            began, before = self._received[-1]
            self._received[-1] = (began, before + count)
        else:
            self._received.append((now, count))

    def rate_bytes_s(self) -> float:
        now = self._clock.monotonic()
        while self._received and now - self._received[0][0] > _WINDOW_S:
            self._received.popleft()
        return sum(count for _, count in self._received) / max(0.5, min(_WINDOW_S, now - self._began))

    def left_s(self) -> float:
        """Return how long the rest takes at this rate; -1 when that cannot be told."""
        rate = self.rate_bytes_s()
        if not rate or not self.total_bytes:
            return -1.0
        return max(0, self.total_bytes - self.stored_bytes) / rate

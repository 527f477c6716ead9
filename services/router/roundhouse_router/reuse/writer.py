"""Writes to Redis that no request waits for, bounded."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis

from roundhouse_router.reuse.redis_link import RedisLink, RedisLost

__all__ = ["RedisWriter", "Write"]

_MOST: Final = 1024
_MOST_BYTES: Final = 32 * 1024 * 1024
Write = Callable[["Redis"], Awaitable[object]]


class RedisWriter:
    """One loop that writes in order. What does not fit, or fails, is dropped: a lost write costs an engine call."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: deque[tuple[Write, int, Callable[[], None]]] = deque()
        self._waiting_bytes = 0
        self._is_busy = False
        self._more = asyncio.Event()

    def submit(self, write: Write, size_bytes: int, done: Callable[[], None] = lambda: None) -> bool:
        """Write it soon; `done` is called when it is written or was given up. Return whether there was room."""
        if len(self._waiting) >= _MOST or self._waiting_bytes + size_bytes > _MOST_BYTES:
            done()
            return False
        self._waiting.append((write, size_bytes, done))
        self._waiting_bytes += size_bytes
        self._more.set()
        return True

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._more.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        while self._waiting:
            write, size_bytes, done = self._waiting.popleft()
            self._waiting_bytes -= size_bytes
            try:
                await self._link.call(write)
            except RedisLost:
                pass
            finally:
                done()
        self._more.clear()

"""Keeps the spool durable, and within its bounds."""

import asyncio
from collections.abc import Callable

from roundhouse_router.store.spool import Spool
from roundhouse_router.store.writer import Position

__all__ = ["SpoolKeeper"]

_RETIRE_EVERY = 100
"""Syncs between two looks for segments to delete, where there is something to sync all the time."""
_LOOK_S = 5.0
"""The longest time without a look at the spool while nothing is written."""


class SpoolKeeper:
    def __init__(self, spool: Spool, *, sync_s: float, acknowledged: Callable[[], Position]) -> None:
        self._spool = spool
        self._sync_s = sync_s
        self._acknowledged = acknowledged

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        between_s = _RETIRE_EVERY * self._sync_s
        retire_at = loop.time()
        while True:
            await self._spool.behind(min(_LOOK_S, between_s))
            await asyncio.sleep(self._sync_s)  # before, not after: what a crowd writes goes to the disk at once
            await self._spool.sync()
            if loop.time() >= retire_at:
                self._spool.retire(self._acknowledged())
                retire_at = loop.time() + between_s

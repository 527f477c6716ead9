"""Keeps the spool durable, and within its bounds."""

import asyncio
from collections.abc import Callable

from roundhouse_router.store.spool import Spool
from roundhouse_router.store.writer import Position

__all__ = ["SpoolKeeper"]

_RETIRE_EVERY = 100
"""Syncs between two looks for segments to delete."""


class SpoolKeeper:
    def __init__(self, spool: Spool, *, sync_s: float, acknowledged: Callable[[], Position]) -> None:
        self._spool = spool
        self._sync_s = sync_s
        self._acknowledged = acknowledged

    async def run(self) -> None:
        turn = 0
        while True:
            await self._spool.sync()
            if turn % _RETIRE_EVERY == 0:
                self._spool.retire(self._acknowledged())
            turn += 1
            await asyncio.sleep(self._sync_s)

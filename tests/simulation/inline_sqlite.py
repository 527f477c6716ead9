"""SQLite without threads: the real store, run inline by the virtual-time loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import aiosqlite

__all__ = ["connect_inline"]


class _InlineQueue:
    """Takes the place of the queue to aiosqlite's thread and does the work at once."""

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, work = item
        try:
            result = work()
        except Exception as error:  # what aiosqlite's thread does: the waiter gets it
            if future is None:
                raise
            future.set_exception(error)
            return
        if future is not None:
            future.set_result(result)


class _NoThread:
    daemon = True

    def start(self) -> None:
        """There is none."""


class _InlineConnection(aiosqlite.Connection):
    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._tx: Any = _InlineQueue()
        self._thread: Any = _NoThread()


def connect_inline(path: str) -> aiosqlite.Connection:
    """Open a file; for `Database(connect=...)`."""
    return _InlineConnection(lambda: sqlite3.connect(path, isolation_level=None, timeout=10.0))

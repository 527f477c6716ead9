"""SQLite without threads: the real store, run inline by the virtual-time loop.

A process that waits for another one's transaction waits in virtual time. `Commits` is where a process can be made to
die: right before one of its transactions is committed, or right after.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiosqlite

__all__ = ["Commits", "connect_inline", "connect_with"]

_LOCK_WAIT_S = 10.0
_LOCK_LOOK_S = 0.05
_SHARE_INTERRUPTED = 0.05
_DECIDES = ("INSERT INTO replicas", "UPDATE replicas")


@dataclass(slots=True, kw_only=True)
class _Death:
    commits_left: int
    is_before: bool
    die: Callable[[], None]


class Commits:
    """What happens to the write transactions of one process: others run before its commit, and it may die at one."""

    def __init__(self, rng: random.Random, on_decision: Callable[[sqlite3.Connection], None]) -> None:
        self._rng = rng
        self._on_decision = on_decision
        self._death: _Death | None = None
        self._is_dead = False

    def die_at(self, commits: int, *, is_before: bool, die: Callable[[], None]) -> None:
        """At the so-manieth commit from now call `die`, and take no further step."""
        self._death = _Death(commits_left=commits, is_before=is_before, die=die)

    def begin(self) -> None:
        """The process is another one now."""
        self._death, self._is_dead = None, False

    def end(self) -> None:
        """The process is dead: whatever its tasks still want to commit as they end is not."""
        self._death, self._is_dead = None, True

    async def before(self, connection: sqlite3.Connection, *, decides: bool) -> None:
        """A transaction is about to be committed; `decides` when it changed replicas."""
        if self._is_dead:
            raise asyncio.CancelledError
        if self._death is not None:
            self._death.commits_left -= 1
        if self._rng.random() < _SHARE_INTERRUPTED:
            await asyncio.sleep(self._rng.choice((0.0, 0.01, 0.3)))
        if decides:
            self._on_decision(connection)
        await self._perhaps_die(is_before=True)

    async def after(self) -> None:
        """It was committed."""
        await self._perhaps_die(is_before=False)

    async def _perhaps_die(self, *, is_before: bool) -> None:
        death = self._death
        if death is not None and death.commits_left <= 0 and death.is_before is is_before:
            self.end()
            death.die()
            await asyncio.get_running_loop().create_future()  # for ever: its task is cancelled


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
    def __init__(self, path: str, commits: Commits | None) -> None:
        super().__init__(lambda: sqlite3.connect(path, isolation_level=None, timeout=0.0), iter_chunk_size=64)
        self._tx: Any = _InlineQueue()
        self._thread: Any = _NoThread()
        self._commits = commits
        self._is_writing = False
        self._decides = False

    # Any: whatever aiosqlite would have its thread call.
    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        if args and args[0] == "BEGIN IMMEDIATE":
            self._is_writing, self._decides = True, False
            return await _waiting_for_lock(lambda: fn(*args, **kwargs))
        if args and isinstance(args[0], str) and args[0].startswith(_DECIDES):
            self._decides = True
        return fn(*args, **kwargs)

    async def commit(self) -> None:
        is_writing, self._is_writing = self._is_writing, False
        if not is_writing or self._commits is None:
            await super().commit()
            return
        await self._commits.before(self._conn, decides=self._decides)
        await super().commit()
        await self._commits.after()


async def _waiting_for_lock(begin: Callable[[], Any]) -> Any:  # Any: a cursor
    waited_s = 0.0
    while True:
        try:
            return begin()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or waited_s >= _LOCK_WAIT_S:
                raise
        await asyncio.sleep(_LOCK_LOOK_S)
        waited_s += _LOCK_LOOK_S


def connect_inline(path: str) -> aiosqlite.Connection:
    """Open a file; for `Database(connect=...)`."""
    return _InlineConnection(path, None)


def connect_with(commits: Commits) -> Callable[[str], aiosqlite.Connection]:
    """Return what opens a file for a process with these commits."""
    return lambda path: _InlineConnection(path, commits)

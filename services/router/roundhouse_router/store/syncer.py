"""Puts files on stable storage off the event loop."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

__all__ = ["Syncer"]

_sync_data: Final = getattr(os, "fdatasync", os.fsync)
"""The data, and what it takes to find them. When the file was changed is left to the sync of it whole, once closed."""


class _Job(NamedTuple):
    fd: int
    paths: Sequence[Path]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Exception | None]"
    """Ends with what went wrong."""


class Syncer:
    """A thread that begins with the first sync. A `ThreadPoolExecutor` takes twice the CPU for each."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def sync(self, fd: int, paths: Sequence[Path]) -> None:
        """Sync the data of an open file, which is taken over and closed, and then whole files and directories.

        Raises OSError, also where the thread cannot be started. One after the other, in the order of the calls. Who is
        cancelled waits no longer; the sync goes on.
        """
        if self._thread is None:
            try:
                self._thread = self._started()
            except RuntimeError as error:
                os.close(fd)
                raise OSError(errno.EAGAIN, f"no thread can be started: {error}") from error
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Exception | None] = loop.create_future()
        self._jobs.put(_Job(fd, paths, loop, done))
        if (failure := await done) is not None:
            raise failure

    def close(self) -> None:
        """Return once everything is synced that was begun."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            failure: Exception | None = None
            try:
                _sync(job.fd, job.paths)
            except Exception as error:  # noqa: BLE001 - it is raised where the sync is awaited
                failure = error
            try:
                job.loop.call_soon_threadsafe(_tell, job.done, failure)
            except RuntimeError:
                continue  # the loop is closed: nobody waits


def _tell(done: "asyncio.Future[Exception | None]", failure: Exception | None) -> None:
    if not done.done():
        done.set_result(failure)


def _sync(fd: int, paths: Sequence[Path]) -> None:
    try:
        _sync_data(fd)
    finally:
        os.close(fd)
    for path in paths:
        one = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(one)
        finally:
            os.close(one)

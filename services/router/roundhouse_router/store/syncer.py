"""Puts files on stable storage off the event loop."""

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

__all__ = ["Syncer"]

_sync_data: Final = getattr(os, "fdatasync", os.fsync)
"""Without what no reader of the file needs, e.g. when it was changed."""


class _Job(NamedTuple):
    fd: int
    paths: Sequence[Path]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[None]"


class Syncer:
    """A thread that begins with the first sync. A `ThreadPoolExecutor` takes twice the CPU for each."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def sync(self, fd: int, paths: Sequence[Path]) -> None:
        """Sync the data of an open file, which is taken over and closed, and then whole files and directories.

        Raises OSError. One after the other, in the order of the calls. Who is cancelled waits no longer; the sync goes
        on.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._jobs.put(_Job(fd, paths, loop, done))
        await done

    def close(self) -> None:
        """Return once everything is synced that was begun."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            failure: OSError | None = None
            try:
                _sync(job.fd, job.paths)
            except OSError as error:
                failure = error
            try:
                job.loop.call_soon_threadsafe(_tell, job.done, failure)
            except RuntimeError:
                continue  # the loop is closed: nobody waits


def _tell(done: "asyncio.Future[None]", failure: OSError | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)


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

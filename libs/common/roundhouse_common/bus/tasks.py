"""Tasks that a connection owns: named, counted, and ended with it."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

__all__ = ["OwnedTasks", "backoff_s", "keeping_cancellation"]


class OwnedTasks:
    """Tasks of one owner, at most `limit` at a time. `close` cancels what still runs and waits for it."""

    def __init__(self, *, limit: int = 64) -> None:
        self._tasks: dict[asyncio.Task[None], None] = {}  # in the order of their start, so that a run replays
        self._free = asyncio.Semaphore(limit)

    async def start(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Run `work` in the background; waits while the limit is reached. `work` handles its own errors."""
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._free.release()

    async def close(self) -> None:
        """Cancel and await every task."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def keeping_cancellation() -> Iterator[None]:
    """Raise the CancelledError that the awaited code swallowed, also when it raises something else instead.

    nats-py catches it in its flusher, its connect and its close, and `asyncio.wait_for` of Python 3.11 loses one that
    comes together with the result: a task cancelled there would run on for ever (seen when closing during a reconnect).
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def backoff_s(failures: int, *, first_s: float = 0.1, most_s: float = 2.0) -> float:
    """Return how long to wait after so many failures in a row (1, 2, ...): doubling up to a ceiling."""
    return min(most_s, first_s * 2.0 ** min(failures - 1, 30))

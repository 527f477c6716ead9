"""Running something beside a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine

__all__ = ["running"]


@contextlib.asynccontextmanager
async def running(work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run it until the block ends. If it fails before, the block's end raises what it raised."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

"""A loop that sleeps until something may have changed, or until it is time to look anyway."""

import asyncio

__all__ = ["Waker"]


class Waker:
    """Many calls of `wake` make one look. For tasks of one event loop."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something may have changed."""
        self._woken.set()

    async def wait(self, at_most_s: float) -> bool:
        """Return at the next wake (True) or when the time is over (False)."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

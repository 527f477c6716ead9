"""A bounded stream of changes whose overflow is told, not hidden."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Changes"]

T = TypeVar("T")

_MOST = 8192


class Changes(Generic[T]):
    """An endless iterator of what `push` was given. A reader too slow gets None for all that it missed.

    Cancelling `anext` loses nothing, so it may be waited for with a timeout.
    """

    def __init__(self) -> None:
        self._items: deque[T | None] = deque()
        self._more = asyncio.Event()

    def push(self, item: T | None) -> None:
        """Add one change; None says that changes may be missing."""
        if len(self._items) >= _MOST:
            self._items.clear()
            item = None
        self._items.append(item)
        self._more.set()

    def __aiter__(self) -> "Changes[T]":
        return self

    async def __anext__(self) -> T | None:
        while not self._items:
            self._more.clear()
            await self._more.wait()
        return self._items.popleft()

"""Waiting for something that another task, thread or process brings about: poll with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast, overload

__all__ = ["eventually", "never"]

T = TypeVar("T")
_WITHIN_S: Final = 20.0
"""What takes milliseconds may take seconds on a machine that is busy with other things."""


async def _look(condition: Callable[[], T | Awaitable[T]]) -> T:
    found = condition()
    return await cast(Awaitable[T], found) if inspect.isawaitable(found) else found


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], *, within_s: float = _WITHIN_S, every_s: float = 0.01, why: str = ""
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T], *, within_s: float = _WITHIN_S, every_s: float = 0.01, why: str = ""
) -> T: ...


async def eventually(
    condition: Callable[[], T | Awaitable[T]], *, within_s: float = _WITHIN_S, every_s: float = 0.01, why: str = ""
) -> T:
    """Return the first truthy value of `condition` (sync or async). AssertionError when the deadline passes.

    An AssertionError raised by the condition counts as "not yet", so it may assert.
    """
    deadline = time.monotonic() + within_s
    last = "it was never true"
    while True:
        try:
            if value := await _look(condition):
                return value
        except AssertionError as error:
            last = str(error) or "its assertion failed"
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within_s:g} s: {why or inspect.getsource(condition).strip()} ({last})")
        await asyncio.sleep(every_s)


async def never(condition: Callable[[], T | Awaitable[T]], *, for_s: float = 0.3, every_s: float = 0.01) -> None:
    """Assert that `condition` stays falsy for so long: for "nothing happens", which no poll can wait for."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        assert not await _look(condition), inspect.getsource(condition).strip()
        await asyncio.sleep(every_s)

"""Answers that several pages of one session share for a moment, so that open pages do not multiply questions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from roundhouse_common.runtime import Clock

__all__ = ["Cached"]

T = TypeVar("T")
_MOST: Final = 200


@dataclass(slots=True)
class _Entry:
    at: float
    asked: asyncio.Task[Any]  # Any: of the type that the caller of `get` names


class Cached:
    """One question in flight per name; its answer, or its error, serves all who ask within `for_s`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def get(self, name: str, ask: Callable[[], Awaitable[T]], *, for_s: float) -> T:
        """Return the answer to the question of this name. Raises what `ask` raised."""
        entry = self._entries.get(name)
        if entry is None or self._clock.monotonic() - entry.at > for_s or _has_failed(entry.asked):
            if len(self._entries) >= _MOST:
                self._entries.pop(next(iter(self._entries)))
            asked = asyncio.ensure_future(_awaited(ask))
            asked.set_name(f"ask {name}")
            entry = self._entries[name] = _Entry(self._clock.monotonic(), asked)
        # Shielded: a page that goes away must not take the answer from the others who wait for it.
        return cast("T", await asyncio.shield(entry.asked))

    def clear(self) -> None:
        """Forget every answer, e.g. because the person changed something."""
        self._entries.clear()


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _has_failed(asked: "asyncio.Task[Any]") -> bool:
    return asked.done() and (asked.cancelled() or asked.exception() is not None)

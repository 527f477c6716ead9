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
    before: Any = None
    """The answer to the question before this one, for `latest`."""


class Cached:
    """One question in flight per name; its answer, or its error, serves all who ask within `for_s`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def get(self, name: str, ask: Callable[[], Awaitable[T]], *, for_s: float) -> T:
        """Return the answer to the question of this name. Raises what `ask` raised."""
        entry = self._entries.get(name)
        if entry is None or self._is_old(entry, for_s) or _has_failed(entry.asked):
            entry = self._begin(name, ask)
        # Shielded: a page that goes away must not take the answer from the others who wait for it.
        return cast("T", await asyncio.shield(entry.asked))

    def latest(self, name: str, ask: Callable[[], Awaitable[T]], *, for_s: float) -> T | None:
        """Return the newest answer there is, at once; None before the first.

        For questions that take a service long: one is asked at a time, in the background, and none within `for_s` of
        the last, however many pages look and whatever came of it.
        """
        entry = self._entries.get(name)
        if entry is None or self._is_old(entry, for_s):
            known = None if entry is None else entry.before if _has_failed(entry.asked) else entry.asked.result()
            entry = self._begin(name, ask, before=known)
            entry.asked.add_done_callback(_has_failed)  # nobody may be there to hear of it
        if entry.asked.done() and not _has_failed(entry.asked):
            return cast("T", entry.asked.result())
        return cast("T | None", entry.before)

    def _is_old(self, entry: _Entry, for_s: float) -> bool:
        """Say whether to ask anew: not while an answer is awaited, or slow services would be asked twice at a time."""
        return entry.asked.done() and self._clock.monotonic() - entry.at > for_s

    def _begin(self, name: str, ask: Callable[[], Awaitable[T]], before: object = None) -> _Entry:
        if len(self._entries) >= _MOST:
            self._entries.pop(next(iter(self._entries)))
        asked = asyncio.ensure_future(_awaited(ask))
        asked.set_name(f"ask {name}")
        entry = self._entries[name] = _Entry(self._clock.monotonic(), asked, before)
        return entry

    def clear(self) -> None:
        """Forget every answer, e.g. because the person changed something."""
        self._entries.clear()


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _has_failed(asked: "asyncio.Task[Any]") -> bool:
    return asked.done() and (asked.cancelled() or asked.exception() is not None)

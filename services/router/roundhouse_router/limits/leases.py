"""Places among concurrent requests on Redis: a lease per request, kept alive by the router that holds it.

A router that dies gives nothing back: its leases run out after `lease_s`, and until then they count.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from roundhouse_router.limits.link import RedisLink
from roundhouse_router.limits.scripts import HOLD, Argument

__all__ = ["Leases"]

_NAMES_MOST: Final = 500
"""Leases in one command: others wait while Redis carries it out."""


class Leases:
    def __init__(self, link: RedisLink, lease_s: float) -> None:
        self._link = link
        self._lease_s = lease_s
        self._held: dict[str, set[str]] = {}
        """Names of leases by key."""

    @property
    def lease_ms(self) -> int:
        return round(self._lease_s * 1000)

    def begin(self, lease: str, keys: Sequence[str]) -> None:
        for key in keys:
            self._held.setdefault(key, set()).add(lease)

    def forget(self, lease: str, keys: Sequence[str]) -> None:
        """Keep it alive no longer. Safe to repeat."""
        for key in keys:
            names = self._held.get(key)
            if names is not None:
                names.discard(lease)
                if not names:
                    del self._held[key]

    def end(self, lease: str, keys: Sequence[str]) -> None:
        """Forget it, and tell Redis if it may know of it."""
        self.forget(lease, keys)
        for key in keys:
            command = ("ZREM", key, lease)
            self._link.tell(command, again=command)

    def hold_all(self) -> None:
        """Tell Redis of all that are held, for another `lease_s`."""
        for command in self._commands():
            self._link.tell(command)

    def _commands(self) -> Iterator[tuple[Argument, ...]]:
        for key, names in self._held.items():
            listed = sorted(names)
            for first in range(0, len(listed), _NAMES_MOST):
                some = listed[first : first + _NAMES_MOST]
                yield HOLD.call([key], [self.lease_ms, len(some), *some])

    async def run(self) -> None:
        """Hold what is held, for ever; with nothing to hold, look whether Redis is there."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if self._link.is_up:
                if self._held:
                    self.hold_all()
                else:
                    self._link.tell(("PING",))

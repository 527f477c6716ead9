"""Which address of a file is asked next, and for how long."""

import random
from collections.abc import Sequence
from typing import Final

from roundhouse_common.runtime import Clock
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.refusals import Setback
from roundhouse_node_agent.transfers.web import Place

__all__ = ["Places"]

_MOST_REST_S: Final = 15.0
_LEAST_TRIES: Final = 3


class Places:
    """The addresses of one file. Those that failed rest for a while, longer each time, and the others are asked."""

    def __init__(
        self, places: Sequence[Place], *, clock: Clock, rng: random.Random, retry_s: float, patience_s: float
    ) -> None:
        self.all = places
        self._clock = clock
        self._rng = rng
        self._retry_s = retry_s
        self._patience_s = patience_s
        self._quiet_since = clock.monotonic()
        self._tries = 0

    def pick(self, *, for_parts: bool = False) -> Place | None:
        """Return the one that may be asked soonest, the better one first; None when none is left.

        Until it rests no more (`rests_until`) it must not be asked.
        """
        left = [place for place in self.all if not place.refusal and (place.has_ranges or not for_parts)]
        return min(left, key=lambda place: max(place.rests_until, self._clock.monotonic()), default=None)

    def rest_s(self, place: Place) -> float:
        """Return how long it still rests."""
        return max(0.0, place.rests_until - self._clock.monotonic())

    def heard(self, place: Place) -> None:
        """Bytes came from it."""
        place.failures = 0
        self._quiet_since = self._clock.monotonic()
        self._tries = 0

    def failed(self, place: Place, setback: Setback, asked_at: float) -> None:
        """Let it rest. Raises TransferFailed when nothing came from anywhere for too long."""
        now = self._clock.monotonic()
        if asked_at >= place.rests_until:  # one broken line fails many requests: that counts once
            place.failures += 1
            longest = min(self._retry_s * 2 ** (place.failures - 1), _MOST_REST_S)
            place.rests_until = now + (setback.wait_s or longest * self._rng.uniform(0.5, 1.0))
            self._tries += 1
        if setback.wait_s:
            self._quiet_since = max(self._quiet_since, now + setback.wait_s)
        if self._tries >= _LEAST_TRIES and now - self._quiet_since > self._patience_s:
            raise TransferFailed(f"{setback}; nothing came for {self._patience_s:g} s, so it is given up for now", True)

    def refused(self) -> TransferFailed:
        """Return the error for a file that no address gives."""
        return TransferFailed("; ".join(place.refusal for place in self.all if place.refusal) or "it has no address")

    def turn(self, place: Place) -> None:
        """Ask the others before this one from now on."""
        self.all = [*(other for other in self.all if other is not place), place]

"""How often an address may be wrong."""

from collections import OrderedDict, deque

from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.errors import TooManyAttempts

__all__ = ["Attempts"]

_WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000
"""Beyond that the longest known are forgotten: the memory of strangers is bounded."""


class Attempts:
    """Counts failures by address over the last minute."""

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._clock = clock
        self._most = per_minute
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise TooManyAttempts while the address has used up its failures."""
        failures = self._recent(address)
        if len(failures) >= self._most:
            raise TooManyAttempts(wait_s=max(1.0, failures[0] + _WINDOW_S - self._clock.monotonic()))

    def failed(self, address: str) -> None:
        """Count one failure."""
        self._recent(address).append(self._clock.monotonic())

    def _recent(self, address: str) -> deque[float]:
        failures = self._failures.setdefault(address, deque(maxlen=self._most))
        while failures and failures[0] <= self._clock.monotonic() - _WINDOW_S:
            failures.popleft()
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)
        return failures

"""A clock that goes when a test says so, and a sleep that makes it go."""

from roundhouse_common.runtime import UnixTime

__all__ = ["HandClock"]


class HandClock:
    def __init__(self, at: float = 1000.0) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> UnixTime:
        return UnixTime(1_800_000_000 + self.at)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Take no time, and be so much later."""
        self.slept.append(seconds)
        self.at += seconds

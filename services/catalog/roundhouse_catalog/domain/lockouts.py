"""Pauses after wrong passwords: of a name, whether it is anybody's or not, and of an address."""

from dataclasses import dataclass

from roundhouse_common.runtime import UnixTime

__all__ = ["BY_ADDRESS", "BY_NAME", "NO_ATTEMPTS", "Attempts", "LockoutRules", "begun", "succeeded", "wait_s"]

_NEVER = UnixTime(0.0)
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutRules:
    """How many failures are free, and how the pauses grow after that."""

    free: int
    first_pause_s: float
    longest_pause_s: float
    forget_after_s: float
    """Failures count no more once there was none for so long; longer than the longest pause."""

    def pause_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        if failures < self.free:
            return 0.0
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(failures - self.free, _MOST_DOUBLINGS))


BY_NAME = LockoutRules(free=5, first_pause_s=1.0, longest_pause_s=900.0, forget_after_s=3600.0)
BY_ADDRESS = LockoutRules(free=20, first_pause_s=1.0, longest_pause_s=300.0, forget_after_s=3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What is remembered of one name or address."""

    failures: int = 0
    last_at: UnixTime = _NEVER
    locked_until: UnixTime = _NEVER


NO_ATTEMPTS = Attempts()


def wait_s(attempts: Attempts, now: UnixTime) -> float:
    """Return how long it is still locked; 0 when it is not."""
    return max(0.0, attempts.locked_until - now)


def begun(attempts: Attempts, rules: LockoutRules, now: UnixTime) -> Attempts:
    """Count an attempt that begins as failed, until it is known to be right.

    So of many that come at once no more get through than of many in a row.
    """
    is_forgotten = now - attempts.last_at > rules.forget_after_s
    failures = 1 if is_forgotten else attempts.failures + 1
    return Attempts(failures=failures, last_at=now, locked_until=UnixTime(now + rules.pause_s(failures)))


def succeeded(attempts: Attempts, rules: LockoutRules) -> Attempts:
    """Take back one attempt that was right. Those of others from the same address still count."""
    failures = max(0, attempts.failures - 1)
    paused_from = attempts.last_at if rules.pause_s(failures) else _NEVER
    return Attempts(
        failures=failures, last_at=attempts.last_at, locked_until=UnixTime(paused_from + rules.pause_s(failures))
    )

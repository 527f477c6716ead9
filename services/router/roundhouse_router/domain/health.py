"""Which endpoints are passed over, and for how long: outlier detection as Envoy does it.

A single failure lets an endpoint rest: it is tried after the others for a moment. Several in a row eject it, each time
for longer. When its time is over it gets one request at a time as a probe, until it has passed enough of them.
Who may be ejected is bounded by the caller: a fleet that fails as a whole is not judged by its members.
"""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Condition", "HealthOptions", "Level", "outliers"]


class Level(enum.IntEnum):
    """How far down an endpoint stands among those that may be tried."""

    FINE = 0
    RESTING = 1
    """After those that are fine."""
    EJECTED = 2
    """Only when nothing else is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """What endpoints are judged by. Seconds, and shares from 0 to 1."""

    rest_s: float = 2.0
    """How long an endpoint that failed once is tried only after the others."""
    most_rest_s: float = 60.0
    """The longest rest that an endpoint can ask for with 429 and `retry-after`."""
    consecutive_failures: int = 5
    """So many in a row eject it; 0: never."""
    base_ejection_s: float = 2.0
    """The first ejection; each further one is twice as long."""
    max_ejection_s: float = 300.0
    forget_s: float = 60.0
    """For each such time without an ejection one ejection is forgotten."""
    probes: int = 2
    """So many answered requests in a row end an ejection."""
    max_ejected_share: float = 0.5
    """Of a deployment's endpoints; the ceiling of ejections. One at least always stays."""
    panic_share: float = 0.5
    """When fewer than this are not ejected, because others left, all are used."""
    is_success_rate_judged: bool = False
    """Whether endpoints are ejected for answering less often than the others of their deployment."""
    success_rate_requests: int = 100
    """An endpoint with fewer in an interval is not judged by its rate."""
    success_rate_endpoints: int = 5
    """With fewer endpoints that can be judged none is."""
    success_rate_deviations: float = 1.9
    """How many standard deviations below the mean an endpoint is an outlier."""


class Condition:
    """One endpoint's health as this router sees it. Times are monotonic seconds."""

    __slots__ = (
        "_ejections",
        "_failed_at",
        "_failures",
        "_options",
        "_passed",
        "_readmitted_at",
        "answered",
        "busy_until",
        "ejected_until",
        "failed",
        "heard_until",
        "is_ejected",
        "is_troubled",
        "probes",
        "resting_until",
        "succeeded_at",
        "why",
    )

    def __init__(self, options: HealthOptions) -> None:
        self._options = options
        self._failures = 0
        self._ejections = 0
        self._passed = 0
        self._readmitted_at = -math.inf
        self._failed_at = -math.inf
        self.is_troubled = False
        """False says that its level is FINE, without looking."""
        self.is_ejected = False
        """Until it has passed its probes."""
        self.ejected_until = -math.inf
        self.resting_until = -math.inf
        self.busy_until = -math.inf
        """It said 429, and wants to be left alone up to then."""
        self.heard_until = -math.inf
        """Another router ejected it up to then."""
        self.succeeded_at = -math.inf
        self.probes = 0
        """Requests that it has now as probes: 0 or 1, more only when nothing else was left."""
        self.answered = 0
        """Requests that it answered in this interval, and those it failed."""
        self.failed = 0
        self.why = ""
        """What it failed by last, in a word."""

    @property
    def failures(self) -> int:
        """Return how many requests in a row it failed."""
        return self._failures

    @property
    def ejections(self) -> int:
        """Return how many ejections are not forgotten yet."""
        return self._ejections

    def level(self, now: float) -> Level:
        """Return how far down it stands now."""
        if self.is_ejected:
            is_over = now >= self.ejected_until and now >= self.busy_until
            return Level.FINE if is_over and not self.probes else Level.EJECTED
        if now < self.resting_until or now < self.busy_until or now < self.heard_until:
            return Level.RESTING
        self.is_troubled = False
        return Level.FINE

    def succeed(self, now: float, sent_at: float, is_probe: bool) -> None:
        """It answered. The end of a request that was sent before the last failure says nothing of what it is now."""
        self.answered += 1
        if sent_at < self._failed_at:
            return
        self._failures = 0
        self.succeeded_at = now
        if not self.is_troubled:
            return
        if not self.is_ejected:
            self.resting_until = self.heard_until = -math.inf
            self.is_troubled = now < self.busy_until
        elif is_probe:
            self._passed += 1
            if self._passed >= self._options.probes:
                self.is_ejected = False
                self.is_troubled = now < self.busy_until
                self._readmitted_at = now

    def fail(self, now: float, *, is_probe: bool, why: str = "") -> bool:
        """It failed a request. Return whether it is to be ejected now, which is for the caller to allow.

        One that is ejected already stays so: what was sent before says nothing new, and a failed probe ejects anew.
        """
        self._failures += 1
        self.failed += 1
        self.why = why
        self.succeeded_at = -math.inf
        self._failed_at = now
        if self.is_ejected:
            if is_probe and now >= self.ejected_until:
                self.eject(now)
            return False
        self.resting_until = now + self._options.rest_s
        self.is_troubled = True
        limit = self._options.consecutive_failures
        return 0 < limit <= self._failures

    def leave_alone(self, now: float, seconds: float) -> None:
        """It has too many requests: let it be tried after the others for as long as it asks, its answers to others
        notwithstanding."""
        self.busy_until = max(self.busy_until, now + min(seconds, self._options.most_rest_s))
        self.is_troubled = True

    def eject(self, now: float) -> None:
        """Pass it over, for longer each time; a long time without an ejection makes the next one shorter."""
        options = self._options
        if self._ejections and not self.is_ejected:
            forgotten = int((now - self._readmitted_at) / options.forget_s) if options.forget_s > 0 else 0
            self._ejections = max(0, self._ejections - forgotten)
        seconds = min(options.base_ejection_s * 2.0 ** min(self._ejections, 64), options.max_ejection_s)
        self._ejections += 1
        self._failures = self._passed = 0
        self.ejected_until = now + seconds
        self.is_ejected = self.is_troubled = True

    def hear(self, until: float) -> None:
        """Another router ejected it until then."""
        self.heard_until = max(self.heard_until, until)
        self.is_troubled = True


def outliers(conditions: Iterable[Condition], options: HealthOptions) -> list[Condition]:
    """Return those that answered less often in the interval that ends now than the others did; begin a new one."""
    judged = []
    for condition in conditions:
        total = condition.answered + condition.failed
        if total >= max(1, options.success_rate_requests) and not condition.is_ejected:
            judged.append((condition.answered / total, condition))
        condition.answered = condition.failed = 0
    if not options.is_success_rate_judged or len(judged) < max(1, options.success_rate_endpoints):
        return []
    mean = sum(rate for rate, _ in judged) / len(judged)
    deviation = math.sqrt(sum((rate - mean) ** 2 for rate, _ in judged) / len(judged))
    bound = mean - options.success_rate_deviations * deviation
    return [condition for rate, condition in judged if rate < bound]

"""What is said to who may not go on: 429, with the limit's name and the time to wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from roundhouse_common.contracts.money import NANO, BudgetPeriod
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.limits.budgets import Reservation
from roundhouse_router.domain.limits.headers import rate_limit_headers
from roundhouse_router.domain.limits.rules import Measure, Rule

__all__ = [
    "BudgetExhausted",
    "BudgetsUnheard",
    "LimitExceeded",
    "LimiterUnavailable",
    "ModelUnpriced",
    "Standing",
    "exceeded",
    "exhausted",
]

_BUSY_WAIT_MS: Final = 1000
"""When a place among concurrent requests comes free, nobody knows: a client asks again after this."""


class LimitExceeded(ApiError):
    """A limit holds the request back. OpenAI's two types: `requests` and `tokens`."""

    code = "rate_limit_exceeded"
    status = 429
    retryable = True

    def __init__(self, message: str, *, rule: Rule, wait_ms: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        super().__init__(message)
        self.type = "requests" if rule.measure in (Measure.REQUESTS, Measure.CONCURRENT) else "tokens"
        self.headers = headers
        self.rule = rule
        self.wait_ms = wait_ms
        """0: waiting does not help."""


class BudgetExhausted(ApiError):
    """A budget has no room for the request. Waiting for a moment does not help, so clients must not try again."""

    code = "insufficient_quota"
    status = 429
    type = "insufficient_quota"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers: tuple[tuple[bytes, bytes], ...] = ((b"x-should-retry", b"false"),)


class ModelUnpriced(ApiError):
    """What the request would cost is not known, and a budget of money is to hold it."""

    code = "model_unpriced"
    status = 403
    type = "insufficient_quota"


class BudgetsUnheard(ApiError):
    """This router does not know yet which budgets there are, and is told to admit nothing then."""

    code = "budgets_unheard"
    status = 503
    retryable = True
    retry_after_s = 2


class LimiterUnavailable(ApiError):
    """What counts the limits cannot be reached, and the router is told to admit nothing then."""

    code = "limiter_unavailable"
    status = 503
    retryable = True
    retry_after_s = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How one rule stands towards a request."""

    rule: Rule
    used: int
    need: int
    wait_ms: int
    """0: it would admit the request; -1: it would not, and nobody knows until when."""


def exceeded(standings: Sequence[Standing]) -> LimitExceeded:
    """Return the refusal: of the rules that refuse, the one to wait longest for. At least one refuses."""
    worst = max((one for one in standings if one.wait_ms), key=lambda one: one.wait_ms)
    rule = worst.rule
    wait_ms = worst.wait_ms if worst.wait_ms > 0 else _BUSY_WAIT_MS
    text = (
        f"Rate limit reached: limit `{rule.limit_name}`, {_what(rule)}: limit {rule.bound}, used {worst.used}, "
        f"requested {worst.need}. "
    )
    if rule.bound == 0:
        closed = (*_tightest(standings), (b"x-should-retry", b"false"))
        return LimitExceeded(text + "It admits nothing.", rule=rule, wait_ms=0, headers=closed)
    retry = ((b"retry-after", b"%d" % -(-wait_ms // 1000)), (b"retry-after-ms", b"%d" % wait_ms))
    if worst.wait_ms < 0:
        text += "Try again when one of your requests has ended."
    else:
        text += f"Try again in {wait_ms / 1000:g} s."
    return LimitExceeded(text, rule=rule, wait_ms=wait_ms, headers=(*_tightest(standings), *retry))


def exhausted(reservation: Reservation, used: int) -> BudgetExhausted:
    """Return the refusal of a budget of which so much is used."""
    budget, record = reservation.budget, reservation.budget.record
    amounts = (record.amount, used * budget.scale, reservation.need * budget.scale)
    amount, spent, asked = (_units(one) for one in amounts) if budget.is_money else map(str, amounts)
    unit = "units of the currency" if budget.is_money else "tokens"
    period = "" if record.period is BudgetPeriod.TOTAL else f" per {record.period.value}"
    text = (
        f"Budget `{record.name}` of the {record.scope.value} is used up: {amount} {unit}{period}, used {spent} with "
        f"requests in flight, this request may use {asked}. "
    )
    if reservation.end:
        return BudgetExhausted(
            f"{text}It begins anew at {datetime.fromtimestamp(reservation.end, UTC):%Y-%m-%dT%H:%MZ}."
        )
    return BudgetExhausted(f"{text}It does not begin anew: have it raised.")


def _units(nano: int) -> str:
    return f"{nano // NANO}.{nano % NANO:09}".rstrip("0").rstrip(".")


def _what(rule: Rule) -> str:
    over = f"{rule.measure.value} per {rule.window.name}" if rule.window else rule.measure.value
    return f"{over} (for each {rule.counted_per})" if rule.counted_per else over


def _tightest(standings: Sequence[Standing]) -> tuple[tuple[bytes, bytes], ...]:
    headers: tuple[tuple[bytes, bytes], ...] = ()
    for kind, is_counted in ((b"requests", _is_requests), (b"tokens", _is_tokens)):
        found = [one for one in standings if is_counted(one.rule)]
        if found:
            least = min(found, key=lambda one: one.rule.bound - one.used)
            headers += rate_limit_headers(kind, least.rule, least.used)
    return headers


def _is_requests(rule: Rule) -> bool:
    return rule.measure is Measure.REQUESTS


def _is_tokens(rule: Rule) -> bool:
    return rule.measure not in (Measure.REQUESTS, Measure.CONCURRENT)

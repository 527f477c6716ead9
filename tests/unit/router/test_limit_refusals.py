"""What a client that is held back gets to see."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_router.domain.limits import MINUTE, GrantHeaders, LimitExceeded, Measure, Rule
from roundhouse_router.domain.limits.headers import duration, pairs_of, rate_limit_headers
from roundhouse_router.limits import ProcessLimiter
from tests.support.hand_clock import HandClock
from tests.support.limit_records import demand, limit, table_of


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, b"0ms"),
        (12, b"12ms"),
        (1000, b"1s"),
        (1020, b"1.02s"),
        (59_999, b"59.999s"),
        (60_000, b"1m0s"),
        (60_001, b"1m1s"),
        (119_500, b"2m0s"),
        (360_000, b"6m0s"),
        (87_300_000, b"24h15m0s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(milliseconds: int, text: bytes) -> None:
    assert duration(milliseconds) == text


@given(st.integers(0, 10**9))
def test_a_duration_is_never_too_short(milliseconds: int) -> None:
    text, total = duration(milliseconds).decode(), 0.0
    for unit, seconds in (("h", 3600), ("m", 60)):
        head, found, tail = text.partition(unit)
        if found and not tail.startswith("s"):
            total, text = total + int(head) * seconds, tail
    total += float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1])
    assert milliseconds <= total * 1000 + 1e-3 < milliseconds + 1001


def refusal_of(*records: object, admitted: int) -> LimitExceeded:
    limiter = ProcessLimiter(lambda: table_of(*records), HandClock())  # type: ignore[arg-type]  # LimitRecord
    for _ in range(admitted):
        limiter.decide(demand(inputs=40))
    with pytest.raises(LimitExceeded) as refused:
        limiter.decide(demand(inputs=40))
    return refused.value


def test_the_message_says_which_limit_how_much_and_how_long() -> None:
    refusal = refusal_of(limit("Team A", D.KEY, D.ROUTE, tokens_per_minute=100), admitted=2)
    assert msgspec.json.decode(refusal.body()) == {
        "error": {
            "message": "Rate limit reached: limit `Team A`, tokens per minute (for each key and route): limit 100, "
            "used 80, requested 40. Try again in 61 s.",
            "type": "tokens",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    assert dict(refusal.headers) == {
        b"retry-after": b"61",
        b"retry-after-ms": b"61000",
        b"x-ratelimit-limit-tokens": b"100",
        b"x-ratelimit-remaining-tokens": b"20",
        b"x-ratelimit-reset-tokens": b"1m1s",
    }


def test_of_several_limits_the_one_to_wait_longest_for_is_named() -> None:
    refusal = refusal_of(
        limit("a", concurrent_requests=1), limit("b", requests_per_day=1), limit("c", requests_per_minute=1), admitted=1
    )
    assert refusal.rule.limit_name == "b"
    assert dict(refusal.headers)[b"x-ratelimit-reset-requests"] == b"24h15m0s"


def test_what_admits_nothing_is_not_worth_trying_again() -> None:
    refusal = refusal_of(limit("closed", requests_per_day=0), limit("open", requests_per_day=5), admitted=0)
    headers = dict(refusal.headers)
    assert headers[b"x-should-retry"] == b"false"
    assert b"retry-after" not in headers
    assert "`closed`" in refusal.message


def test_an_admitted_request_shows_the_limit_with_the_least_left() -> None:
    limiter = ProcessLimiter(
        lambda: table_of(
            limit("a", requests_per_minute=100, tokens_per_minute=1000),
            limit("b", requests_per_second=3, tokens_per_day=200),
        ),
        HandClock(),
    )
    assert dict(limiter.decide(demand(inputs=50)).headers) == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"2",
        b"x-ratelimit-reset-requests": b"1.02s",
        b"x-ratelimit-limit-tokens": b"200",
        b"x-ratelimit-remaining-tokens": b"150",
        b"x-ratelimit-reset-tokens": b"24h15m0s",
    }


@pytest.mark.parametrize("kind", [b"requests", b"tokens"])
@pytest.mark.parametrize("remaining", [-5, -1, 0, 1, 9, 10, 1023, 1024, 10**9, 2**40])
def test_an_admitted_request_and_a_refused_one_are_told_alike(kind: bytes, remaining: int) -> None:
    rule = Rule(counter_id="c", limit_id="l", limit_name="n", measure=Measure.TOKENS, window=MINUTE, bound=2**41)
    lines = GrantHeaders(kind, rule).lines(remaining)
    assert pairs_of(lines) == rate_limit_headers(kind, rule, rule.bound - remaining)
    assert pairs_of(lines + lines) == 2 * pairs_of(lines)

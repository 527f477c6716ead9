"""How finely a question about curves is answered, and from what."""

import pytest

from roundhouse_common.errors import InvalidInput
from roundhouse_metering.domain.resolutions import CurveQuery, Retention, Source, curve_query, sources

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86_400.0
KEPT = Retention(raw_s=6 * HOUR, minute_s=7 * DAY, quarter_s=90 * DAY)


def asked(
    *, ago: float | None = None, until_ago: float | None = None, step_s: int | None = None, curves: int = 1
) -> CurveQuery:
    return curve_query(
        since=None if ago is None else NOW - ago,
        until=None if until_ago is None else NOW - until_ago,
        step_s=step_s,
        now=NOW,
        retention=KEPT,
        curves=curves,
    )


@pytest.mark.parametrize(
    ("ago", "step_s"),
    [
        (600.0, 10),
        (HOUR, 10),
        (5000.0, 10),
        (5001.0, 20),
        (6 * HOUR, 60),
        (DAY, 300),
        (7 * DAY, 1800),
        (8 * DAY, 1800),
        (30 * DAY, 7200),
        (90 * DAY, 21_600),
    ],
)
def test_the_step_is_the_shortest_with_500_points(ago: float, step_s: int) -> None:
    assert asked(ago=ago).step_s == step_s


@pytest.mark.parametrize(("ago", "until_ago", "step_s"), [(7 * HOUR, 7 * HOUR - 60, 60), (8 * DAY, 8 * DAY - 60, 900)])
def test_the_step_is_never_shorter_than_what_is_still_kept(ago: float, until_ago: float, step_s: int) -> None:
    assert asked(ago=ago, until_ago=until_ago).step_s == step_s


def test_without_a_range_it_is_the_last_hour() -> None:
    query = asked()
    assert (query.until - query.since, query.step_s) == (HOUR, 10)


def test_points_begin_at_multiples_of_the_step() -> None:
    query = curve_query(since=NOW - 1000.5, until=None, step_s=300, now=NOW, retention=KEPT)
    assert query.since % 300 == 0
    assert query.since <= NOW - 1000.5 < query.since + 300


def test_what_lies_ahead_or_is_no_longer_kept_is_left_out() -> None:
    query = curve_query(since=0.0, until=NOW + DAY, step_s=None, now=NOW, retention=KEPT)
    assert (query.until, query.since >= NOW - 90 * DAY - query.step_s) == (NOW, True)


@pytest.mark.parametrize("curves", [9, 100, 2000])
def test_many_curves_have_fewer_points(curves: int) -> None:
    query = asked(ago=HOUR, curves=curves)
    assert curves * (query.until - query.since) / query.step_s <= 20_000 + curves


@pytest.mark.parametrize(
    ("ago", "until_ago", "step_s", "field", "words"),
    [
        (HOUR, HOUR, None, "since", "earlier than until"),
        (-HOUR, None, None, "since", "in the past"),
        (DAY, None, 10, "step_s", "found 10, allowed: a multiple of 60"),
        (8 * DAY, None, 60, "step_s", "found 60, allowed: a multiple of 900"),
        (6 * HOUR, None, 1, "step_s", "found 1; use a longer step"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_is_allowed(
    ago: float, until_ago: float | None, step_s: int | None, field: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(ago=ago, until_ago=until_ago, step_s=step_s)
    (error,) = refused.value.fields
    assert error.field == field
    assert words in error.message


def test_what_is_not_rolled_up_yet_comes_from_finer_samples() -> None:
    query = CurveQuery(since=0, until=9000, step_s=1800)
    assert sources(query, {900: 4500, 60: 8040}) == [
        Source(resolution_s=900, since=0, until=4500),
        Source(resolution_s=60, since=4500, until=8040),
        Source(resolution_s=0, since=8040, until=9000),
    ]


@pytest.mark.parametrize("step_s", [10, 90, 450])
def test_a_step_that_no_rollup_divides_comes_from_single_samples(step_s: int) -> None:
    query = CurveQuery(since=0, until=9000, step_s=step_s)
    assert sources(query, {900: 9000, 60: 9000}) == [Source(resolution_s=0, since=0, until=9000)]


def test_everything_rolled_up_needs_one_source() -> None:
    query = CurveQuery(since=0, until=3600, step_s=60)
    assert sources(query, {900: 3600, 60: 7200}) == [Source(resolution_s=60, since=0, until=3600)]

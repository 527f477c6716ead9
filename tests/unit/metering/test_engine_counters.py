"""Engines' counters grow by what was counted between readings, whatever order they come in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_metering.domain.engine_counters import EngineHour, Reading, counters_fault, grown, readings_of, spread
from tests.support.engine_counters import engine_counters, engine_sample

HOUR_S = 3600
NOON = 1_795_262_400


# Any: fields of the struct.
def reading(at: float, written: int | None, **changes: Any) -> Reading:
    sample = engine_sample(at, engine_counters(at, output_tokens=-1 if written is None else written, **changes))
    return next(readings_of(sample, at))


def written(found: tuple[Reading, dict[int, EngineHour]] | None) -> dict[int, int]:
    assert found is not None
    return {hour: growth.output_tokens for hour, growth in found[1].items()}


@pytest.mark.contract("F02")
def test_the_first_reading_counts_from_the_engines_start() -> None:
    assert written(grown(None, reading(NOON + 60, 40))) == {NOON: 40}


def test_between_two_readings_the_difference_was_counted() -> None:
    before = reading(NOON + 60, 40)
    found = grown(before, reading(NOON + 90, 100))
    assert written(found) == {NOON: 60}
    assert grown(before, before) is None


def test_growth_over_an_hours_end_is_shared() -> None:
    found = grown(reading(NOON + HOUR_S - 10, 0), reading(NOON + HOUR_S + 20, 30))
    assert written(found) == {NOON: 10, NOON + HOUR_S: 20}


def test_growth_over_hours_without_a_reading_is_spread_and_said_to_be() -> None:
    found = grown(reading(NOON, 0), reading(NOON + 3 * HOUR_S, 301))
    assert found is not None
    hours = found[1]
    assert [hours[NOON + hour * HOUR_S].output_tokens for hour in range(3)] == [100, 100, 101]
    assert [growth.across_output_tokens for growth in hours.values()] == [0, 301, 301]


@pytest.mark.contract("F02")
def test_a_counter_that_begins_anew_within_a_run_loses_nothing() -> None:
    found = grown(reading(NOON, 100), reading(NOON + 30, 7))
    assert written(found) == {NOON: 7}
    assert found is not None
    assert found[0].output_tokens == 7


def test_a_reading_that_was_overtaken_says_nothing() -> None:
    assert grown(reading(NOON + 30, 100), reading(NOON, 90)) is None


def test_counters_that_become_known_count_from_the_start() -> None:
    unknown = reading(NOON, None, input_tokens=-1, cached_input_tokens=-1)
    assert (unknown.input_tokens, unknown.output_tokens) == (None, None)
    assert written(grown(unknown, reading(NOON + 30, 5))) == {NOON: 5}
    after = grown(reading(NOON, 5), reading(NOON + 30, None))
    assert after is not None
    assert (after[0].output_tokens, after[1]) == (5, {})


def test_the_end_of_a_run_is_kept() -> None:
    ended = grown(reading(NOON, 5), reading(NOON + 3, 5, ended_at=NOON + 2.0))
    assert ended is not None
    later = grown(ended[0], reading(NOON + 4, 5))
    assert later is not None
    assert later[0].ended_at == NOON + 2.0


def test_a_node_whose_clock_is_wrong_is_read_by_ours() -> None:
    (found,) = readings_of(engine_sample(5000.0, engine_counters(4998.0)), NOON)
    assert (found.read_at, found.started_at) == (NOON - 2, NOON - 12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replica_id": ""}, "empty or too long"),
        ({"engine": "x" * 201}, "empty or too long"),
        ({"output_tokens": -2}, "negative or absurd"),
        ({"input_tokens": 2**60}, "negative or absurd"),
        ({"read_at": float("nan")}, "negative or absurd"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    assert words in str(counters_fault(engine_sample(NOON, engine_counters(NOON, **changes))))
    assert counters_fault(engine_sample(NOON, engine_counters(NOON))) is None


@given(
    tokens=st.integers(1, 10**9),
    since=st.floats(NOON, NOON + 10 * HOUR_S),
    lasted=st.floats(0, 40 * 24 * HOUR_S),
)
def test_what_is_spread_adds_up(tokens: int, since: float, lasted: float) -> None:
    growth = EngineHour(input_tokens=tokens, cached_input_tokens=tokens // 3, output_tokens=tokens // 7)
    found = dict(spread(growth, since, since + lasted))
    for name in ("input_tokens", "cached_input_tokens", "output_tokens"):
        parts = [getattr(part, name) for part in found.values()]
        assert sum(parts) == getattr(growth, name)
        assert min(parts) >= 0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_readings_in_any_order_and_repeated_add_up_to_the_last(steps: list[int], rng: Any) -> None:
    total, sent = 0, []
    for number, step in enumerate(steps):
        total += step
        sent.append(reading(NOON + 10 * number, total))
    mixed = [*sent, *sent]
    rng.shuffle(mixed)
    state, counted = None, 0
    for one in mixed:
        found = grown(state, one)
        if found is not None:
            state = found[0]
            counted += sum(growth.output_tokens for growth in found[1].values())
    assert counted == total

"""Sizes, durations and settings as people type and read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_cli.errors import UsageFault
from roundhouse_cli.units import age, parse_bytes, parse_duration, parse_settings, show_bytes, show_duration, since
from roundhouse_common.runtime import UnixTime


class At:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> UnixTime:
        return UnixTime(self._now)

    def monotonic(self) -> float:
        return self._now


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("600MiB", 600 * 2**20), ("1.5G", 1_500_000_000), ("2 gib", 2 * 2**30), ("10k", 10_000), ("7B", 7)],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "-1", "12 parsecs", "1..5G", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageFault, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("2W", 1_209_600)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1 year"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageFault, match="is not a duration"):
        parse_duration(text)


def test_settings_are_pairs_and_the_last_wins() -> None:
    assert parse_settings(["a=1", "b=x=y", "a=2"], "--set") == {"a": "2", "b": "x=y"}


@pytest.mark.parametrize("pair", ["a", "=1"])
def test_a_setting_without_key_or_sign_is_refused(pair: str) -> None:
    with pytest.raises(UsageFault, match="--set"):
        parse_settings([pair], "--set")


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1500, "1.5 KiB"), (600 * 2**20, "600 MiB"), (2**31, "2.0 GiB")],
)
def test_sizes_are_shown_short(count: int | None, text: str) -> None:
    assert show_bytes(count) == text


@given(st.integers(min_value=0, max_value=2**50))
def test_a_shown_size_is_read_back_within_its_rounding(count: int) -> None:
    assert abs(parse_bytes(show_bytes(count)) - count) <= 0.06 * count


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0s"), (0.4, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (200_000, "2d")]
)
def test_durations_are_shown_in_one_unit(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


def test_an_age_is_counted_from_a_time_of_the_services() -> None:
    assert age("2026-11-21T09:00:00.123Z", At(1795251660.123)) == "60s"
    assert age(None, At(0)) == "-"


def test_since_is_written_as_the_services_read_it() -> None:
    assert since(60, At(1795251660.5)) == "2026-11-21T09:00:00.500Z"

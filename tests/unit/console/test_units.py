"""Numbers and times as people read them."""

from zoneinfo import ZoneInfo

import pytest

from roundhouse_console.domain.money import amount_of
from roundhouse_console.domain.preferences import preferences_of
from roundhouse_console.domain.times import day_start, instant, moment, since, span, zone, zone_offset_s, zones
from roundhouse_console.domain.units import amount, bytes_text, count, money, money_roughly, percent


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (200 * 2**20, "200 MiB"), (2**50, "1 PiB")],
)
def test_sizes_have_binary_units(size: int, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (9_999, "9 999"), (12_345, "12.3 k"), (4_100_000, "4.1 M"), (7e9, "7 G")],
)
def test_counts_fit_a_tile(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00 USD"),
        (1_234_560_000_000, "1 234.56 USD"),
        (1_500_000, "0.0015 USD"),
        (-2_500_000_000, "-2.50 USD"),
        (300, "0.0000003 USD"),
    ],
)
def test_small_sums_keep_the_digits_that_matter(nano: int, text: str) -> None:
    assert money(nano, "USD") == text


@pytest.mark.parametrize(
    ("nano", "text"), [(382_350, "0.00038 USD"), (0, "0.00 USD"), (990_000_000, "0.99 USD"), (1, "0.000000001 USD")]
)
def test_tiles_have_two_digits_of_small_sums(nano: int, text: str) -> None:
    assert money_roughly(nano, "USD") == text


def test_shares_and_amounts() -> None:
    assert [percent(0.125), percent(1), percent(0.004, 0)] == ["12.5 %", "100 %", "0 %"]
    assert [amount(0), amount(123.4), amount(12.34), amount(1.234), amount(0.01234)] == [
        "0",
        "123",
        "12.3",
        "1.23",
        "0.012",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.85, "850 ms"), (4.2, "4.2 s"), (60, "1 min"), (190, "3 min 10 s"), (7_500, "2 h 5 min"), (-5, "-5 s")],
)
def test_spans_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_how_long_ago_has_one_unit_and_the_future_is_now() -> None:
    assert [since(0, 12), since(0, 200), since(0, 7_200), since(0, 432_000), since(9, 3)] == [
        "12 s",
        "3 min",
        "2 h",
        "5 d",
        "0 s",
    ]


def test_times_are_those_of_the_persons_zone() -> None:
    at = instant("2026-07-01T12:00:00Z")
    assert moment(at, ZoneInfo("Asia/Shanghai")) == "2026-07-01 20:00:00"
    assert zone_offset_s(at, ZoneInfo("Europe/Berlin")) == 7_200
    assert zone("no such place").key == "UTC"
    assert zone("../../etc/passwd").key == "UTC"


@pytest.mark.parametrize(
    ("typed", "nano"), [("250", 250_000_000_000), ("12,50", 12_500_000_000), ("1 000.000000001", 1_000_000_000_001)]
)
def test_amounts_are_read_without_loss(typed: str, nano: int) -> None:
    assert amount_of(typed) == nano


@pytest.mark.parametrize("typed", ["", "ten", "-1", "0.0000000001", "nan", "inf", "1e400"])
def test_what_is_no_amount_is_told(typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        amount_of(typed)


def test_a_chosen_time_zone_goes_before_the_browsers() -> None:
    def shown(**cookies: str) -> tuple[str, bool]:
        found = preferences_of(cookies, "")
        return found.tz.key, found.is_zone_chosen

    assert shown(rh_zone="Europe%2FBerlin") == ("Europe/Berlin", False)
    assert shown(rh_zone="Europe%2FBerlin", rh_zone_chosen="Asia%2FTokyo") == ("Asia/Tokyo", True)
    assert shown(rh_zone="Europe%2FBerlin", rh_zone_chosen="") == ("Europe/Berlin", False)
    assert shown(rh_zone="Europe%2FBerlin", rh_zone_chosen="no such place") == ("Europe/Berlin", False)


def test_time_zones_are_offered_with_how_far_they_are_from_utc() -> None:
    offered = dict(zones(instant("2026-07-01T00:00:00Z")))
    assert next(iter(offered)) == "UTC"
    assert (offered["UTC"], offered["Asia/Kolkata"], offered["Europe/Berlin"]) == (
        "UTC+00:00",
        "UTC+05:30",
        "UTC+02:00",
    )
    assert offered["America/St_Johns"] == "UTC-02:30"
    assert not {"EST", "Etc/GMT+5", "posixrules"} & set(offered)


def test_a_day_begins_at_midnight_of_its_zone() -> None:
    at = instant("2026-07-01T23:30:00Z")
    assert day_start(at, ZoneInfo("Europe/Berlin")).isoformat() == "2026-07-02T00:00:00+02:00"
    assert day_start(at, ZoneInfo("UTC")).isoformat() == "2026-07-01T00:00:00+00:00"

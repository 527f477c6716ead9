"""Cron windows: what a line means, what is refused, and when a window opened."""

from datetime import UTC, datetime

import pytest

from roundhouse_common.cron import Cron, cron_fault, opened_at, parse_cron, timezone_fault

HOUR = 3600.0


def a_cron(text: str) -> Cron:
    found = parse_cron(text)
    assert isinstance(found, Cron), found
    return found


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "0 fields; five are wanted"),
        ("0 8 * *", "4 fields; five are wanted"),
        ("60 8 * * *", '"60" found for the minute; 0 to 59 is allowed'),
        ("0 24 * * *", '"24" found for the hour'),
        ("0 8 0 * *", '"0" found for the day of month; 1 to 31'),
        ("0 8 * 13 *", '"13" found for the month; 1 to 12 or jan to dec'),
        ("0 8 * * moon", '"moon" found for the day of week'),
        ("5-1 8 * * *", '"5-1" found for the minute'),
        ("*/0 8 * * *", '"*/0" found for the minute'),
        ("0 8 30 2 *", "never comes"),
        ("@daily", "1 fields; five are wanted"),
    ],
)
def test_a_bad_line_is_refused_with_its_field(text: str, fault: str) -> None:
    assert fault in (cron_fault(text) or "")


@pytest.mark.parametrize(
    "text", ["0 8 * * mon-fri", "*/15 0-6,22 1,15 JAN *", "0 0 29 2 *", "5/10 * * * 7", "0 8 * * sat-sun"]
)
def test_what_cron_takes_is_taken(text: str) -> None:
    assert cron_fault(text) is None


def test_sunday_ends_a_week_as_well_as_it_begins_one() -> None:
    assert a_cron("0 8 * * fri-sun").weekdays == {5, 6, 0}
    assert a_cron("0 8 * * 5-0").weekdays == {5, 6, 0}
    assert a_cron("0 8 * * sun").weekdays == a_cron("0 8 * * 7").weekdays == {0}
    assert a_cron("0 8 * * sun-tue").weekdays == {0, 1, 2}
    assert cron_fault("0 8 * * wed-mon") is not None


def test_a_window_is_open_from_its_opening_on() -> None:
    cron = a_cron("0 8 * * mon-fri")  # 2026-11-20 is a Friday
    assert opened_at(cron, "UTC", now=at("2026-11-20T07:59:59"), within_s=HOUR) is None
    assert opened_at(cron, "UTC", now=at("2026-11-20T08:00:00"), within_s=HOUR) == at("2026-11-20T08:00:00")
    assert opened_at(cron, "UTC", now=at("2026-11-20T08:59:59"), within_s=HOUR) == at("2026-11-20T08:00:00")
    assert opened_at(cron, "UTC", now=at("2026-11-20T09:00:00"), within_s=HOUR) is None
    assert opened_at(cron, "UTC", now=at("2026-11-21T08:30:00"), within_s=HOUR) is None


def test_a_window_may_be_open_over_days() -> None:
    cron = a_cron("0 20 * * fri")
    assert opened_at(cron, "UTC", now=at("2026-11-22T23:00:00"), within_s=60 * HOUR) == at("2026-11-20T20:00:00")


def test_hours_are_those_of_the_time_zone() -> None:
    cron = a_cron("0 8 * * *")
    assert opened_at(cron, "Asia/Shanghai", now=at("2026-11-20T00:30:00"), within_s=HOUR) == at("2026-11-20T00:00:00")


def test_a_minute_that_the_clock_change_skips_does_not_come() -> None:
    cron = a_cron("30 2 29 3 *")  # in Berlin 2026-03-29 goes from 02:00 to 03:00
    assert opened_at(cron, "Europe/Berlin", now=at("2026-03-29T03:00:00"), within_s=24 * HOUR) is None


def test_a_minute_that_comes_twice_opens_once() -> None:
    cron = a_cron("30 2 25 10 *")  # in Berlin 2026-10-25 02:30 is 00:30 and 01:30 in UTC
    assert opened_at(cron, "Europe/Berlin", now=at("2026-10-25T01:45:00"), within_s=24 * HOUR) == at(
        "2026-10-25T00:30:00"
    )


def test_either_day_field_matches_when_both_are_restricted() -> None:
    cron = a_cron("0 0 1 * mon")
    opened = [opened_at(cron, "UTC", now=at(f"2026-12-{day:02d}T00:00:30"), within_s=60.0) for day in (1, 7, 8)]
    assert [one is not None for one in opened] == [True, True, False]


@pytest.mark.parametrize(("name", "is_known"), [("UTC", True), ("Europe/Berlin", True), ("Berlin", False), ("", False)])
def test_time_zones_are_iana_names(name: str, is_known: bool) -> None:
    assert (timezone_fault(name) is None) is is_known

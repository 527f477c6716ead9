"""Buckets by a zone's clock, over all that clocks do: hours twice, hours and days left out, changes at midnight."""

import random
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_metering.domain.cells import View
from roundhouse_metering.domain.plans import bucket_start, bucket_starts, parts
from roundhouse_metering.domain.usage import BucketWidth

pytestmark = pytest.mark.contract("C04")

ZONES = (
    *("Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"),
    *("America/Havana", "America/Asuncion", "America/Sao_Paulo", "Asia/Beirut", "Asia/Gaza", "Africa/Cairo"),
    *("Pacific/Apia", "Antarctica/Troll", "Africa/Casablanca"),
)
WIDTHS = [width for width in BucketWidth if width.seconds >= 900]
FIRST = datetime(2010, 1, 1, tzinfo=UTC).timestamp()
LAST = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
LENGTHS = {BucketWidth.MONTH: 400, BucketWidth.WEEK: 150, BucketWidth.DAY: 40}


def day_of(width: BucketWidth, zone: ZoneInfo, at: float) -> date:
    """Return the first day of the month, week or day that the zone's calendar shows."""
    shown = datetime.fromtimestamp(at, zone)
    if width is BucketWidth.MONTH:
        return shown.date().replace(day=1)
    return shown.date() - timedelta(days=shown.weekday() if width is BucketWidth.WEEK else 0)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(WIDTHS),
    st.floats(FIRST, LAST),
    st.floats(0.01, 1),
    st.randoms(use_true_random=False),
)
def test_every_moment_is_in_one_bucket_and_its_cell_too(
    name: str, width: BucketWidth, since: float, share: float, rng: random.Random
) -> None:
    zone, until = ZoneInfo(name), since + share * LENGTHS.get(width, 4) * 86_400
    starts = bucket_starts(width, zone, since, until)
    assert starts == sorted(set(starts))
    assert starts[0] <= since
    plan = parts(since, until, view=View.TOTAL, width_s=width.seconds, zone=zone, now=until)
    for _ in range(10):
        at = rng.uniform(since, until - 1e-3)
        mine = starts[bisect_right(starts, at) - 1]
        part = next(one for one in plan if one.since <= at < one.until)
        cell = int(at // (part.resolution_s or 1)) * (part.resolution_s or 1)
        local_s = (cell + part.offset_s) // width.seconds * width.seconds
        assert bucket_start(width, zone, local_s, part.offset_s) == mine
        if width.seconds == 86_400:
            assert day_of(width, zone, mine) == day_of(width, zone, at)
            assert day_of(width, zone, mine - 1) != day_of(width, zone, mine)


@pytest.mark.parametrize(
    ("zone", "day", "width", "wanted"),
    [
        ("America/New_York", "2026-03-08", BucketWidth.SIX_HOURS, ["05:00", "10:00", "16:00", "22:00"]),
        ("America/New_York", "2026-11-01", BucketWidth.SIX_HOURS, ["04:00", "11:00", "17:00", "23:00"]),
        ("Europe/Berlin", "2026-10-25", BucketWidth.TWELVE_HOURS, ["22:00", "11:00"]),
        ("Europe/Berlin", "2026-03-29", BucketWidth.TWO_HOURS, ["23:00", "01:00", "02:00", "04:00"]),
    ],
)
def test_the_bars_of_a_day_on_which_the_clock_is_changed(
    zone: str, day: str, width: BucketWidth, wanted: list[str]
) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).timestamp()
    starts = bucket_starts(width, ZoneInfo(zone), begin, end)
    assert [datetime.fromtimestamp(start, UTC).strftime("%H:%M") for start in starts][: len(wanted)] == wanted


def test_a_day_that_begins_at_one_begins_there_and_one_that_is_left_out_is_none() -> None:
    havana, apia = ZoneInfo("America/Havana"), ZoneInfo("Pacific/Apia")
    begin = datetime(2026, 3, 8, 12, tzinfo=UTC).timestamp()
    (start,) = bucket_starts(BucketWidth.DAY, havana, begin, begin + 1)
    assert datetime.fromtimestamp(start, havana).strftime("%d %H:%M") == "08 01:00"
    days = bucket_starts(
        BucketWidth.DAY,
        apia,
        datetime(2011, 12, 29, tzinfo=apia).timestamp(),
        datetime(2012, 1, 1, tzinfo=apia).timestamp(),
    )
    assert [datetime.fromtimestamp(start, apia).day for start in days] == [29, 31]

"""How long usage is kept: records by whole months, cells by resolution. What is over is told, never guessed.

Sums by hour and day are kept for ever, so that a month without records still has its totals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from roundhouse_common.errors import RoundhouseError
from roundhouse_metering.domain.cells import KEPT_S

__all__ = [
    "LATEST_S",
    "DayTotals",
    "Kept",
    "KeptFor",
    "RecordsGone",
    "differences",
    "month_after",
    "month_name",
    "month_start",
    "months_between",
    "records_floor",
    "total_of",
]

LATEST_S: Final = 4_102_444_800.0
"""2100: a time of admission behind it is none."""


class RecordsGone(RoundhouseError):
    """What is asked for was removed by retention."""

    code = "records_gone"
    status = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFor:
    """What operators want kept. Times in seconds."""

    months: int = 0
    """Whole months of records beside the one that is now; 0: for ever."""
    cells: Mapping[int, int] = field(default_factory=lambda: dict(KEPT_S))
    """By resolution; those that are not named are kept for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What there is, in Unix seconds: from when on. It only ever moves forward."""

    records: int = 0
    """What was admitted before is in no table but in the cells of hours and days."""
    cells: Mapping[int, int] = field(default_factory=dict)

    def since(self, resolution_s: int) -> int:
        """Return from when on cells of a resolution hold everything."""
        return self.cells.get(resolution_s, 0)

    def require(self, since: float | None) -> None:
        """Raise RecordsGone when records are asked for from before the first that is kept."""
        if since is not None and since < self.records:
            first = _text(self.records)
            raise RecordsGone(
                f"Records of requests before {first} are not kept any more; ask from {first} on. "
                "Sums of before are kept: GET /usage by hours or more."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """What records or cells of one day, or of some, add up to."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0


def total_of(days: Iterable[DayTotals]) -> DayTotals:
    """Add days up."""
    sums = [0, 0, 0, 0]
    for day in days:
        for place, name in enumerate(DayTotals.__dataclass_fields__):
            sums[place] += getattr(day, name)
    return DayTotals(**dict(zip(DayTotals.__dataclass_fields__, sums, strict=True)))


def month_start(at: float) -> int:
    """Return the beginning of the UTC month that a moment is in."""
    return _seconds(datetime.fromtimestamp(at, UTC).replace(day=1))


def month_after(start: int) -> int:
    """Return the beginning of the month after the one that begins there."""
    return month_start(start + timedelta(days=32).total_seconds())


def month_name(start: int) -> str:
    """Return e.g. `2026-11`."""
    return datetime.fromtimestamp(start, UTC).strftime("%Y-%m")


def months_between(since: int, until: int) -> list[int]:
    """Return the beginnings of the months from one that begins at `since` up to `until`."""
    found = []
    while since < until:
        found.append(since)
        since = month_after(since)
    return found


def records_floor(now: float, months: int) -> int:
    """Return from when on records are wanted: the month that is now, and so many before it. 0: all."""
    start = month_start(now)
    for _ in range(months):
        start = month_start(start - 1)
    return start if months else 0


def differences(records: Mapping[int, DayTotals], cells: Mapping[int, DayTotals]) -> Iterable[str]:
    """Tell where the sums that stay are not those of the records that would go, by day."""
    for day in sorted({*records, *cells}):
        mine, theirs = records.get(day, DayTotals()), cells.get(day, DayTotals())
        if mine != theirs:
            yield f"{_text(day)}: records {mine}, cells {theirs}"


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(day: datetime) -> int:
    return int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())

"""Windows of time that open by a cron line: five fields, a time zone, and how long each stays open.

Pure: the time is an argument. Minutes that a clock change skips never come; of those it repeats the first counts.
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

__all__ = ["Cron", "cron_fault", "opened_at", "parse_cron", "timezone_fault"]

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?")
_MOST_DAYS: Final = 3660


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()
    first_word: int = 0


_FIELDS: Final = (
    _Field(name="minute", least=0, most=59),
    _Field(name="hour", least=0, most=23),
    _Field(name="day of month", least=1, most=31),
    _Field(name="month", least=1, most=12, words=_MONTHS, first_word=1),
    _Field(name="day of week", least=0, most=7, words=_DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """When a window opens. As in cron, days match by either day field when both are restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    is_any_day: bool
    is_any_weekday: bool

    def is_on(self, day: date) -> bool:
        """Whether any minute of the day matches."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_day and by_weekday) if self.is_any_day or self.is_any_weekday else (by_day or by_weekday)


def parse_cron(text: str) -> Cron | str:
    """Return the five fields of a cron line, or what is wrong with it in words."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        wanted = ", ".join(field.name for field in _FIELDS)
        return f"{_shown(text)} has {len(parts)} fields; five are wanted: {wanted}, e.g. 0 8 * * mon-fri"
    values: list[frozenset[int]] = []
    for field, part in zip(_FIELDS, parts, strict=True):
        found = _values(field, part)
        if isinstance(found, str):
            return found
        values.append(found)
    minutes, hours, days, months, weekdays = values
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        is_any_day=parts[2].startswith("*"),
        is_any_weekday=parts[4].startswith("*"),
    )
    return cron if _can_come(cron) else f"{_shown(text)} never comes: no month of it has such a day"


def cron_fault(text: str) -> str | None:
    """What is wrong with a cron line in words, or None."""
    found = parse_cron(text)
    return found if isinstance(found, str) else None


def timezone_fault(name: str) -> str | None:
    """What is wrong with the name of a time zone in words, or None."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"{_shown(name)} found; state an IANA time zone such as UTC, Europe/Berlin or Asia/Shanghai"
    return None


def opened_at(cron: Cron, timezone: str, *, now: float, within_s: float) -> float | None:
    """Return when the window last opened in `(now - within_s, now]`, in Unix seconds, or None when it did not.

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown time zone.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    local = datetime.fromtimestamp(now, zone)
    earliest = datetime.fromtimestamp(now - within_s, zone).date()
    day = local.date()
    for _ in range(_MOST_DAYS):
        if day < earliest:
            break
        for at in _openings(cron, day, zone):
            if at <= now:
                return at if at > now - within_s else None
        day -= timedelta(days=1)
    return None


def _openings(cron: Cron, day: date, zone: zoneinfo.ZoneInfo) -> Iterator[float]:
    """Yield the openings of one day, the latest first."""
    if not cron.is_on(day):
        return
    for hour in sorted(cron.hours, reverse=True):
        for minute in sorted(cron.minutes, reverse=True):
            wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            at = wall.timestamp()
            if datetime.fromtimestamp(at, UTC).astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                yield at


def _values(field: _Field, text: str) -> frozenset[int] | str:
    found: set[int] = set()
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        if matched is None:
            return _fault(field, text)
        star, first, last, step = matched.groups()
        low = field.least if star else _number(field, first)
        high = field.most if star or (step and last is None) else _number(field, last or first)
        if high == 0 and field.words is _DAYS and last:
            high = 7
        if low is None or high is None or low > high or (step is not None and int(step) == 0):
            return _fault(field, text)
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(field: _Field, text: str) -> int | None:
    words: Mapping[str, int] = {word: index + field.first_word for index, word in enumerate(field.words)}
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else words.get(text.lower())
    return number if number is not None and field.least <= number <= field.most else None


def _fault(field: _Field, text: str) -> str:
    words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
    return (
        f"{_shown(text)} found for the {field.name}; {field.least} to {field.most}{words} is allowed, "
        "and *, lists (1,2), ranges (1-5) and steps (*/15)"
    )


def _can_come(cron: Cron) -> bool:
    """A leap year has every date there is."""
    first = date(2028, 1, 1)
    return any(cron.is_on(first + timedelta(days=offset)) for offset in range(366))


def _shown(text: str) -> str:
    return f'"{text[:80]}"'

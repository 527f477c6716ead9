"""Times: as services send them, and as people read them, in their own time zone."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

__all__ = [
    "clock_time",
    "day_start",
    "instant",
    "known_zone",
    "moment",
    "since",
    "span",
    "zone",
    "zone_offset_s",
    "zones",
]

_REGIONS: Final = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
"""What names of places begin with; others are old names, and offsets of which summer time is not known."""


def instant(text: str) -> float:
    """Return seconds since 1970 of an RFC 3339 time. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; UTC for a name that there is not."""
    return known_zone(name) or ZoneInfo("UTC")


def known_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name, None for a name that there is not."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zones(now: float) -> list[tuple[str, str]]:
    """Return the names of places' time zones, UTC first, each with how far it is from UTC now: `UTC+05:30`."""
    names = sorted(name for name in available_timezones() if name.partition("/")[0] in _REGIONS)
    return [(name, _offset(now, name)) for name in ("UTC", *names)]


def _offset(now: float, name: str) -> str:
    minutes = round(zone_offset_s(now, zone(name)) / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def moment(at: float, tz: ZoneInfo) -> str:
    """Return a time to the second: `2026-11-22 14:03:07`."""
    return datetime.fromtimestamp(at, UTC).astimezone(tz).strftime("%Y-%m-%d %H:%M:%S")


def day_start(at: float, tz: ZoneInfo) -> datetime:
    """Return the midnight that a day of the zone began with."""
    return datetime.fromtimestamp(at, tz).replace(hour=0, minute=0, second=0, microsecond=0)


def clock_time(at: float, tz: ZoneInfo) -> str:
    """Return only the time of day: `14:03:07`."""
    return datetime.fromtimestamp(at, UTC).astimezone(tz).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """Return a duration by its two largest units: `850 ms`, `4.2 s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for size, name, below, below_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def since(at: float, now: float) -> str:
    """Return how long ago something was, by its largest unit: `12 s`, `3 min`, `2 h`, `5 d`. What is to come is now."""
    passed = max(0.0, now - at)
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size:.0f} {name}"
    return f"{passed:.0f} s"


def zone_offset_s(at: float, tz: ZoneInfo) -> float:
    """Return by how many seconds the zone's clocks are ahead of UTC at that moment."""
    offset = datetime.fromtimestamp(at, tz).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0

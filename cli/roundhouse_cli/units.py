"""Quantities as people type and read them: sizes, durations, ages, key=value."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from roundhouse_cli.errors import UsageFault
from roundhouse_common.runtime import Clock

__all__ = ["age", "parse_bytes", "parse_duration", "parse_settings", "show_bytes", "show_duration", "since"]

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_bytes(text: str) -> int:
    """Read `600MiB`, `1.5G` or a plain number of bytes. Raises UsageFault."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageFault(f"{text!r} is not a size; write e.g. 600MiB or 2GB.")
    return int(float(found[1]) * _SIZES[(found[2] or "").lower()])


def parse_duration(text: str) -> float:
    """Read `90s`, `15m`, `24h` or `7d` as seconds. Raises UsageFault."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageFault(f"{text!r} is not a duration; write e.g. 90s, 15m, 24h or 7d.")
    return float(found[1]) * _DURATIONS[found[2].lower()]


def parse_settings(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Read `key=value` pairs; the last one wins. Raises UsageFault naming the option."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageFault(f"{option} {pair} is not of the form key=value.")
        settings[key] = value
    return settings


def show_bytes(count: int | None) -> str:
    """Write a size with a binary unit, three digits at most before it: `596 MiB`, `1.4 GiB`."""
    if count is None:
        return "-"
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def show_duration(seconds: float) -> str:
    """Write a duration in its largest two units at most: `12s`, `3m`, `5h`, `2d`."""
    for unit, size, until in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{max(0, int(seconds / size))}{unit}"
    return f"{int(seconds / 86_400)}d"


def age(at: str | None, clock: Clock) -> str:
    """Write how long ago an RFC 3339 time was."""
    if not at:
        return "-"
    return show_duration(clock.now() - datetime.fromisoformat(at).timestamp())


def since(ago_s: float, clock: Clock) -> str:
    """Return the time `ago_s` seconds ago as the services take it."""
    return datetime.fromtimestamp(clock.now() - ago_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

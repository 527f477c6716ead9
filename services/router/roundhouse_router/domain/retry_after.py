"""When a provider that is asked too often wants to be asked again, as its answer's headers say."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["wanted_pause_s"]

_LONGEST_S: Final = 3600.0
_EPOCH_S: Final = 1e9
"""A larger number is a moment, not a time from now; in milliseconds when it is a thousand times that."""
_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_UNITS_S: Final = (86_400.0, 3600.0, 60.0, 1.0)
_KINDS: Final = (b"requests", b"tokens", b"input-tokens", b"output-tokens")


def wanted_pause_s(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Return seconds from now, at most an hour; None where the answer does not say.

    `retry-after-ms` and `retry-after` are meant for this. Else what is used up names its reset (OpenAI and those that
    copied it: `x-ratelimit-remaining-tokens: 0`, `x-ratelimit-reset-tokens: 6m0s`; Anthropic: a date), or there is one
    `x-ratelimit-reset` for all (OpenRouter: a moment in milliseconds).
    """
    if (pause := _number(headers.get(b"retry-after-ms"))) is not None:
        return _bounded(pause / 1000)
    if (pause := _pause(headers.get(b"retry-after"), now)) is not None:
        return _bounded(pause)
    resets = _resets_of_what_is_used_up(headers, now)
    if resets:
        return _bounded(max(resets))
    pause = _pause(headers.get(b"x-ratelimit-reset"), now)
    return None if pause is None else _bounded(pause)


def _resets_of_what_is_used_up(headers: Mapping[bytes, bytes], now: float) -> list[float]:
    """Return the resets of kinds with nothing left; where no kind is used up, the soonest of all."""
    used_up, all_found = [], []
    for kind in _KINDS:
        for is_anthropic in (False, True):
            prefix = b"anthropic-ratelimit-" if is_anthropic else b"x-ratelimit-"
            reset = headers.get(prefix + (kind + b"-reset" if is_anthropic else b"reset-" + kind))
            left = headers.get(prefix + (kind + b"-remaining" if is_anthropic else b"remaining-" + kind))
            pause = _pause(reset, now)
            if pause is not None:
                all_found.append(pause)
                if _number(left) == 0:
                    used_up.append(pause)
    return used_up or ([min(all_found)] if all_found else [])


def _pause(value: bytes | None, now: float) -> float | None:
    if not value:
        return None
    number = _number(value)
    if number is not None:
        if number >= _EPOCH_S * 1000:
            return number / 1000 - now
        return number - now if number >= _EPOCH_S else number
    text = value.decode("ascii", errors="replace").strip()
    duration = _duration(text)
    return _moment(text, now) if duration is None else duration


def _number(value: bytes | None) -> float | None:
    if not value or len(value) > 32:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _duration(text: str) -> float | None:
    """Read `12ms`, `1s`, `6m0s`, `1h2m3s`."""
    if text.endswith("ms"):
        number = _number(text[:-2].encode())
        return None if number is None else number / 1000
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True) if part)


def _moment(text: str, now: float) -> float | None:
    """Read a date of HTTP or RFC 3339."""
    try:
        moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_S)

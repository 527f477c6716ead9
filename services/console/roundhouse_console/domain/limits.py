"""Limits in words, and forms of limits as the catalog takes them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from roundhouse_console.domain.errors import Unfit

__all__ = ["BOUNDS", "COMMON", "PARTS", "bound_texts", "limit_changes", "number_of", "only_of"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "requests_per_minute": ("Requests per minute", "{n|request|requests} per minute"),
    "tokens_per_minute": ("Tokens per minute", "{n|token|tokens} per minute"),
    "concurrent_requests": ("Requests at once", "{n|request|requests} at once"),
    "requests_per_second": ("Requests per second", "{n|request|requests} per second"),
    "requests_per_day": ("Requests per day", "{n|request|requests} per day"),
    "tokens_per_day": ("Tokens per day", "{n|token|tokens} per day"),
    "input_tokens_per_minute": ("Input tokens per minute", "{n|input token|input tokens} per minute"),
    "input_tokens_per_day": ("Input tokens per day", "{n|input token|input tokens} per day"),
    "output_tokens_per_minute": ("Output tokens per minute", "{n|output token|output tokens} per minute"),
    "output_tokens_per_day": ("Output tokens per day", "{n|output token|output tokens} per day"),
}
"""Every bound: how its field is called, and what it says."""
COMMON: Final = 3
"""So many of them are at hand; the others are folded away."""
PARTS: Final = ("tenant", "user", "key", "route")
"""What a limit may be for, and counted apart for."""
_FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def bound_texts(found: Found) -> list[tuple[str, int]]:
    """Return the texts and numbers of the bounds that hold."""
    return [(words, int(found[name])) for name, (_, words) in BOUNDS.items() if found.get(name) is not None]


def only_of(limit: Found, names: Mapping[str, Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """Return for what a limit is only: a part, and the names of what is meant."""
    chosen = ((part, limit[f"{part}_ids"]) for part in PARTS)
    return [(part, [names.get(part, {}).get(one, one) for one in ids]) for part, ids in chosen if ids]


def number_of(text: str) -> int | None:
    """Return a bound as it was typed: `100`, `10k`, `2M`; None: no such bound. Raises ValueError with a sentence."""
    found = re.fullmatch(r"(\d{1,15})([kKmM]?)", text.strip().replace(" ", ""))
    if found is None:
        if text.strip():
            raise Unfit("“{text}” is no number; write e.g. 100, 10k or 2M.", text=text)
        return None
    return int(found[1]) * _FACTORS[found[2].lower()]


def limit_changes(before: Found, after: Found) -> dict[str, Any]:
    """Return what of a limit is another value now."""
    return {name: value for name, value in after.items() if name != "is_platform" and before[name] != value}

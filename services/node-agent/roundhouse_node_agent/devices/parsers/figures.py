"""Numbers as vendors' tools write them. What is not a number, or cannot be one, is None: unknown, never 0."""

import re

__all__ = ["address_of", "bytes_of", "number_of", "share_of", "whole_of"]

_NUMBER = re.compile(r"\s*(-?\d{1,18}(?!\d)(?:\.\d{1,9})?)\s*([A-Za-z%/°]*)")
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST_BYTES = 1 << 50
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)


def number_of(text: object) -> float | None:
    """Return the number a text begins with, whatever its unit; None for "N/A", "-", masks, and what is below 0."""
    found = _NUMBER.match(str(text))
    value = float(found[1]) if found else -1.0
    return value if value >= 0 else None


def whole_of(text: object) -> int | None:
    """Return the whole number that a text is."""
    stripped = str(text).strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) <= 18 else None


def share_of(text: object) -> float | None:
    """Return a percentage as 0 to 1."""
    percent = number_of(text)
    return percent / 100 if percent is not None and percent <= 100 else None


def bytes_of(text: object, unit: str = "MiB") -> int | None:
    """Return a size; `unit` where the text has none. Vendors write MB and mean MiB."""
    found = _NUMBER.match(str(text))
    factor = _UNITS.get((found[2] or unit)[:1].lower()) if found else None
    if found is None or factor is None:
        return None
    size = int(float(found[1]) * factor)
    return size if 0 <= size < _MOST_BYTES else None


def address_of(text: str) -> str:
    """Return a PCI address as sysfs writes it, or an empty text."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        return ""
    domain = f"{int(found[1] or '0', 16):04x}"
    return f"{domain}:{found[2]}:{found[3]}.{found[4]}".lower()

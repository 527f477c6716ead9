"""Numbers as people read them, with their units."""

import math
from typing import Final

__all__ = ["amount", "bytes_text", "count", "money", "money_roughly", "percent", "rate"]

_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_NANO: Final = 1_000_000_000


def bytes_text(size: float) -> str:
    """Return a size in binary units with up to three digits: `0 B`, `938 MiB`, `1.5 GiB`."""
    value, unit = float(size), 0
    while abs(value) >= 1024 and unit < len(_BINARY) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if unit == 0 or abs(value) >= 100 else 1
    return f"{value:.{digits}f}".removesuffix(".0") + f" {_BINARY[unit]}"


def count(number: float) -> str:
    """Return a count that fits a tile: `0`, `950`, `12.3 k`, `4.1 M`, `7 G`."""
    value = float(number)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else amount(value)


def amount(value: float) -> str:
    """Return a number with three significant digits at the most, without an exponent."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    shown = f"{value:.{digits}f}"
    return (shown.rstrip("0").rstrip(".") or "0") if digits else shown


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 as `12.5 %`."""
    return f"{share * 100:.{digits}f}".removesuffix("." + "0" * digits) + " %"


def rate(per_s: float, what: str) -> str:
    """Return something per second: `12.3 requests/s`."""
    return f"{amount(per_s)} {what}/s"


def money_roughly(nano: int, currency: str) -> str:
    """Return nano-units of a currency for a tile: two digits of what is below one."""
    whole = nano / _NANO
    if nano == 0 or abs(whole) >= 1:
        return money(nano, currency)
    digits = 1 - math.floor(math.log10(abs(whole)))
    return f"{whole:.{digits}f}".rstrip("0").rstrip(".") + f" {currency}"


def money(nano: int, currency: str) -> str:
    """Return nano-units of a currency as `1 234.56 USD`; small sums keep the digits that matter."""
    whole = nano / _NANO
    if nano == 0 or abs(whole) >= 1:
        return f"{whole:,.2f}".replace(",", " ") + f" {currency}"
    return f"{whole:.9f}".rstrip("0").rstrip(".") + f" {currency}"

"""Amounts as people type them, budgets and prices as they read them."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from roundhouse_console.domain.errors import Unfit
from roundhouse_console.domain.units import count, money

__all__ = ["RATES", "amount_of", "budget_figures", "rates_of", "rates_text"]

Tone = Literal["good", "warn", "bad"]
Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
_NANO: Final = 1_000_000_000
_MOST: Final = 2**63
_TIGHT: Final = 0.8

RATES: Final[Mapping[str, str]] = {
    "input_per_million": "Input, per million tokens",
    "cached_input_per_million": "Cached input, per million tokens",
    "output_per_million": "Output, per million tokens",
    "reasoning_per_million": "Reasoning, per million tokens",
    "cache_write_per_million": "Cache write, per million tokens",
    "input_audio_per_million": "Audio input, per million tokens",
    "output_audio_per_million": "Audio output, per million tokens",
    "input_image_per_million": "Image input, per million tokens",
    "output_image_per_million": "Image output, per million tokens",
    "characters_per_million": "Characters, per million",
    "per_request": "Per request",
    "per_image": "Per image",
    "per_audio_second": "Per second of audio",
    "per_replica_second": "Per second of a replica",
    "per_device_second": "Per second of a device",
    "per_gib_hour": "Per GiB and hour",
}
"""What can have a rate, and how that is called."""


def amount_of(text: str, *, is_tokens: bool = False) -> int:
    """Return nano-units of money, or tokens, that somebody typed. Raises ValueError with a sentence for the person."""
    try:
        value = Decimal(text.replace(" ", "").replace(",", "."))
    except InvalidOperation:
        raise Unfit("“{text}” is no number; write e.g. 250 or 12.50.", text=text) from None
    scaled = value if is_tokens else value * _NANO
    if not scaled.is_finite() or not 0 <= scaled < _MOST or scaled != scaled.to_integral_value():
        raise Unfit(
            "“{text}” is no such sum: from 0 to 9 000 000 000, with nine digits after the point at most.", text=text
        )
    return int(scaled)


def budget_figures(budget: Found, currency: str) -> dict[str, Any]:
    """Return a budget's texts: `spent`, `amount`, `left`, and `share` of 1 with its `tone`."""
    is_tokens = budget["unit"] == "tokens"

    def text(value: int) -> str:
        return count(value) if is_tokens else money(value, currency).strip()

    share = budget["spent"] / budget["amount"] if budget["amount"] else 1.0
    tone: Tone = "bad" if share >= 1 else "warn" if share >= _TIGHT else "good"
    return {
        "spent": text(budget["spent"]),
        "amount": text(budget["amount"]),
        "left": text(budget["left"]),
        "forecast": "" if budget["forecast"] is None else text(budget["forecast"]),
        "share": share,
        "tone": tone,
    }


def rates_of(typed: Mapping[str, str]) -> dict[str, int]:
    """Return the rates that somebody typed, in nano-units; empty fields have none. Raises ValueError."""
    return {name: amount_of(text) for name, text in typed.items() if text.strip()}


def rates_text(rates: Mapping[str, int | None], currency: str) -> list[tuple[str, str]]:
    """Return the names of rates in English and what they are."""
    return [(RATES.get(name, name), money(value, currency)) for name, value in rates.items() if value is not None]

"""Lines of price books whose irrelevant fields have defaults."""

from typing import Any

from roundhouse_common.contracts.money import NANO, PriceRecord, Rates

__all__ = ["price", "token_rates"]


def token_rates(input_units: float = 1, output_units: float = 2, **others: int | None) -> Rates:
    """Return rates in units of the currency per million tokens; others in nano-units."""
    return Rates(input_per_million=int(input_units * NANO), output_per_million=int(output_units * NANO), **others)


def price(price_id: str = "pri_a", **fields: Any) -> PriceRecord:
    """Return a line that fits everything, for ever. Any: the fields' own types."""
    defaults: dict[str, Any] = {"book": "standard", "version": 1, "currency": "USD", "valid_from": 0.0}
    return PriceRecord(price_id=price_id, **{**defaults, "rates": token_rates(), **fields})

"""What a line of the ledger costs."""

from typing import Final

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.pricing import NOTHING, PriceTable, cost, facts_of, missing_rate, percent_of, quantities_of

__all__ = ["FREE", "MOST_NANO", "Cost", "priced"]


class Cost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The cost of one record, as the ledger keeps it."""

    cost_nano: int | None
    """None: unpriced."""
    price_id: str = ""
    """The line that it was priced by; also the one that lacks a rate. Empty: no line is for it."""
    currency: str = ""
    missing: str = ""
    """Why it is unpriced: `price`, the rate that the line lacks, or `amount`: it would be beyond all reason."""


MOST_NANO: Final = 10**16
"""Ten million units: whoever priced one request higher meant other units, and sums have no room for many of them."""
FREE: Final = Cost(cost_nano=0)
"""Of a request that used nothing: it needs no price."""


def priced(record: UsageRecord, prices: PriceTable) -> Cost:
    """Return what the record costs by the prices that were valid at its admission. Pure."""
    quantities = quantities_of(record)
    if quantities == NOTHING:
        return FREE
    price = prices.choose(facts_of(record))
    if price is None:
        return Cost(cost_nano=None, missing="price")
    found = cost(price.rates, quantities, percent=percent_of(price, record.reuse))
    missing = "" if found is not None else missing_rate(price.rates, quantities) or ""
    if found is not None and found > MOST_NANO:
        found, missing = None, "amount"
    return Cost(cost_nano=found, price_id=price.price_id, currency=price.currency, missing=missing)

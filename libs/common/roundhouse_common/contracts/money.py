"""What metering tells the routers about money: prices, and what is left of budgets. All amounts are integers.

Money is counted in nano-units of a currency, 10^-9 of it: 1 USD is 1,000,000,000.
"""

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "NANO",
    "BudgetPeriod",
    "BudgetRecord",
    "BudgetScope",
    "BudgetUnit",
    "PriceRecord",
    "Rates",
]

NANO = 1_000_000_000
"""Nano-units in one unit of a currency."""


class Rates(Message, frozen=True, kw_only=True):
    """What things cost, each in nano-units. None: this price says nothing about it: unpriced, not free."""

    input_per_million: int | None = None
    """Tokens, a million of them. The token classes are disjoint, as in UsageRecord."""
    cached_input_per_million: int | None = None
    """None: as `input_per_million`. The same for all of input; those of output follow `output_per_million`."""
    cache_write_per_million: int | None = None
    output_per_million: int | None = None
    reasoning_per_million: int | None = None
    per_request: int | None = None
    per_image: int | None = None
    per_audio_second: int | None = None
    characters_per_million: int | None = None
    per_replica_second: int | None = None
    per_device_second: int | None = None
    per_gib_hour: int | None = None
    """Of storage."""
    input_audio_per_million: int | None = None
    """Tokens of sound. None: as `input_per_million`."""
    output_audio_per_million: int | None = None
    input_image_per_million: int | None = None
    """Tokens of images."""
    output_image_per_million: int | None = None


class PriceRecord(Message, frozen=True, kw_only=True):
    """One line of a price book. Bucket `prices`, key: price id. An empty selector means any.

    Of the lines that fit and are valid at the time of admission, the one with the most specific selectors is taken:
    tenant, then deployment, provider, model (an exact name, then the longest pattern), device class, operation; then
    the highest tier, then the one that became valid last, then the higher id.
    """

    price_id: str
    book: str
    """The price book's name."""
    version: int
    """Of the book; a line is never changed, a new version of the book ends it."""
    currency: str
    """ISO 4217. All prices of a platform share one."""
    valid_from: float
    """Unix seconds."""
    valid_until: float = 0.0
    """0: until further notice."""
    tenant_id: str = ""
    deployment_id: str = ""
    provider_id: str = ""
    model: str = ""
    """The name that was served, or a pattern with `*`."""
    device_class: str = ""
    """A device model or a pattern with `*`, e.g. `*H100*`."""
    operation: str = ""
    """A value of Operation."""
    tier_from_tokens: int = 0
    """Requests with at least so many input tokens of all classes; of several tiers the highest that fits is taken."""
    rates: Rates
    reuse_percent: int = 0
    """What an answer from the cache, shared or replayed costs, in percent of what the engine's own work would."""
    is_deleted: bool = False


class BudgetScope(OpenEnum):
    """Whose spending a budget is about."""

    UNKNOWN = "unknown"
    TENANT = "tenant"
    PROJECT = "project"
    USER = "user"
    KEY = "key"


class BudgetUnit(OpenEnum):
    UNKNOWN = "unknown"
    MONEY = "money"
    """Nano-units."""
    TOKENS = "tokens"
    """Of all classes together: a token quota."""


class BudgetPeriod(OpenEnum):
    """Periods begin at midnight UTC; a week on Monday."""

    UNKNOWN = "unknown"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"
    """Never begins anew."""


class BudgetRecord(Message, frozen=True, kw_only=True):
    """One budget and what was spent of it. Bucket `budgets`, key: budget id."""

    budget_id: str
    name: str
    tenant_id: str
    scope: BudgetScope
    scope_id: str
    """The id of the tenant, project, user or key."""
    unit: BudgetUnit = BudgetUnit.MONEY
    period: BudgetPeriod
    amount: int
    """0: nothing may be spent."""
    is_hard: bool
    """Requests beyond it are refused with `insufficient_quota`; otherwise somebody is only told."""
    period_start: float
    """Unix seconds, of the period that `spent` is about."""
    spent: int = 0
    """By the records that are in the ledger."""
    epoch: int = 0
    """Grows when `spent` may have become less without a new period: corrections, a changed budget. Within one epoch and
    period `spent` only grows."""
    generation: int
    """Grows with every change, of `spent` too; a reader ignores a lower one than it has seen."""
    is_deleted: bool = False

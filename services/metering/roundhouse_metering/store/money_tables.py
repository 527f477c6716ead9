"""The tables of prices, corrections and budgets. Amounts are integers: nano-units, or tokens."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, UniqueConstraint

from roundhouse_common.contracts.money import Rates
from roundhouse_common.database import BigId, Json, UnixSeconds
from roundhouse_metering.domain.feed import BudgetReached
from roundhouse_metering.store.schema import metadata

__all__ = [
    "budget_notices",
    "budget_spend",
    "budget_thresholds",
    "budgets",
    "corrections",
    "generations",
    "price_versions",
    "prices",
]

generations = Table(
    "generations",
    metadata,
    # Grow by one with every change of what they are named after: `prices`, `budgets`.
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

price_versions = Table(
    "price_versions",
    metadata,
    # A price book is what its versions say; a version is never changed, the next one ends it.
    Column("book", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("currency", Text, nullable=False),
    Column("valid_from", UnixSeconds, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", Text, nullable=False),
)

prices = Table(
    "prices",
    metadata,
    # The fields of PriceRecord. Only `valid_until` is ever written again: by the version that ends it.
    Column("price_id", Text, primary_key=True),
    Column("book", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("valid_from", UnixSeconds, nullable=False),
    Column("valid_until", UnixSeconds, nullable=False),  # 0: until further notice
    Column("tenant_id", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("device_class", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("tier_from_tokens", BigInteger, nullable=False),
    Column("rates", Json(Rates), nullable=False),
    Column("reuse_percent", Integer, nullable=False),
    Index("ix_prices_book", "book", "version"),
)

corrections = Table(
    "corrections",
    metadata,
    # What a record costs is what the ledger says plus its corrections. Never changed and never deleted.
    Column("correction_id", BigId, primary_key=True, autoincrement=True),
    Column("request_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("delta_nano", BigInteger, nullable=False),
    Column("was_unpriced", Boolean, nullable=False),  # the record had no cost before; its cost is `delta_nano`
    Column("price_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", UnixSeconds, nullable=False),
    Column("made_by", Text, nullable=False),
    # Of the record, so that sums need not look for it.
    Column("tenant_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("admitted_at", UnixSeconds, nullable=False),
    Index("ix_corrections_record", "request_id"),
    Index("ix_corrections_time", "tenant_id", "admitted_at"),
    sqlite_autoincrement=True,
)

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("is_hard", Boolean, nullable=False),
    Column("is_platform", Boolean, nullable=False),  # only who has a role on the platform may change it
    Column("thresholds", Json(tuple[int, ...]), nullable=False),
    Column("webhook_url", Text, nullable=False),
    Column("emails", Json(tuple[str, ...]), nullable=False),
    Column("starts_at", UnixSeconds, nullable=False),  # what was admitted before does not count
    Column("revision", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("is_deleted", Boolean, nullable=False),
    Index("ix_budgets_scope", "tenant_id", "scope", "scope_id"),
)

budget_spend = Table(
    "budget_spend",
    metadata,
    # Counted in the transaction that enters the records.
    Column("budget_id", Text, primary_key=True),
    Column("period_start", BigInteger, primary_key=True, autoincrement=False),
    Column("spent", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),  # records of which nobody knows what they cost
)

budget_notices = Table(
    "budget_notices",
    metadata,
    # One per budget, period, threshold and recipient: the key is what makes it one.
    Column("budget_id", Text, primary_key=True),
    Column("period_start", BigInteger, primary_key=True, autoincrement=False),
    Column("threshold", Integer, primary_key=True, autoincrement=False),
    Column("recipient", Text, primary_key=True),  # an address of mail, or of a webhook
    Column("notice_id", Text, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("noticed_at", UnixSeconds, nullable=False),
    Column("due_at", UnixSeconds, nullable=True),  # NULL: it is sent, or given up
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UnixSeconds, nullable=True),
    Column("last_error", Text, nullable=False),
    Index("ix_budget_notices_due", "due_at"),
)

budget_thresholds = Table(
    "budget_thresholds",
    metadata,
    # What budgets have reached, in the order of commits: for readers of the feed. Never changed.
    Column("number", BigId, primary_key=True, autoincrement=True),
    Column("budget_id", Text, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("reached_at", UnixSeconds, nullable=False),
    Column("reached", Json(BudgetReached), nullable=False),  # as it was then: budgets are renamed and raised
    UniqueConstraint("budget_id", "period_start", "threshold", name="uq_budget_thresholds"),
    sqlite_autoincrement=True,
)

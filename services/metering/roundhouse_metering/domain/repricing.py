"""Pricing again what is in the ledger: the difference becomes a correction, the record stays as it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roundhouse_common.budgets import period_start, scope_ids
from roundhouse_common.contracts.money import BudgetUnit
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.domain.budgets import Budget, Charge
from roundhouse_metering.domain.pricing import priced

__all__ = ["Correction", "Difference", "PricedRecord", "Repriced", "corrected_charges", "reprice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRecord:
    """A record, and what it costs with its corrections so far."""

    record: UsageRecord
    entry: int
    cost_nano: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is added to the cost of a record."""

    record: UsageRecord
    delta_nano: int
    was_unpriced: bool
    price_id: str
    currency: str
    reason: str


@dataclass(slots=True)
class Difference:
    """What became of the records of one model that change."""

    changed: int = 0
    became_priced: int = 0
    delta_nano: int = 0


@dataclass(slots=True)
class Repriced:
    """What became of records that were looked at."""

    examined: int = 0
    changed: int = 0
    became_priced: int = 0
    still_unpriced: int = 0
    delta_nano: int = 0
    by_model: dict[str, Difference] = field(default_factory=dict)
    """Of what changes, by the model that served."""


def reprice(records: Iterable[PricedRecord], prices: PriceTable, reason: str, total: Repriced) -> list[Correction]:
    """Return the corrections that make these records cost what the prices say, and add to the total.

    Done again it returns none. A record that had a cost keeps it where there is no price any more.
    """
    made = []
    for one in records:
        total.examined += 1
        cost = priced(one.record, prices)
        if cost.cost_nano is None:
            total.still_unpriced += one.cost_nano is None
            continue
        delta = cost.cost_nano - (one.cost_nano or 0)
        was_unpriced = one.cost_nano is None
        if not delta and not was_unpriced:
            continue
        total.changed += 1
        total.became_priced += was_unpriced
        total.delta_nano += delta
        difference = total.by_model.setdefault(one.record.model_served, Difference())
        difference.changed += 1
        difference.became_priced += was_unpriced
        difference.delta_nano += delta
        made.append(
            Correction(
                record=one.record,
                delta_nano=delta,
                was_unpriced=was_unpriced,
                price_id=cost.price_id,
                currency=cost.currency,
                reason=reason,
            )
        )
    return made


def corrected_charges(made: Iterable[Correction], budgets: Sequence[Budget]) -> Mapping[tuple[str, int], Charge]:
    """Return what corrections add to budgets of money, by budget and period; it may be less than nothing."""
    found: dict[tuple[str, int], Charge] = {}
    money = [budget for budget in budgets if budget.unit is BudgetUnit.MONEY]
    for one in made:
        record = one.record
        ids = scope_ids(
            tenant_id=record.tenant_id, project_id=record.project_id, user_id=record.user_id, key_id=record.key_id
        )
        for budget in money:
            if ids.get(budget.scope) == budget.scope_id and record.admitted_at >= budget.starts_at:
                place = budget.budget_id, period_start(budget.period, record.admitted_at)
                charge = found.setdefault(place, Charge())
                charge.spent += one.delta_nano
                charge.unpriced -= one.was_unpriced
    return found

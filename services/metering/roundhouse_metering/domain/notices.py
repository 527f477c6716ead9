"""What people and programs are told when a budget reaches a threshold."""

from roundhouse_common.contracts.money import NANO, BudgetUnit
from roundhouse_metering.domain.budgets import Budget
from roundhouse_metering.domain.feed import BudgetReached

__all__ = ["budget_reached", "retry_after_s", "words"]

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 3_600.0
_ATTEMPTS_MOST = 80
"""About three days."""


def budget_reached(
    budget: Budget, *, event_id: str, threshold: int, spent: int, amount: int, at: float, start: int
) -> BudgetReached:
    """Return that a budget has reached a threshold, as the feed tells it."""
    return BudgetReached(
        event_id=event_id,
        tenant_id=budget.tenant_id,
        budget_id=budget.budget_id,
        name=budget.name,
        scope=budget.scope.value,
        scope_id=budget.scope_id,
        unit=budget.unit.value,
        period=budget.period.value,
        period_start=start,
        threshold=threshold,
        spent=spent,
        amount=amount,
        is_hard=budget.is_hard,
        reached_at=at,
    )


def words(budget: Budget, *, threshold: int, spent: int, amount: int) -> tuple[str, str]:
    """Return the subject and the text of a mail."""
    subject = f"Budget {budget.name}: {threshold} % is spent"
    what = "Further requests are refused" if budget.is_hard and spent >= amount else "Requests go on being answered"
    text = (
        f"The budget {budget.name} ({budget.budget_id}) of the {budget.scope.value} {budget.scope_id} has reached "
        f"{threshold} % of its amount.\n\n"
        f"Spent:  {_shown(spent, budget.unit)}\nAmount: {_shown(amount, budget.unit)} ({budget.period.value})\n\n"
        f"{what}.\n"
    )
    return " ".join(subject.split()), text


def retry_after_s(attempts: int) -> float | None:
    """Return how long to wait after so many failed attempts; None: give up."""
    return None if attempts >= _ATTEMPTS_MOST else min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(attempts - 1, 20))


def _shown(amount: int, unit: BudgetUnit) -> str:
    if unit is BudgetUnit.TOKENS:
        return f"{amount} tokens"
    return f"{amount // NANO}.{amount % NANO // 10_000_000:02}"

"""Budgets of tests, and what holds requests to them, with everything that does not matter left to defaults."""

from collections.abc import Iterable
from typing import Any

from roundhouse_common.contracts.money import BudgetPeriod, BudgetRecord, BudgetScope, BudgetUnit, PriceRecord
from roundhouse_common.pricing import PriceTable
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.limits import BudgetTable, Spending, UnpricedMode
from roundhouse_router.limits import Reserver

__all__ = ["budget", "reserver"]


def budget(budget_id: str = "bud_1", **changes: Any) -> BudgetRecord:
    """Return a hard budget of money of the tenant `ten_1`, without an end. Any: fields of the record."""
    defaults: dict[str, Any] = {
        "name": budget_id,
        "tenant_id": "ten_1",
        "scope": BudgetScope.TENANT,
        "scope_id": "ten_1",
        "unit": BudgetUnit.MONEY,
        "period": BudgetPeriod.TOTAL,
        "amount": 100,
        "is_hard": True,
        "period_start": 0.0,
        "epoch": 1,
        "generation": 1,
    }
    return BudgetRecord(budget_id=budget_id, **{**defaults, **changes})


def reserver(
    budgets: list[BudgetRecord],
    clock: Clock,
    prices: Iterable[PriceRecord] = (),
    unpriced: UnpricedMode = UnpricedMode.REFUSE,
) -> Reserver:
    """Return what reads the list anew at each look, so that a test may change it."""
    table = PriceTable(prices)
    return Reserver(lambda: BudgetTable(budgets), Spending(lambda: table, dict), clock=clock, unpriced=unpriced)

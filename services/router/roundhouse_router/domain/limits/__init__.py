"""Limits on what requests may use: which apply to a request, how they count, and what a refusal says. Pure."""

from roundhouse_router.domain.limits.budgets import (
    NO_BUDGETS,
    UNHEARD,
    BudgetCounter,
    BudgetTable,
    Reservation,
    SavedCounter,
)
from roundhouse_router.domain.limits.demand import Demand
from roundhouse_router.domain.limits.headers import GrantHeaders
from roundhouse_router.domain.limits.lost import RedisLostMode, UnheardMode, UnpricedMode
from roundhouse_router.domain.limits.refusal import (
    BudgetExhausted,
    BudgetsUnheard,
    LimiterUnavailable,
    LimitExceeded,
    ModelUnpriced,
    exceeded,
    exhausted,
)
from roundhouse_router.domain.limits.rules import DAY, MINUTE, NO_LIMITS, SECOND, Measure, Plan, Rule, Window
from roundhouse_router.domain.limits.spending import Spending
from roundhouse_router.domain.limits.table import NO_TABLE, LimitsTable, limits_table
from roundhouse_router.domain.limits.windows import WindowCounter

__all__ = [
    "DAY",
    "MINUTE",
    "NO_BUDGETS",
    "NO_LIMITS",
    "NO_TABLE",
    "SECOND",
    "UNHEARD",
    "BudgetCounter",
    "BudgetExhausted",
    "BudgetTable",
    "BudgetsUnheard",
    "Demand",
    "GrantHeaders",
    "LimitExceeded",
    "LimiterUnavailable",
    "LimitsTable",
    "Measure",
    "ModelUnpriced",
    "Plan",
    "RedisLostMode",
    "Reservation",
    "Rule",
    "SavedCounter",
    "Spending",
    "UnheardMode",
    "UnpricedMode",
    "Window",
    "WindowCounter",
    "exceeded",
    "exhausted",
    "limits_table",
]

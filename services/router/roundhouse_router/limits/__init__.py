"""Admission by limits: in this process, or exact over several routers with Redis."""

from roundhouse_router.limits.api import CounterUse, Grant, Limiter
from roundhouse_router.limits.budgets import Reserver
from roundhouse_router.limits.figures import BudgetFigures, Decider, LimiterFigures
from roundhouse_router.limits.process import ProcessLimiter
from roundhouse_router.limits.shared import RedisLimiter

__all__ = [
    "BudgetFigures",
    "CounterUse",
    "Decider",
    "Grant",
    "Limiter",
    "LimiterFigures",
    "ProcessLimiter",
    "RedisLimiter",
    "Reserver",
]

"""Limits on what requests may use: which apply to a request, how they count, and what a refusal says. Pure."""

from roundhouse_router.domain.limits.demand import Demand
from roundhouse_router.domain.limits.headers import GrantHeaders
from roundhouse_router.domain.limits.lost import RedisLostMode
from roundhouse_router.domain.limits.refusal import LimiterUnavailable, LimitExceeded, exceeded
from roundhouse_router.domain.limits.rules import DAY, MINUTE, NO_LIMITS, SECOND, Measure, Plan, Rule, Window
from roundhouse_router.domain.limits.table import NO_TABLE, LimitsTable, limits_table
from roundhouse_router.domain.limits.windows import WindowCounter

__all__ = [
    "DAY",
    "MINUTE",
    "NO_LIMITS",
    "NO_TABLE",
    "SECOND",
    "Demand",
    "GrantHeaders",
    "LimitExceeded",
    "LimiterUnavailable",
    "LimitsTable",
    "Measure",
    "Plan",
    "RedisLostMode",
    "Rule",
    "Window",
    "WindowCounter",
    "exceeded",
    "limits_table",
]

"""Periods of budgets, and what a request counts for. Pure: metering counts by it, and routers hold requests to it."""

from datetime import UTC, datetime
from typing import Final

from roundhouse_common.contracts.money import BudgetPeriod, BudgetScope
from roundhouse_common.contracts.usage import Reuse, UsageRecord

__all__ = ["budget_tokens", "period_end", "period_start", "scope_ids"]

_DAY_S: Final = 86_400
_MONDAY: Final = 4
"""Days from 1970-01-01, a Thursday, to the first Monday."""


def period_start(period: BudgetPeriod, at: float) -> int:
    """Return when the period began that the moment is in, in Unix seconds; 0 for a period without an end."""
    day = int(at // _DAY_S)
    match period:
        case BudgetPeriod.DAY:
            return day * _DAY_S
        case BudgetPeriod.WEEK:
            return ((day - _MONDAY) // 7 * 7 + _MONDAY) * _DAY_S
        case BudgetPeriod.MONTH:
            moment = datetime.fromtimestamp(at, UTC)
            return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())
        case _:
            return 0


def period_end(period: BudgetPeriod, at: float) -> int | None:
    """Return when the next period begins; None: never."""
    start = period_start(period, at)
    match period:
        case BudgetPeriod.DAY:
            return start + _DAY_S
        case BudgetPeriod.WEEK:
            return start + 7 * _DAY_S
        case BudgetPeriod.MONTH:
            return period_start(BudgetPeriod.MONTH, start + 32 * _DAY_S)
        case _:
            return None


def scope_ids(*, tenant_id: str, project_id: str, user_id: str, key_id: str) -> dict[BudgetScope, str]:
    """Return whose spending a request is, without those that it has none of."""
    named = {
        BudgetScope.TENANT: tenant_id,
        BudgetScope.PROJECT: project_id,
        BudgetScope.USER: user_id,
        BudgetScope.KEY: key_id,
    }
    return {scope: scope_id for scope, scope_id in named.items() if scope_id}


def budget_tokens(record: UsageRecord) -> int:
    """Return what a request counts against a budget of tokens: those of all classes that an engine worked on for it."""
    if record.reuse not in (Reuse.NONE, Reuse.UNKNOWN):
        return 0
    return record.all_input_tokens + record.all_output_tokens

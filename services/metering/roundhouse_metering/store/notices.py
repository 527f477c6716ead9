"""Notices that a budget's threshold is reached: one for each period, threshold and recipient, for ever."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, select, update

from roundhouse_common.budgets import period_start
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.runtime import Ids
from roundhouse_metering.domain.budgets import Budget, crossed
from roundhouse_metering.domain.feed import BudgetReached
from roundhouse_metering.domain.notices import budget_reached
from roundhouse_metering.store.budgets import all_budgets, spent_of
from roundhouse_metering.store.money_tables import budget_notices, budget_thresholds

__all__ = [
    "Notice",
    "due_notices",
    "has_due",
    "note_thresholds",
    "notices_of",
    "postpone",
    "settle_notice",
    "withdraw_notices",
]

_KEY = ("budget_id", "period_start", "threshold", "recipient")
_DAY_S = 86_400
"""No period begins within a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody is to be told."""

    notice_id: str
    budget_id: str
    period_start: int
    threshold: int
    recipient: str
    spent: int
    """When the threshold was seen to be reached."""
    amount: int
    noticed_at: float
    attempts: int


async def note_thresholds(
    session: WriteSession, budgets: Collection[Budget], *, now: float, ids: Ids, admitted: Iterable[float] = ()
) -> bool:
    """Note what these budgets have reached in the period that is now, and in those that requests of these times fell
    into: the last ones of a month come to the ledger when it is over. Say whether anything may be new. Safe to repeat:
    the key decides."""
    watched = [budget for budget in budgets if budget.thresholds]
    reached = await _reached(session, watched, now, now=now, ids=ids)
    for day in {int(at // _DAY_S) for at in admitted} - {int(now // _DAY_S)}:
        at = float(day * _DAY_S)
        over = [one for one in watched if _is_another_of(one, at, now)]
        reached += await _reached(session, over, at, now=now, ids=ids)
    if reached:
        put = upsert(session.dialect, budget_thresholds, key=("budget_id", "period_start", "threshold"))
        await session.execute(put, [_threshold(one) for one in reached])
    recipients = {budget.budget_id: budget.recipients for budget in watched}
    rows = [_row(one, recipient, ids) for one in reached for recipient in recipients[one.budget_id]]
    if rows:
        await session.execute(upsert(session.dialect, budget_notices, key=_KEY), rows)
    return bool(rows)


def _is_another_of(budget: Budget, at: float, now: float) -> bool:
    """Say whether a time is in another period of the budget than now, and that in one that it was there in."""
    start = period_start(budget.period, at)
    return start != period_start(budget.period, now) and start >= period_start(budget.period, budget.created_at)


async def _reached(
    session: ReadSession, budgets: Collection[Budget], at: float, *, now: float, ids: Ids
) -> list[BudgetReached]:
    """Return what is reached in the period that a time is in."""
    if not budgets:
        return []
    spent = await spent_of(session, list(budgets), at)
    return [
        budget_reached(
            budget,
            event_id=ids.new("bth"),
            threshold=percent,
            spent=spent[budget.budget_id].spent,
            amount=budget.amount,
            at=now,
            start=period_start(budget.period, at),
        )
        for budget in budgets
        for percent in crossed(budget, spent[budget.budget_id].spent)
    ]


def _threshold(one: BudgetReached) -> dict[str, Any]:
    same = ("budget_id", "period_start", "threshold", "tenant_id", "reached_at")
    return {**{name: getattr(one, name) for name in same}, "reached": one}


def _row(one: BudgetReached, recipient: str, ids: Ids) -> dict[str, Any]:
    same = ("budget_id", "period_start", "threshold", "spent", "amount")
    return {
        **{name: getattr(one, name) for name in same},
        "recipient": recipient,
        "notice_id": ids.new("ntc"),
        "noticed_at": one.reached_at,
        "due_at": one.reached_at,
        "attempts": 0,
        "sent_at": None,
        "last_error": "",
    }


async def due_notices(session: WriteSession, *, now: float, lease_s: float, limit: int) -> list[tuple[Notice, Budget]]:
    """Take notices that are due, so that nobody else sends them for a while."""
    statement = select(budget_notices).where(budget_notices.c.due_at <= now).order_by(budget_notices.c.due_at)
    notices = [_notice(row) for row in await session.execute(statement.limit(limit))]
    for notice in notices:
        await session.execute(update(budget_notices).where(_is(notice)).values(due_at=now + lease_s))
    budgets = {budget.budget_id: budget for budget in await all_budgets(session)} if notices else {}
    return [(notice, budgets[notice.budget_id]) for notice in notices]


async def has_due(session: ReadSession, *, now: float) -> bool:
    """Say whether any notice is due."""
    due = select(budget_notices.c.notice_id).where(budget_notices.c.due_at <= now).limit(1)
    return await session.scalar(due) is not None


async def settle_notice(session: WriteSession, notice: Notice, *, now: float) -> None:
    """It is sent."""
    values = {"due_at": None, "sent_at": now, "attempts": notice.attempts + 1, "last_error": ""}
    await session.execute(update(budget_notices).where(_is(notice)).values(values))


async def postpone(session: WriteSession, notice: Notice, *, due_at: float | None, error: str) -> None:
    """It could not be sent: try again then, or never (None). One that was withdrawn meanwhile stays so."""
    values = {"due_at": due_at, "attempts": notice.attempts + 1, "last_error": error[:1000]}
    is_wanted = budget_notices.c.due_at.is_not(None)
    await session.execute(update(budget_notices).where(_is(notice), is_wanted).values(values))


async def withdraw_notices(session: WriteSession, budget: Budget) -> None:
    """Try no more to tell those whom the budget does not tell any more; of a deleted one that is everybody."""
    told = [] if budget.is_deleted else list(budget.recipients)
    waiting = update(budget_notices).where(
        budget_notices.c.budget_id == budget.budget_id,
        budget_notices.c.due_at.is_not(None),
        budget_notices.c.recipient.not_in(told),
    )
    await session.execute(waiting.values(due_at=None, last_error="withdrawn: the budget does not tell it any more"))


async def notices_of(session: ReadSession, budget_id: str) -> list[Row[Any]]:
    """Return everything noted of a budget, the oldest first."""
    statement = select(budget_notices).where(budget_notices.c.budget_id == budget_id)
    return list(await session.execute(statement.order_by(budget_notices.c.noticed_at, budget_notices.c.threshold)))


def _is(notice: Notice) -> Any:  # Any: a condition
    return and_(*(budget_notices.c[name] == getattr(notice, name) for name in _KEY))


def _notice(row: Row[Any]) -> Notice:
    return Notice(**{name: getattr(row, name) for name in Notice.__dataclass_fields__})

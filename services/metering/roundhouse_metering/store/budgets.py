"""Budgets, and what was spent of them: counted in the transaction that enters the records."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from roundhouse_common.auth import Reach
from roundhouse_common.budgets import period_start
from roundhouse_common.contracts.money import BudgetPeriod, BudgetScope, BudgetUnit
from roundhouse_common.contracts.usage import TOKEN_CLASSES, Reuse, UsageRecord
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.budgets import Budget, Charge, charges
from roundhouse_metering.domain.cells import View
from roundhouse_metering.domain.pricing import Cost
from roundhouse_metering.domain.usage import UsageFilter, UsageQuery
from roundhouse_metering.store.analytics import usage_figures
from roundhouse_metering.store.money_tables import budget_spend, budgets, corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import cursors, kept
from roundhouse_metering.store.usage_tables import usage_series

__all__ = [
    "Sight",
    "add_charges",
    "all_budgets",
    "budgets_of_tenants",
    "charge",
    "find_budget",
    "insert_budget",
    "list_budgets",
    "recount",
    "spent_of",
    "update_budget",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whose budgets somebody sees: those of what they may read budgets of, and their own."""

    reach: Reach
    user_id: str


_FIELDS = tuple(Budget.__dataclass_fields__)
_COLUMNS = {
    BudgetScope.TENANT: "tenant_id",
    BudgetScope.PROJECT: "project_id",
    BudgetScope.USER: "user_id",
    BudgetScope.KEY: "key_id",
}


async def insert_budget(session: WriteSession, budget: Budget) -> None:
    await session.execute(insert(budgets), _values(budget))


async def update_budget(session: WriteSession, budget: Budget) -> None:
    await session.execute(update(budgets).where(budgets.c.budget_id == budget.budget_id).values(_values(budget)))


async def find_budget(session: ReadSession, sight: Sight, budget_id: str) -> Budget | None:
    """Return a budget in sight that is not deleted."""
    found = await _budgets(session, budgets.c.budget_id == budget_id, _seen(sight), _living())
    return found[0] if found else None


async def list_budgets(
    session: ReadSession, sight: Sight, *, after: str, limit: int, scopes: Mapping[BudgetScope, str] | None = None
) -> list[Budget]:
    """Return a page of the budgets in sight in the order of their ids. `scopes`: only those of any of these things."""
    wanted = [_seen(sight), budgets.c.budget_id > after, _living()]
    if scopes:
        of = ((budgets.c.scope == scope.value) & (budgets.c.scope_id == one) for scope, one in scopes.items())
        wanted.append(or_(*of))
    return await _budgets(session, *wanted, limit=limit)


async def all_budgets(session: ReadSession) -> list[Budget]:
    """Return every budget, the deleted ones too."""
    return await _budgets(session)


async def budgets_of_tenants(session: ReadSession, tenant_ids: Collection[str]) -> list[Budget]:
    """Return the budgets of some tenants."""
    return await _budgets(session, budgets.c.tenant_id.in_(sorted(tenant_ids)), _living())


async def spent_of(session: ReadSession, found: Sequence[Budget], now: float) -> dict[str, Charge]:
    """Return what was spent of each in the period that is now."""
    statement = select(budget_spend).where(budget_spend.c.budget_id.in_([budget.budget_id for budget in found]))
    starts = sorted({period_start(budget.period, now) for budget in found})
    rows = await session.execute(statement.where(budget_spend.c.period_start.in_(starts)))
    by_place = {(row.budget_id, row.period_start): Charge(row.spent, row.unpriced) for row in rows}
    return {
        budget.budget_id: by_place.get((budget.budget_id, period_start(budget.period, now)), Charge())
        for budget in found
    }


async def charge(session: WriteSession, entered: Sequence[tuple[UsageRecord, Cost]]) -> list[Budget]:
    """Charge the budgets that records fall under, which were entered in this transaction, and return those budgets."""
    found = await budgets_of_tenants(session, {record.tenant_id for record, _ in entered})
    if not found:
        return []
    return await add_charges(session, found, charges(entered, found))


async def add_charges(
    session: WriteSession,
    found: Iterable[Budget],
    added: Mapping[tuple[str, int], Charge],
    *,
    is_new_epoch: bool = False,
) -> list[Budget]:
    """Add to what was spent, and return the budgets that it is about. A new epoch is for what may be less."""
    if not added:
        return []
    ids = {budget_id for budget_id, _ in added}
    known = {
        (row.budget_id, row.period_start): row
        for row in await session.execute(select(budget_spend).where(budget_spend.c.budget_id.in_(sorted(ids))))
    }
    rows = []
    for (budget_id, start), more in added.items():
        before = known.get((budget_id, start))
        spent, unpriced = (before.spent, before.unpriced) if before else (0, 0)
        rows.append(
            {
                "budget_id": budget_id,
                "period_start": start,
                "spent": spent + more.spent,
                "unpriced": unpriced + more.unpriced,
            }
        )
    put = upsert(session.dialect, budget_spend, key=["budget_id", "period_start"], update=["spent", "unpriced"])
    await session.execute(put, rows)
    changes: dict[str, Any] = {"generation": budgets.c.generation + 1}
    if is_new_epoch:
        changes["epoch"] = budgets.c.epoch + 1
    await session.execute(update(budgets).where(budgets.c.budget_id.in_(sorted(ids))).values(changes))
    return [budget for budget in found if budget.budget_id in ids]


async def recount(session: WriteSession, budget: Budget, now: float) -> None:
    """Count what the ledger and its corrections say of the period that is now: for a budget that is new.

    Of months whose records are not kept any more their sums count. Raises RecordsGone when it begins within an hour of
    them.
    """
    start = period_start(budget.period, now)
    begin = max(float(start), budget.starts_at)
    since = max(begin, float(kept(await cursors(session)).records))
    of = _COLUMNS[budget.scope]
    wanted = [
        ledger.c.tenant_id == budget.tenant_id,
        ledger.c.admitted_at >= since,
        ledger.c[of] == budget.scope_id,
    ]
    if budget.unit is BudgetUnit.TOKENS:
        total: ColumnElement[int] = sum(
            (ledger.c[name] for name in TOKEN_CLASSES[1:]), start=ledger.c[TOKEN_CLASSES[0]]
        )
        spent = await session.scalar(select(func.sum(total)).where(*wanted, ledger.c.reuse == Reuse.NONE.value))
        unpriced = 0
    else:
        statement = select(func.sum(ledger.c.cost_nano), func.count().filter(ledger.c.cost_nano.is_(None)))
        spent, unpriced = (await session.execute(statement.where(*wanted))).one()
        corrected = select(func.sum(corrections.c.delta_nano), func.count().filter(corrections.c.was_unpriced)).where(
            corrections.c.tenant_id == budget.tenant_id,
            corrections.c.admitted_at >= since,
            corrections.c[of] == budget.scope_id,
        )
        delta, priced_later = (await session.execute(corrected)).one()
        spent, unpriced = (spent or 0) + (delta or 0), unpriced - priced_later
    before = await _spent_before(session, budget, begin, since, now) if begin < since else Charge()
    row = {
        "budget_id": budget.budget_id,
        "period_start": start,
        "spent": int(spent or 0) + before.spent,
        "unpriced": unpriced + before.unpriced,
    }
    put = upsert(session.dialect, budget_spend, key=["budget_id", "period_start"], update=["spent", "unpriced"])
    await session.execute(put, row)


def _seen(sight: Sight) -> ColumnElement[bool]:
    """Which project and whose a key is, its usage says: one that was never used is in sight of the tenant only."""
    of_tenant = budgets.c.tenant_id == sight.reach.tenant_id
    if sight.reach.project_ids is None:
        return of_tenant
    projects, series = sorted(sight.reach.project_ids), usage_series.c
    is_near = or_(series.user_id == sight.user_id, series.project_id.in_(projects))
    used = (series.view == int(View.KEY)) & (series.tenant_id == sight.reach.tenant_id) & is_near
    near = {
        BudgetScope.PROJECT: budgets.c.scope_id.in_(projects),
        BudgetScope.USER: budgets.c.scope_id == sight.user_id,
        BudgetScope.KEY: budgets.c.scope_id.in_(select(series.key_id).where(used)),
    }
    return of_tenant & or_(*((budgets.c.scope == scope.value) & is_ours for scope, is_ours in near.items()))


async def _spent_before(session: ReadSession, budget: Budget, since: float, until: float, now: float) -> Charge:
    """Count by sums: those of before the first record that is kept lack nothing."""
    is_tokens = budget.unit is BudgetUnit.TOKENS
    equal = {_COLUMNS[budget.scope]: budget.scope_id, **({"reuse": Reuse.NONE.value} if is_tokens else {})}
    wanted = UsageFilter(tenant_id=budget.tenant_id, equal=equal, since=since, until=until)
    found = await usage_figures(session, UsageQuery(filter=wanted, has_latency=False), now=now)
    total = Charge()
    for amounts in found.rows.values():
        total.spent += sum(amounts[name] for name in TOKEN_CLASSES) if is_tokens else amounts["cost_nano"]
        total.unpriced += 0 if is_tokens else amounts["unpriced"]
    return total


def _living() -> ColumnElement[bool]:
    return budgets.c.is_deleted.is_(False)


async def _budgets(session: ReadSession, *conditions: ColumnElement[bool], limit: int | None = None) -> list[Budget]:
    statement = select(budgets).where(*conditions).order_by(budgets.c.budget_id).limit(limit)
    return [_budget(row) for row in await session.execute(statement)]


def _budget(row: Row[Any]) -> Budget:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Budget(
        **{
            **values,
            "scope": BudgetScope(row.scope),
            "unit": BudgetUnit(row.unit),
            "period": BudgetPeriod(row.period),
        }
    )


def _values(budget: Budget) -> dict[str, Any]:
    kinds = {"scope": budget.scope.value, "unit": budget.unit.value, "period": budget.period.value}
    return {**asdict(budget), **kinds}

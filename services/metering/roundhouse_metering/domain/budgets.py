"""Budgets: what may be spent, what was, and when somebody is told."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from roundhouse_common.budgets import budget_tokens, period_start, scope_ids
from roundhouse_common.contracts.money import BudgetPeriod, BudgetRecord, BudgetScope, BudgetUnit
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_metering.domain.pricing import Cost
from roundhouse_metering.domain.webhooks import is_address

__all__ = [
    "MOST_AMOUNT",
    "Budget",
    "BudgetDraft",
    "BudgetPatch",
    "Charge",
    "budget_record",
    "charges",
    "create_budget",
    "crossed",
    "forecast",
    "revise_budget",
]

MOST_AMOUNT = 9_000_000_000_000_000_000
_MOST_RECIPIENTS = 20
_DAY_S = 86_400
_EMAIL = re.compile(r"""[^\s\x00-\x1f\x7f@<>()\[\],:;"\\]{1,64}@[^\s\x00-\x1f\x7f@<>()\[\],:;"\\]{1,255}""")
"""One plain address: mail servers judge the rest. What begins a group, a comment or a second address is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDraft:
    """A budget as somebody wants it."""

    name: str
    scope: BudgetScope
    scope_id: str
    unit: BudgetUnit
    period: BudgetPeriod
    amount: int
    is_hard: bool
    is_platform: bool = False
    thresholds: tuple[int, ...] = ()
    """Percent of the amount; somebody is told when that much is spent."""
    webhook_url: str = ""
    emails: tuple[str, ...] = ()
    starts_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPatch:
    """What to change; None: it stays."""

    name: str | None = None
    amount: int | None = None
    is_hard: bool | None = None
    thresholds: tuple[int, ...] | None = None
    webhook_url: str | None = None
    emails: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget. What it is about never changes; how much, and who is told, may."""

    budget_id: str
    tenant_id: str
    name: str
    scope: BudgetScope
    scope_id: str
    unit: BudgetUnit
    period: BudgetPeriod
    amount: int
    is_hard: bool
    is_platform: bool
    thresholds: tuple[int, ...]
    webhook_url: str
    emails: tuple[str, ...]
    starts_at: float
    """What was admitted before does not count."""
    revision: int
    """Of what people change."""
    epoch: int
    generation: int
    """Of everything, what was spent included."""
    created_at: float
    created_by: str
    is_deleted: bool = False

    @property
    def recipients(self) -> tuple[str, ...]:
        return (*((self.webhook_url,) if self.webhook_url else ()), *self.emails)


@dataclass(slots=True)
class Charge:
    """What records add to one budget in one period."""

    spent: int = 0
    unpriced: int = 0


def create_budget(draft: BudgetDraft, *, budget_id: str, tenant_id: str, now: float, actor: str) -> Budget:
    """Return the new budget. Raises InvalidInput."""
    _check(draft.amount, draft.thresholds, draft.emails, draft.webhook_url, draft.name)
    if draft.scope is BudgetScope.TENANT and draft.scope_id != tenant_id:
        raise InvalidInput(
            f"scope_id is {draft.scope_id!r}; a tenant's budget is about the tenant that it is made in: {tenant_id!r}.",
            FieldError("scope_id", "give the tenant's own id"),
        )
    if draft.starts_at is not None and (draft.period is not BudgetPeriod.TOTAL or draft.starts_at > now):
        raise InvalidInput(
            "starts_at: only a budget without an end has one, and it must be over.",
            FieldError("starts_at", "leave it out, or give a time that is over with the period `total`"),
        )
    started = now if draft.period is BudgetPeriod.TOTAL else 0.0
    return Budget(
        budget_id=budget_id,
        tenant_id=tenant_id,
        name=draft.name,
        scope=draft.scope,
        scope_id=draft.scope_id,
        unit=draft.unit,
        period=draft.period,
        amount=draft.amount,
        is_hard=draft.is_hard,
        is_platform=draft.is_platform,
        thresholds=tuple(sorted(set(draft.thresholds))),
        webhook_url=draft.webhook_url,
        emails=draft.emails,
        starts_at=started if draft.starts_at is None else draft.starts_at,
        revision=1,
        epoch=1,
        generation=1,
        created_at=now,
        created_by=actor,
    )


def revise_budget(budget: Budget, patch: BudgetPatch) -> Budget:
    """Return the changed budget, the same one where nothing changes. Raises InvalidInput."""
    changes = {name: value for name in BudgetPatch.__slots__ if (value := getattr(patch, name)) is not None}
    if "thresholds" in changes:
        changes["thresholds"] = tuple(sorted(set(changes["thresholds"])))
    changed = replace(budget, **changes)
    if changed == budget:
        return budget
    _check(changed.amount, changed.thresholds, changed.emails, changed.webhook_url, changed.name)
    return replace(changed, revision=budget.revision + 1, generation=budget.generation + 1)


def budget_record(budget: Budget, spent: int, now: float) -> BudgetRecord:
    """Return what routers are told. The generation grows with every change, and with every period."""
    start = period_start(budget.period, now)
    return BudgetRecord(
        budget_id=budget.budget_id,
        name=budget.name,
        tenant_id=budget.tenant_id,
        scope=budget.scope,
        scope_id=budget.scope_id,
        unit=budget.unit,
        period=budget.period,
        amount=budget.amount,
        is_hard=budget.is_hard,
        period_start=float(start),
        spent=spent,
        epoch=budget.epoch,
        generation=budget.generation + start // _DAY_S,
        is_deleted=budget.is_deleted,
    )


def charges(entered: Iterable[tuple[UsageRecord, Cost]], budgets: Sequence[Budget]) -> Mapping[tuple[str, int], Charge]:
    """Return what each budget is charged by these records, by budget and period."""
    by_scope: dict[tuple[str, BudgetScope, str], list[Budget]] = {}
    for budget in budgets:
        by_scope.setdefault((budget.tenant_id, budget.scope, budget.scope_id), []).append(budget)
    found: dict[tuple[str, int], Charge] = {}
    for record, cost in entered:
        ids = scope_ids(
            tenant_id=record.tenant_id, project_id=record.project_id, user_id=record.user_id, key_id=record.key_id
        )
        for scope, scope_id in ids.items():
            for budget in by_scope.get((record.tenant_id, scope, scope_id), ()):
                if record.admitted_at >= budget.starts_at:
                    place = budget.budget_id, period_start(budget.period, record.admitted_at)
                    _add(found.setdefault(place, Charge()), budget.unit, record, cost)
    return found


def crossed(budget: Budget, spent: int) -> list[int]:
    """Return the thresholds that are reached."""
    return [percent for percent in budget.thresholds if spent * 100 >= budget.amount * percent]


def forecast(*, spent: int, start: int, end: int | None, now: float) -> int | None:
    """Return what will be spent at the end of the period if it goes on as it did since its beginning; None where there
    is no end."""
    if end is None:
        return None
    elapsed = max(1, int(now) - start)
    return spent * max(elapsed, end - start) // elapsed


def _add(charge: Charge, unit: BudgetUnit, record: UsageRecord, cost: Cost) -> None:
    if unit is BudgetUnit.TOKENS:
        charge.spent += budget_tokens(record)
    elif cost.cost_nano is None:
        charge.unpriced += 1
    else:
        charge.spent += cost.cost_nano


def _check(amount: int, thresholds: Sequence[int], emails: Sequence[str], webhook_url: str, name: str) -> None:
    faults = []
    if not name.strip() or len(name) > 200:
        faults.append(FieldError("name", "give a name of 1 to 200 characters"))
    if not 0 <= amount <= MOST_AMOUNT:
        faults.append(FieldError("amount", f"{amount} found; 0 to {MOST_AMOUNT} is wanted"))
    if not all(1 <= percent <= 1000 for percent in thresholds) or len(thresholds) > _MOST_RECIPIENTS:
        faults.append(FieldError("thresholds", "give at most 20 percentages from 1 to 1000"))
    if not all(_EMAIL.fullmatch(email) for email in emails):
        faults.append(FieldError("emails", "give addresses such as finance@example.com"))
    if len(emails) > _MOST_RECIPIENTS:
        faults.append(FieldError("emails", f"give at most {_MOST_RECIPIENTS}"))
    if webhook_url and not is_address(webhook_url):
        wanted = "give an address such as https://finance.example.com/hook, without a password"
        faults.append(FieldError("webhook_url", wanted))
    if faults:
        raise InvalidInput(f"{faults[0].field}: {faults[0].message}", *faults)

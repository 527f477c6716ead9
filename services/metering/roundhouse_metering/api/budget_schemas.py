"""Bodies and answers of `/budgets`."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field

from roundhouse_common.budgets import period_end, period_start
from roundhouse_common.contracts.money import BudgetPeriod, BudgetScope, BudgetUnit
from roundhouse_common.http import Body, Moment, Timestamp
from roundhouse_metering.domain.budgets import Budget, BudgetDraft, BudgetPatch, Charge, crossed, forecast

__all__ = ["BudgetChanges", "BudgetToCreate", "BudgetView", "NoticeView", "WebhookSecret"]

_Amount = Annotated[int, Field(description="Nano-units of the currency (1,000,000,000 are one), or tokens.")]
_Thresholds = Annotated[list[int], Field(description="Percent of the amount; when it is spent, somebody is told.")]
_Webhook = Annotated[str, Field(max_length=2000, description="Told of thresholds by a signed POST.")]
_Emails = Annotated[list[str], Field(description="Told of thresholds by e-mail.")]


class BudgetToCreate(Body):
    """What a tenant, project, user or key may spend in a period."""

    name: str = Field(examples=["research, monthly"])
    scope: Literal["tenant", "project", "user", "key"]
    scope_id: str = Field(min_length=1, max_length=200)
    unit: Literal["money", "tokens"] = "money"
    period: Literal["day", "week", "month", "total"] = Field(
        default="month", description="Begins at midnight UTC, a week on Monday; `total` never begins anew."
    )
    amount: _Amount
    is_hard: bool = Field(default=False, description="Requests beyond it are refused; else somebody is only told.")
    is_platform: bool = Field(default=False, description="Only who has a role on the platform may make or change it.")
    thresholds: _Thresholds = [80, 100]
    webhook_url: _Webhook = ""
    emails: _Emails = []
    starts_at: Moment | None = Field(
        default=None, description="Of the period `total`; absent: now, and nothing is spent yet."
    )

    def draft(self) -> BudgetDraft:
        return BudgetDraft(
            name=self.name,
            scope=BudgetScope(self.scope),
            scope_id=self.scope_id,
            unit=BudgetUnit(self.unit),
            period=BudgetPeriod(self.period),
            amount=self.amount,
            is_hard=self.is_hard,
            is_platform=self.is_platform,
            thresholds=tuple(self.thresholds),
            webhook_url=self.webhook_url,
            emails=tuple(self.emails),
            starts_at=None if self.starts_at is None else self.starts_at.timestamp(),
        )


class BudgetChanges(Body):
    """What to change; what is absent stays as it is."""

    name: str | None = None
    amount: Annotated[int | None, Field(description="Nano-units, or tokens.")] = None
    is_hard: bool | None = None
    thresholds: list[int] | None = None
    webhook_url: Annotated[str | None, Field(max_length=2000)] = None
    emails: list[str] | None = None

    def patch(self) -> BudgetPatch:
        return BudgetPatch(
            name=self.name,
            amount=self.amount,
            is_hard=self.is_hard,
            thresholds=None if self.thresholds is None else tuple(self.thresholds),
            webhook_url=self.webhook_url,
            emails=None if self.emails is None else tuple(self.emails),
        )


class BudgetView(BaseModel):
    """A budget, and how it stands in the period that is now."""

    id: str = Field(examples=["bud_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    tenant_id: str
    scope: str
    scope_id: str
    unit: str
    period: str
    amount: int
    is_hard: bool
    is_platform: bool
    thresholds: list[int]
    webhook_url: str
    emails: list[str]
    starts_at: Timestamp | None = Field(description="Of the period `total`.")
    period_start: Timestamp | None = Field(description="Null: of the period `total`.")
    period_end: Timestamp | None
    spent: int = Field(description="By the records in the ledger and their corrections.")
    left: int = Field(description="Below 0: it is exceeded.")
    forecast: int | None = Field(
        description="Spent at the end of the period, if it goes on as since its beginning; null: there is no end."
    )
    crossed: list[int] = Field(description="Thresholds that are reached.")
    unpriced: int = Field(description="Requests of the period that count for nothing, because they have no price.")
    revision: int
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, budget: Budget, charge: Charge, now: float) -> Self:
        start, end = period_start(budget.period, now), period_end(budget.period, now)
        same = (
            *("name", "tenant_id", "scope_id", "amount", "is_hard", "is_platform"),
            *("webhook_url", "revision", "created_at", "created_by"),
        )
        return cls(
            id=budget.budget_id,
            scope=budget.scope.value,
            unit=budget.unit.value,
            period=budget.period.value,
            thresholds=list(budget.thresholds),
            emails=list(budget.emails),
            starts_at=budget.starts_at or None,
            period_start=start or None,
            period_end=end,
            spent=charge.spent,
            left=budget.amount - charge.spent,
            forecast=forecast(spent=charge.spent, start=start, end=end, now=now),
            crossed=crossed(budget, charge.spent),
            unpriced=charge.unpriced,
            **{name: getattr(budget, name) for name in same},
        )


class NoticeView(BaseModel):
    """That somebody is told of a threshold: once for each period, threshold and recipient."""

    id: str
    period_start: Timestamp | None
    threshold: int = Field(description="Percent.")
    recipient: str
    spent: int
    amount: int
    noticed_at: Timestamp
    sent_at: Timestamp | None = Field(description="Null: not yet, or given up.")
    attempts: int
    is_given_up: bool
    last_error: str

    @classmethod
    def of(cls, row: Any) -> Self:  # Any: a row of budget_notices
        same = ("threshold", "recipient", "spent", "amount", "noticed_at", "sent_at", "attempts", "last_error")
        return cls(
            id=row.notice_id,
            period_start=row.period_start or None,
            is_given_up=row.due_at is None and row.sent_at is None,
            **{name: getattr(row, name) for name in same},
        )


class WebhookSecret(BaseModel):
    secret: str

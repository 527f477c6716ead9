"""What the audit keeps of metering's things: what people set, not what was counted since."""

import hashlib
from urllib.parse import urlsplit

from pydantic import BaseModel

from roundhouse_metering.domain.budgets import Budget
from roundhouse_metering.domain.webhooks import Webhook

__all__ = ["AuditedBudget", "AuditedWebhook"]


class AuditedBudget(BaseModel):
    id: str
    name: str
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

    @classmethod
    def of(cls, budget: Budget) -> "AuditedBudget":
        return cls(
            id=budget.budget_id,
            name=budget.name,
            scope=budget.scope.value,
            scope_id=budget.scope_id,
            unit=budget.unit.value,
            period=budget.period.value,
            amount=budget.amount,
            is_hard=budget.is_hard,
            is_platform=budget.is_platform,
            thresholds=list(budget.thresholds),
            webhook_url=_without_secret(budget.webhook_url),
            emails=list(budget.emails),
        )


class AuditedWebhook(BaseModel):
    id: str
    name: str
    url: str
    types: list[str]
    covers: str
    mode: str
    is_enabled: bool
    cursor: str

    @classmethod
    def of(cls, webhook: Webhook, *, has_cursor: bool = False) -> "AuditedWebhook":
        """Return what people set; its place in the feed only where they set that."""
        return cls(
            id=webhook.webhook_id,
            name=webhook.name,
            url=_without_secret(webhook.url),
            types=[str(one) for one in webhook.types],
            covers=webhook.covers,
            mode=str(webhook.mode),
            is_enabled=webhook.is_enabled,
            cursor=str(webhook.cursor) if has_cursor else "",
        )


def _without_secret(url: str) -> str:
    """Return where a webhook leads, and a digest instead of its path: whoever knows the path can write there."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/... (sha256 {hashlib.sha256(url.encode()).hexdigest()[:8]})"

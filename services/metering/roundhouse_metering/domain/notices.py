"""What people and programs are told when a budget reaches a threshold, and how a webhook is signed."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from roundhouse_common.contracts.money import NANO, BudgetUnit
from roundhouse_metering.domain.budgets import Budget

__all__ = ["retry_after_s", "signature", "webhook_body", "webhook_secret", "words"]

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 3_600.0
_ATTEMPTS_MOST = 80
"""About three days."""


def webhook_secret(key: bytes, budget_id: str) -> str:
    """Return the secret that a budget's notices are signed with: each its own, all from one key."""
    digest = hmac.digest(key, f"budget-webhook/{budget_id}".encode(), hashlib.sha256)
    return "whsec_" + base64.b64encode(digest).decode()


def signature(secret: str, notice_id: str, sent_at: int, body: bytes) -> str:
    """Return the header `webhook-signature` of Standard Webhooks: over the id, the time and the body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{notice_id}.{sent_at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def webhook_body(
    budget: Budget, *, notice_id: str, threshold: int, spent: int, amount: int, at: float, start: int
) -> bytes:
    """Return a CloudEvent in JSON."""
    event = {
        "specversion": "1.0",
        "id": notice_id,
        "source": "roundhouse/metering",
        "type": "roundhouse.budget.threshold_reached",
        "time": _time(at),
        "datacontenttype": "application/json",
        "data": {
            "budget_id": budget.budget_id,
            "name": budget.name,
            "tenant_id": budget.tenant_id,
            "scope": budget.scope.value,
            "scope_id": budget.scope_id,
            "unit": budget.unit.value,
            "period": budget.period.value,
            "period_start": _time(start) if start else None,
            "threshold_percent": threshold,
            "spent": spent,
            "amount": amount,
            "is_hard": budget.is_hard,
        },
    }
    return json.dumps(event, ensure_ascii=False).encode()


def words(budget: Budget, *, threshold: int, spent: int, amount: int) -> tuple[str, str]:
    """Return the subject and the text of a mail."""
    subject = f"Budget {budget.name}: {threshold} % is spent"
    what = "Further requests are refused" if budget.is_hard and spent >= amount else "Requests go on being answered"
    text = (
        f"The budget {budget.name} ({budget.budget_id}) of the {budget.scope.value} {budget.scope_id} has reached "
        f"{threshold} % of its amount.\n\n"
        f"Spent:  {_shown(spent, budget.unit)}\nAmount: {_shown(amount, budget.unit)} ({budget.period.value})\n\n"
        f"{what}.\n"
    )
    return " ".join(subject.split()), text


def retry_after_s(attempts: int) -> float | None:
    """Return how long to wait after so many failed attempts; None: give up."""
    return None if attempts >= _ATTEMPTS_MOST else min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(attempts - 1, 20))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(amount: int, unit: BudgetUnit) -> str:
    if unit is BudgetUnit.TOKENS:
        return f"{amount} tokens"
    return f"{amount // NANO}.{amount % NANO // 10_000_000:02}"

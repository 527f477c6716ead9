"""The feed for finance tools: what was entered, corrected and reached, as CloudEvents in one order.

An event never changes: a request is told with the cost that it was entered with, and every correction is an event of
its own. So the sum over all events is what the ledger says, wherever a reader begins to add.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.finance import RESERVED_TYPES, CloudEvent, StorageHour, TrainingJob
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.errors import FieldError, InvalidInput

__all__ = [
    "BudgetReached",
    "EventReader",
    "EventType",
    "FeedCursor",
    "budget_event",
    "correction_event",
    "rfc3339",
    "storage_event",
    "training_event",
    "trial_event",
    "usage_event",
]

_CURSOR: Final = re.compile(r"(\d{1,16})(?:\.(\d{1,16})\.(\d{1,16}))?")
_MOST: Final = 2**53
_SOURCE: Final = "/roundhouse/metering"


class EventType(enum.StrEnum):
    """What an event is about: the attribute `type` of CloudEvents."""

    USAGE = "io.roundhouse.usage.request.settled.v1"
    CORRECTION = "io.roundhouse.usage.cost.corrected.v1"
    BUDGET = "io.roundhouse.budget.threshold.reached.v1"
    TEST = "io.roundhouse.webhook.test.v1"


@dataclass(frozen=True, slots=True, order=True)
class FeedCursor:
    """How far a reader came: the last entry of the ledger, correction, and threshold that it has."""

    entry: int = 0
    correction: int = 0
    threshold: int = 0

    def __str__(self) -> str:
        return f"{self.entry}.{self.correction}.{self.threshold}"

    @classmethod
    def parse(cls, text: str) -> "FeedCursor":
        """Read what `str` wrote; a number alone is one of the ledger. Raises InvalidInput."""
        found = _CURSOR.fullmatch(text)
        numbers = [int(part or 0) for part in found.groups()] if found else [_MOST + 1]
        if max(numbers) > _MOST:
            raise InvalidInput(
                f"The cursor {text[:60]!r} is none of this feed: send one unchanged, or 0 to begin.",
                FieldError("after", "send `Roundhouse-Next-After` of an answer, or 0"),
            )
        return cls(*numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached:
    """A threshold of a budget that was reached: once for each budget, period and threshold."""

    event_id: str
    tenant_id: str
    budget_id: str
    name: str
    scope: str
    scope_id: str
    unit: str
    period: str
    period_start: int
    threshold: int
    """Percent."""
    spent: int
    amount: int
    is_hard: bool
    reached_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReader:
    """A program outside that reads the stream of events."""

    name: str
    tenant_id: str = ""
    """Only of this tenant; empty: of all."""


def usage_event(
    record: UsageRecord, *, recorded_at: float, cost_nano: int | None, price_id: str, currency: str
) -> CloudEvent:
    """Return a request that was entered, with what it cost then. Its data is what REST shows of a record."""
    data: dict[str, Any] = {name: getattr(record, name) for name in record.__struct_fields__}
    for name in ("operation", "outcome", "source", "reuse"):
        data[name] = data[name].value
    data |= {
        "admitted_at": rfc3339(record.admitted_at),
        "ended_at": rfc3339(record.ended_at),
        "recorded_at": rfc3339(recorded_at),
        "cost_nano": cost_nano,
        "correction_nano": 0,
        "price_id": price_id,
        "currency": currency,
    }
    return CloudEvent(
        id=record.request_id,
        source=f"/roundhouse/routers/{record.router_id}",
        type=EventType.USAGE.value,
        time=rfc3339(record.ended_at),
        subject=record.key_id or None,
        data=data,
    )


def correction_event(number: int, data: Mapping[str, Any], *, made_at: float, key_id: str) -> CloudEvent:
    """Return a correction of what a request costs: `delta_nano` is to be added."""
    return CloudEvent(
        id=f"cor_{number}",
        source=_SOURCE,
        type=EventType.CORRECTION.value,
        time=rfc3339(made_at),
        subject=key_id or None,
        data=dict(data),
    )


def budget_event(reached: BudgetReached, *, event_id: str = "") -> CloudEvent:
    """Return a threshold that was reached. Notices to single recipients have ids of their own."""
    return CloudEvent(
        id=event_id or reached.event_id,
        source=_SOURCE,
        type=EventType.BUDGET.value,
        time=rfc3339(reached.reached_at),
        subject=reached.budget_id,
        data={
            "budget_id": reached.budget_id,
            "name": reached.name,
            "tenant_id": reached.tenant_id,
            "scope": reached.scope,
            "scope_id": reached.scope_id,
            "unit": reached.unit,
            "period": reached.period,
            "period_start": rfc3339(reached.period_start) if reached.period_start else None,
            "threshold_percent": reached.threshold,
            "spent": reached.spent,
            "amount": reached.amount,
            "is_hard": reached.is_hard,
        },
    )


def storage_event(hour: StorageHour) -> CloudEvent:
    """Return an hour of a storage. Reserved: nothing measures them yet."""
    return _reserved(hour, event_id=hour.storage_hour_id, time=hour.until, subject=hour.resource_id)


def training_event(job: TrainingJob) -> CloudEvent:
    """Return a training job that has ended. Reserved: nothing trains yet."""
    return _reserved(job, event_id=job.job_id, time=job.until, subject=job.resource_id)


def _reserved(told: StorageHour | TrainingJob, *, event_id: str, time: str, subject: str) -> CloudEvent:
    return CloudEvent(
        id=event_id,
        source=_SOURCE,
        type=RESERVED_TYPES[type(told)],
        time=time,
        subject=subject or None,
        data=msgspec.to_builtins(told),
    )


def trial_event(event_id: str, *, webhook_id: str, now: float) -> CloudEvent:
    """Return an event that means nothing but that the way is open."""
    data = {"webhook_id": webhook_id}
    return CloudEvent(
        id=event_id, source=_SOURCE, type=EventType.TEST.value, time=rfc3339(now), subject=webhook_id, data=data
    )


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

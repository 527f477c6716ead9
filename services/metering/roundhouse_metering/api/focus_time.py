"""The time of replicas that has a price, as FOCUS rows of one day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from roundhouse_common.database import ReadSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.pricing import REPLICA_TIME, PriceTable
from roundhouse_metering.domain.cells import DAY_S
from roundhouse_metering.domain.focus import FocusCharge, focus_time_row
from roundhouse_metering.domain.replica_costs import replica_costs
from roundhouse_metering.domain.spans import By, HeldQuery, Span
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.replica_tenants import replica_tenants
from roundhouse_metering.store.spans import most_spans, spans_held

__all__ = ["time_rows"]

_OF_REPLICAS: Final = frozenset(("project_id", "deployment_id"))
"""Filters that replicas can be told by; what is asked of one user or model has none of their time."""
_OPERATION: Final = REPLICA_TIME.replace("_", " ")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one row is about."""

    project_id: str
    deployment_id: str
    device_class: str


async def time_rows(
    session: ReadSession, wanted: UsageFilter, day: int, *, prices: PriceTable, money: str, now: float
) -> list[Mapping[str, str]]:
    """Return the rows of a day, given in days since 1970, up to now. Raises InvalidInput for too many transitions."""
    since, until = float(day * DAY_S), min(float((day + 1) * DAY_S), now)
    if since >= until or not wanted.equal.keys() <= _OF_REPLICAS:
        return []
    rows = []
    tenants = [wanted.tenant_id] if wanted.tenant_id is not None else await replica_tenants(session)
    for tenant_id in tenants:
        query = _query(wanted, tenant_id, since, until)
        spans = await spans_held(session, query)
        if len(spans) > most_spans:
            message = f"More than {most_spans} transitions of replicas are in one day."
            raise InvalidInput(message, FieldError("deployment", "ask for single ones"))
        for kind, found in sorted(_by_kind(spans, wanted).items(), key=lambda one: str(one[0])):
            cost = replica_costs(found, prices, since=since, until=until, by=By.DEPLOYMENT)[kind.deployment_id]
            seconds = sum(_held_s(span, since, until) for span in found) - cost.unpriced_s
            if seconds > 0 or cost.cost_nano:
                charge = _charge(kind, tenant_id, day, money)
                rows.append(focus_time_row(charge, seconds=seconds, cost_nano=cost.cost_nano))
    return rows


def _by_kind(spans: Sequence[Span], wanted: UsageFilter) -> dict[_Kind, list[Span]]:
    found: dict[_Kind, list[Span]] = {}
    for span in spans:
        if span.project_id == wanted.equal.get("project_id", span.project_id):
            kind = _Kind(span.project_id, span.deployment_id, span.device_class)
            found.setdefault(kind, []).append(span)
    return found


def _held_s(span: Span, since: float, until: float) -> float:
    end = until if span.ended_at is None else min(span.ended_at, until)
    return max(0.0, end - max(span.began_at, since))


def _query(wanted: UsageFilter, tenant_id: str, since: float, until: float) -> HeldQuery:
    return HeldQuery(
        tenant_id=tenant_id,
        deployment_id=wanted.equal.get("deployment_id"),
        project_ids=wanted.project_ids,
        since=since,
        until=until,
        by=By.DEPLOYMENT,
    )


def _charge(kind: _Kind, tenant_id: str, day: int, money: str) -> FocusCharge:
    return FocusCharge(
        day=datetime.fromtimestamp(day * DAY_S, UTC),
        currency=money,
        tenant_id=tenant_id,
        project_id=kind.project_id,
        user_id="",
        key_id="",
        model_served=kind.device_class,
        operation=_OPERATION,
        deployment_id=kind.deployment_id,
        provider_id="",
        region="",
    )

"""What the time of replicas costs: by the prices that were valid while they held what they held."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roundhouse_common.pricing import REPLICA_TIME, PriceFacts, PriceTable, Quantities, cost
from roundhouse_metering.domain.spans import By, Span

__all__ = ["ReplicaCost", "replica_costs"]

_DAY_S: Final = 86_400


@dataclass(slots=True)
class ReplicaCost:
    """Of one deployment, version, replica or node."""

    cost_nano: int = 0
    """Of what has a price."""
    unpriced_s: float = 0.0
    """Replica-seconds without one."""


def replica_costs(
    spans: Iterable[Span], prices: PriceTable, *, since: float, until: float, by: By
) -> Mapping[str, ReplicaCost]:
    """Return the costs within a time. A span is cut where a price begins or ends, and at midnight UTC, and rounded once
    per part: so the costs of days add up to those of a month."""
    found: dict[str, ReplicaCost] = {}
    for span in spans:
        begin, end = max(span.began_at, since), min(until, until if span.ended_at is None else span.ended_at)
        if not span.is_holding or begin >= end:
            continue
        total = found.setdefault(_key(span, by), ReplicaCost())
        edges = _edges(prices, span, begin, end)
        for first, last in pairwise(edges):
            part = _cost(prices, span, first, last)
            if part is None:
                total.unpriced_s += last - first
            else:
                total.cost_nano += part
    return found


def _edges(prices: PriceTable, span: Span, begin: float, end: float) -> list[float]:
    inner = {
        edge
        for price in prices.fitting(_facts(span, begin))
        for edge in (price.valid_from, price.valid_until)
        if begin < edge < end
    }
    midnights = range((int(begin) // _DAY_S + 1) * _DAY_S, math.ceil(end), _DAY_S)
    return [begin, *sorted({*inner, *map(float, midnights)}), end]


def _cost(prices: PriceTable, span: Span, begin: float, end: float) -> int | None:
    price = prices.choose(_facts(span, begin))
    milliseconds = round((end - begin) * 1000)
    if price is None:
        return None
    return cost(price.rates, Quantities(replica_ms=milliseconds, device_ms=milliseconds * span.device_count))


def _facts(span: Span, at: float) -> PriceFacts:
    return PriceFacts(
        at=at,
        tenant_id=span.tenant_id,
        deployment_id=span.deployment_id,
        device_class=span.device_class,
        operation=REPLICA_TIME,
    )


def _key(span: Span, by: By) -> str:
    match by:
        case By.DEPLOYMENT:
            return span.deployment_id
        case By.VERSION:
            return span.version_id
        case By.REPLICA:
            return span.replica_id
        case By.NODE:
            return span.node_id
        case By.PROJECT:
            return span.project_id

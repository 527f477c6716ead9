"""How usage is answered: as rows, and as series that a chart draws as they are."""

from collections.abc import Iterable
from functools import cache
from operator import itemgetter
from typing import Any

from pydantic import BaseModel, Field

from roundhouse_common.contracts.usage import TOKEN_CLASSES
from roundhouse_common.http import Timestamp, rfc3339
from roundhouse_metering.domain.amounts import SUMS, Amounts
from roundhouse_metering.domain.sketches import Sketch
from roundhouse_metering.domain.usage import UsageQuery
from roundhouse_metering.store.analytics import UsageFigures
from roundhouse_metering.store.ledger import LedgerEntry

__all__ = ["Json", "UsageAnswer", "UsageChart", "UsageEntry", "chart", "figures", "items"]

_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Latency(BaseModel):
    """Of completed requests, in milliseconds. Quantiles are right within 2 percent."""

    count: int
    avg: float | None
    max: float | None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


class Figures(BaseModel):
    """requests = completed + failed + aborted. The token classes are disjoint."""

    requests: int
    completed: int
    failed: int
    aborted: int = Field(description="The client left, or the router died with the request in flight.")
    error_rate: float | None = Field(description="failed / (completed + failed); null without any.")
    input_tokens: int = Field(description="Without the cached ones.")
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int = Field(description="Without the reasoning ones.")
    reasoning_tokens: int
    input_audio_tokens: int = Field(description="Of sound that was sent, without the cached ones.")
    output_audio_tokens: int
    input_image_tokens: int = Field(description="Of images that were sent, without the cached ones.")
    output_image_tokens: int
    total_tokens: int = Field(description="Of all classes.")
    tokens_per_request: float | None
    audio_ms: int
    images: int
    input_characters: int
    cost_nano: int = Field(description="In nano-units of the currency, corrections included.")
    correction_nano: int = Field(description="The part of the cost that corrections made.")
    unpriced: int = Field(description="Requests of which nobody knows what they cost: they are not in the cost.")
    latency_ms: Latency
    time_to_first_token_ms: Latency


class UsageItem(Figures):
    """The figures of one combination of values, in one time bucket when buckets were asked for."""

    key: str = Field(description="The value of the first dimension: a model's name, or an id. `(other)`: all the rest.")
    keys: dict[str, str] = Field(description="Dimension -> value.")
    bucket_start: Timestamp | None = Field(default=None, description="Empty buckets are left out.")


class UsageAnswer(BaseModel):
    """Figures by dimensions and bucket, ordered by bucket, then key, or from the top; and their sum."""

    items: list[UsageItem]
    totals: Figures
    previous_totals: Figures | None = Field(
        default=None, description="Of the time before that is as long, when it was asked for."
    )
    currency: str = Field(description="Of all costs; empty while there is no price.")
    is_complete: bool = Field(description="False while many records are not counted yet, e.g. after an upgrade.")


class UsageSeries(BaseModel):
    """One line or one kind of bar. A value for every bucket: counts are 0 and latencies null where nothing was."""

    key: str
    keys: dict[str, str]
    totals: Figures
    points: dict[str, list[float | int | None]]


class UsageChart(BaseModel):
    """Series over the same buckets, the largest first."""

    bucket: str
    time_zone: str
    starts: list[Timestamp]
    series: list[UsageSeries]
    totals: Figures
    previous_totals: Figures | None = None
    currency: str
    is_complete: bool


Json = dict[str, Any]
"""An object of the answer as it is encoded: thousands of models would take longer than all that is counted for them."""


def figures(amounts: Amounts) -> Json:
    """Return the fields of Figures."""
    sums = amounts.sums
    plain = _plain(sums)
    tokens = sum(_tokens(sums))
    ended = amounts["completed"] + amounts["failed"]
    latency_count, latency_us, first_token_count, first_token_us = _times(sums)
    return {
        **dict(zip(_PLAIN, plain, strict=True)),
        "error_rate": amounts["failed"] / ended if ended else None,
        "total_tokens": tokens,
        "tokens_per_request": tokens / amounts["requests"] if amounts["requests"] else None,
        "latency_ms": _latency(latency_count, latency_us, amounts.latency_max_us, amounts.latency),
        "time_to_first_token_ms": _latency(
            first_token_count, first_token_us, amounts.first_token_max_us, amounts.first_token
        ),
    }


_PLAIN = (
    *("requests", "completed", "failed", "aborted", *TOKEN_CLASSES, "audio_ms", "images", "input_characters"),
    *("cost_nano", "correction_nano", "unpriced"),
)
_plain, _tokens = (itemgetter(*(SUMS.index(name) for name in names)) for names in (_PLAIN, TOKEN_CLASSES))
_times = itemgetter(*map(SUMS.index, ("latency_count", "latency_us", "first_token_count", "first_token_us")))


def _latency(count: int, total_us: int, max_us: int, sketch: Sketch) -> Json:
    if not count:
        return _NO_LATENCY
    found = sketch.quantiles(_SHARES)
    # No quantile is above the maximum, which is exact.
    told = [None if value is None else min(value, max_us) / 1000 for value in found]
    values = (count, total_us / count / 1000, max_us / 1000, *told)
    return dict(zip(_NO_LATENCY, values, strict=True))


_SHARES = tuple(_QUANTILES.values())
_NO_LATENCY: Json = {"count": 0, "avg": None, "max": None, **dict.fromkeys(_QUANTILES)}


def items(found: UsageFigures, query: UsageQuery, order: Iterable[tuple[int, tuple[str, ...]]]) -> list[Json]:
    """Return the rows in the given order, as UsageItem."""
    time_of = cache(rfc3339)
    return [
        {
            "key": _first(query, values),
            "keys": _keys(query, values),
            "bucket_start": time_of(start) if query.bucket else None,
            **figures(found.rows[start, values]),
        }
        for start, values in order
    ]


def chart(
    found: UsageFigures, whole: UsageFigures, query: UsageQuery, starts: list[int], metrics: Iterable[str]
) -> list[Json]:
    """Return a UsageSeries for each combination of values, the one with the most requests first. `whole` has the
    figures of each over the range, in one row or more."""
    by_values: dict[tuple[str, ...], dict[int, Amounts]] = {}
    for (start, values), amounts in found.rows.items():
        by_values.setdefault(values, {})[start] = amounts
    sums = {values: Amounts() for values in by_values}
    for (_, values), amounts in whole.rows.items():
        sums[values].add(amounts)
    wanted = list(metrics)
    return [
        {
            "key": _first(query, values),
            "keys": _keys(query, values),
            "totals": figures(sums[values]),
            "points": {name: [_point(by_values[values].get(start), name) for start in starts] for name in wanted},
        }
        for values in sorted(by_values, key=lambda values: (-sums[values]["requests"], values))
    ]


def _point(amounts: Amounts | None, metric: str) -> float | int | None:
    """Return one figure, without working out the others: a chart has thousands of points."""
    found = amounts or _NOTHING
    name, _, of = metric.partition(".")
    match name:
        case "latency_ms":
            return _latency_point(found["latency_count"], found["latency_us"], found.latency_max_us, found.latency, of)
        case "time_to_first_token_ms":
            count, total_us = found["first_token_count"], found["first_token_us"]
            return _latency_point(count, total_us, found.first_token_max_us, found.first_token, of)
        case "error_rate":
            ended = found["completed"] + found["failed"]
            return found["failed"] / ended if ended else None
        case "total_tokens":
            return sum(found[one] for one in TOKEN_CLASSES)
        case _:
            return found[name]


def _latency_point(count: int, total_us: int, max_us: int, sketch: Sketch, of: str) -> float | None:
    if not count or of == "max":
        return max_us / 1000 if count else None
    if of == "avg":
        return total_us / count / 1000
    (found,) = sketch.quantiles((_QUANTILES[of],))
    return None if found is None else min(found, max_us) / 1000


_NOTHING = Amounts()


def _first(query: UsageQuery, values: tuple[str, ...]) -> str:
    return values[0] if values else ""


def _keys(query: UsageQuery, values: tuple[str, ...]) -> dict[str, str]:
    return {dimension.value: value for dimension, value in zip(query.by, values, strict=True)}


class UsageEntry(BaseModel):
    """One request of the ledger."""

    request_id: str
    router_id: str
    sequence: int = Field(description="1, 2, 3, ... without gaps per router.")
    operation: str
    tenant_id: str
    project_id: str
    key_id: str
    user_id: str
    model_requested: str
    model_served: str
    deployment_id: str
    version_id: str
    replica_id: str
    node_id: str
    region: str
    device_class: str
    admitted_at: Timestamp
    ended_at: Timestamp
    recorded_at: Timestamp
    duration_ms: float
    time_to_first_token_ms: float | None
    is_stream: bool
    outcome: str
    http_status: int
    error_code: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_write_tokens: int = Field(description="Input tokens that a provider charged for keeping.")
    source: str = Field(description="Where the token figures come from.")
    attempts: int
    api: str = Field(description="The API that the client spoke.")
    route_id: str
    provider_id: str = Field(description="Of an outside provider, instead of a deployment.")
    reuse: str = Field(
        description="`none`: an engine's own work; else the answer was `cached`, `coalesced` or `replayed`."
    )
    continuations: int = Field(description="How often a stream went on at another endpoint.")
    audio_ms: int = Field(description="Length of the sound that went in or came out, where it is known.")
    images: int = Field(description="Images made.")
    input_characters: int = Field(description="Of a text to be spoken.")
    queued_ms: float = Field(description="How long it waited in the router.")
    cost_nano: int | None = Field(description="With corrections, in nano-units; null: no price is for it.")
    correction_nano: int
    price_id: str = Field(description="The line of a price book that it was priced by when it was entered.")
    currency: str
    input_audio_tokens: int = Field(description="Of sound that was sent, without the cached ones.")
    output_audio_tokens: int = Field(description="Of sound that was made.")
    input_image_tokens: int = Field(description="Of images that were sent, without the cached ones.")
    output_image_tokens: int = Field(description="Of images that were made.")

    @classmethod
    def of(cls, entry: LedgerEntry) -> "UsageEntry":
        own = {"recorded_at", "cost_nano", "correction_nano", "price_id", "currency"}
        return cls(
            recorded_at=entry.recorded_at,
            cost_nano=entry.total_nano,
            correction_nano=entry.correction_nano,
            price_id=entry.price_id,
            currency=entry.currency,
            **{name: getattr(entry.record, name) for name in cls.model_fields.keys() - own},
        )

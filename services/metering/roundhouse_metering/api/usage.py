"""Usage: sums, series for charts, and the single records behind them."""

import enum
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from roundhouse_common.contracts.usage import TOKEN_CLASSES
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Page, PageRequest, moment_of, page_of, page_request, rfc3339
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.usage_schemas import (
    Json,
    UsageAnswer,
    UsageChart,
    UsageEntry,
    chart,
    figures,
    items,
)
from roundhouse_metering.api.usage_scope import UsageScope
from roundhouse_metering.domain.amounts import Amounts, total
from roundhouse_metering.domain.cells import DAY_S
from roundhouse_metering.domain.plans import bucket_starts
from roundhouse_metering.domain.usage import UTC_ZONE, BucketWidth, Dimension, UsageQuery
from roundhouse_metering.store.analytics import OTHER, UsageFigures, currency, usage_figures
from roundhouse_metering.store.ledger import LedgerEntry, Position, entries

__all__ = ["usage_routes"]

_MOST_SERIES = 50
_FEW_ROWS = 100
_OF_LATENCY = ("latency_ms", "time_to_first_token_ms")


class Order(enum.StrEnum):
    """What the top is the top of."""

    REQUESTS = "requests"
    COST = "cost"
    TOKENS = "tokens"
    FAILED = "failed"


class Metric(enum.StrEnum):
    """What a chart shows."""

    REQUESTS = "requests"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"
    ERROR_RATE = "error_rate"
    INPUT_TOKENS = "input_tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens"
    CACHE_WRITE_TOKENS = "cache_write_tokens"
    INPUT_AUDIO_TOKENS = "input_audio_tokens"
    INPUT_IMAGE_TOKENS = "input_image_tokens"
    OUTPUT_TOKENS = "output_tokens"
    REASONING_TOKENS = "reasoning_tokens"
    OUTPUT_AUDIO_TOKENS = "output_audio_tokens"
    OUTPUT_IMAGE_TOKENS = "output_image_tokens"
    TOTAL_TOKENS = "total_tokens"
    COST = "cost_nano"
    LATENCY_AVG = "latency_ms.avg"
    LATENCY_MAX = "latency_ms.max"
    LATENCY_P50 = "latency_ms.p50"
    LATENCY_P75 = "latency_ms.p75"
    LATENCY_P90 = "latency_ms.p90"
    LATENCY_P95 = "latency_ms.p95"
    LATENCY_P99 = "latency_ms.p99"
    FIRST_TOKEN_AVG = "time_to_first_token_ms.avg"
    FIRST_TOKEN_P50 = "time_to_first_token_ms.p50"
    FIRST_TOKEN_P95 = "time_to_first_token_ms.p95"
    FIRST_TOKEN_P99 = "time_to_first_token_ms.p99"


_By = Annotated[list[Dimension], Query(description="What to sum by; repeat it for combinations, 3 at the most.")]
_Zone = Annotated[str, Query(max_length=64, description="Whose days and months, e.g. `Europe/Berlin`.")]
_Compare = Annotated[bool, Query(description="Tell the totals of the time before, too; needs `since`.")]
_Top = Annotated[int | None, Query(ge=1, le=1000, description="Only the first; the rest is summed up as `(other)`.")]


def usage_routes(db: Database, clock: Clock) -> APIRouter:
    """Return the routes below /api/v1/usage."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["usage"])

    @routes.get("", response_model=UsageAnswer)
    async def get_usage(
        wanted: UsageScope,
        by: _By = [Dimension.MODEL],  # noqa: B006 - FastAPI copies it
        bucket: Annotated[BucketWidth | None, Query(description="Split by time; needs `since`.")] = None,
        time_zone: _Zone = "UTC",
        top: _Top = None,
        order: Annotated[Order, Query(description="What `top` goes by.")] = Order.REQUESTS,
        compare: _Compare = False,
    ) -> Response:
        """Sum requests, tokens, costs and latencies."""
        query = UsageQuery(filter=wanted, by=tuple(by), bucket=bucket, zone=_zone(time_zone))
        query.check(now=clock.now())
        async with db.read() as session:
            choose = None if top is None else partial(_first, top=top, order=order)
            found = await usage_figures(session, query, now=clock.now(), choose=choose)
            whole = await _whole(session, query, found, now=clock.now())
            previous = await _previous(session, query, now=clock.now()) if compare else None
            money = await currency(session)
        totals = total(whole.rows.values())
        return _answer(
            items=items(found, query, _ordered(found, order if top is not None else None)),
            totals=figures(totals),
            previous_totals=previous,
            currency=money,
            is_complete=found.is_complete,
        )

    @routes.get("/chart", response_model=UsageChart)
    async def get_usage_chart(
        wanted: UsageScope,
        bucket: Annotated[BucketWidth, Query(description="Width of a bar.")],
        by: Annotated[list[Dimension] | None, Query(description="One series for each; none: one for all.")] = None,
        metric: Annotated[list[Metric] | None, Query(description="What the series show; `requests` if none.")] = None,
        time_zone: _Zone = "UTC",
        top: Annotated[int, Query(ge=1, le=_MOST_SERIES, description="Series; the rest is `(other)`.")] = 10,
        order: Annotated[Order, Query(description="What `top` goes by.")] = Order.REQUESTS,
        compare: _Compare = False,
    ) -> Response:
        """Return series over time as a chart draws them: every bucket of the range has a value."""
        if wanted.since is None:
            raise InvalidInput("A chart needs a start.", FieldError("since", "is required"))
        ending = replace(wanted, until=wanted.until if wanted.until is not None else clock.now())
        shown = metric or [Metric.REQUESTS]
        query = UsageQuery(
            filter=ending,
            by=tuple(by or ()),
            bucket=bucket,
            zone=_zone(time_zone),
            has_latency=any(one.value.startswith(_OF_LATENCY) for one in shown),
        )
        query.check(now=clock.now())
        async with db.read() as session:
            choose = partial(_first, top=top, order=order)
            found = await usage_figures(session, query, now=clock.now(), choose=choose)
            sums = await _sums(session, query, found, now=clock.now())
            whole = sums if sums is not found else await _whole(session, query, found, now=clock.now())
            previous = await _previous(session, query, now=clock.now()) if compare else None
            money = await currency(session)
        totals = total(whole.rows.values())
        starts = bucket_starts(bucket, query.zone, wanted.since, ending.until or 0.0)
        return _answer(
            bucket=bucket,
            time_zone=time_zone,
            starts=[rfc3339(start) for start in starts],
            series=chart(found, sums, query, starts, shown),
            totals=figures(totals),
            previous_totals=previous,
            currency=money,
            is_complete=found.is_complete,
        )

    @routes.get("/records")
    async def list_usage_records(
        wanted: UsageScope,
        page: Annotated[PageRequest, Depends(page_request)],
        newest_first: Annotated[bool, Query(description="Go back in time. A cursor is for one direction.")] = False,
    ) -> Page[UsageEntry]:
        """List single requests, the oldest first unless it is asked otherwise."""
        async with db.read() as session:
            found = await entries(
                session, wanted, after=_position(page.after), limit=page.fetch, newest_first=newest_first
            )
        return page_of(found, page, key=_key, item=UsageEntry.of)

    return routes


def _answer(**fields: Any) -> Response:  # Any: the fields of the model
    return Response(msgspec.json.encode(fields), media_type="application/json")


async def _whole(session: ReadSession, query: UsageQuery, found: UsageFigures, *, now: float) -> UsageFigures:
    """Return what the totals are of: of many rows, another question takes few cells instead of adding all sketches."""
    if query.has_latency and len(found.rows) < _FEW_ROWS:
        return found
    return await usage_figures(session, UsageQuery(filter=query.filter), now=now)


async def _sums(session: ReadSession, query: UsageQuery, found: UsageFigures, *, now: float) -> UsageFigures:
    """Return the figures of each series: of many buckets, coarse cells of the whole range take fewer sketches. None are
    coarser than days."""
    is_of_days = query.bucket is not None and query.bucket.seconds >= DAY_S and query.zone == UTC_ZONE
    if not query.has_latency or len(found.rows) < _FEW_ROWS or is_of_days:
        return found
    told = {values for _, values in found.rows}
    return await usage_figures(session, replace(query, bucket=None), now=now, choose=lambda _: told)


async def _previous(session: ReadSession, query: UsageQuery, *, now: float) -> Json:
    since, until = query.filter.since, query.filter.until if query.filter.until is not None else now
    if since is None:
        raise InvalidInput("A comparison needs a start.", FieldError("since", "is required with compare"))
    before = replace(query.filter, since=since - (until - since), until=since)
    found = await usage_figures(session, UsageQuery(filter=before), now=now)
    return figures(total(found.rows.values()))


def _weight(amounts: Amounts, order: Order) -> int:
    match order:
        case Order.COST:
            return amounts["cost_nano"]
        case Order.TOKENS:
            return sum(amounts[name] for name in TOKEN_CLASSES)
        case _:
            return amounts[order.value]


def _first(found: UsageFigures, *, top: int, order: Order) -> set[tuple[str, ...]]:
    """Return the values of the first, over the whole range."""
    weights: dict[tuple[str, ...], int] = {}
    for (_, values), amounts in found.rows.items():
        weights[values] = weights.get(values, 0) + _weight(amounts, order)
    return set(sorted(weights, key=lambda values: (-weights[values], values))[:top])


def _ordered(found: UsageFigures, order: Order | None) -> Sequence[tuple[int, tuple[str, ...]]]:
    if order is None:
        return sorted(found.rows)
    return sorted(found.rows, key=lambda place: (place[0], OTHER in place[1], -_weight(found.rows[place], order)))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"There is no time zone {name!r}.", FieldError("time_zone", "use a name like Europe/Berlin, or UTC")
        ) from None


def _key(entry: LedgerEntry) -> str:
    return f"{entry.record.admitted_at!r}/{entry.record.request_id}"


def _position(key: str | None) -> Position | None:
    if key is None:
        return None
    admitted_at, request_id = moment_of(key)
    return Position(admitted_at=admitted_at, request_id=request_id)

"""Usage for other programs: records as CSV, costs by day as FOCUS rows, records as CloudEvents from a cursor."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from roundhouse_common.auth import Subject, allowed
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, Forbidden, InvalidInput
from roundhouse_common.http import requires
from roundhouse_common.pricing import PriceTable
from roundhouse_common.runtime import Clock
from roundhouse_common.spreadsheets import not_computed
from roundhouse_metering.api.focus_time import time_rows
from roundhouse_metering.api.usage_schemas import UsageEntry
from roundhouse_metering.api.usage_scope import ExportScope
from roundhouse_metering.domain.cells import DAY_S
from roundhouse_metering.domain.feed import EventType, FeedCursor
from roundhouse_metering.domain.focus import FOCUS_COLUMNS, FocusCharge, focus_row
from roundhouse_metering.domain.retention import RecordsGone
from roundhouse_metering.domain.usage import COLUMNS, Dimension, UsageFilter, UsageQuery
from roundhouse_metering.store.analytics import currency, usage_figures
from roundhouse_metering.store.costs import all_prices
from roundhouse_metering.store.feed import read_feed
from roundhouse_metering.store.ledger import Position, entries, require_kept

__all__ = ["export_routes"]

_Caller = Annotated[Subject, Depends(requires("usage:own", in_projects=True))]
_PAGE: Final = 2_000
_MOST_DAYS: Final = 400


class _CloudEvents(Response):
    media_type = "application/cloudevents-batch+json"


_FOCUS_BY: Final = (
    *(Dimension.TENANT, Dimension.PROJECT, Dimension.USER, Dimension.KEY, Dimension.SERVED_MODEL, Dimension.KIND),
    *(Dimension.DEPLOYMENT, Dimension.PROVIDER, Dimension.REGION),
)


def export_routes(db: Database, clock: Clock) -> APIRouter:
    """Return the routes below /api/v1/usage that hand out everything that fits the filters."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["exports"])

    @routes.get("/records.csv", response_class=StreamingResponse, responses=_CSV)
    async def export_records(wanted: ExportScope) -> StreamingResponse:
        """Return every record as CSV, the oldest first, however many there are."""
        async with db.read() as session:
            await require_kept(session, wanted.since)
        return _download(_records(db, wanted), "usage-records.csv")

    @routes.get("/focus.csv", response_class=StreamingResponse, responses=_CSV)
    async def export_focus(wanted: ExportScope) -> StreamingResponse:
        """Return costs and usage by whole UTC days as FOCUS 1.2 rows, the priced time of replicas too."""
        since, until = wanted.since, wanted.until if wanted.until is not None else clock.now()
        if since is None:
            raise InvalidInput("An export needs a start.", FieldError("since", "is required"))
        first, last = int(since // DAY_S), -int(-until // DAY_S)
        if last - first > _MOST_DAYS:
            raise InvalidInput("Too many days.", FieldError("since", f"{_MOST_DAYS} days are the most"))
        async with db.read() as session:
            money, prices = await currency(session), PriceTable(await all_prices(session))
        if not money:
            raise InvalidInput("There is no price yet, so no currency.", FieldError("since", "add a price book first"))
        return _download(_focus(db, wanted, range(first, last), money, prices, clock), "focus-1.2.csv")

    @routes.get("/events", response_class=_CloudEvents, responses=_EVENTS)
    async def list_usage_events(
        subject: _Caller,
        wanted: ExportScope,
        after: Annotated[str, Query(max_length=60, description="`Roundhouse-Next-After` of the last answer.")] = "0",
        types: Annotated[list[EventType] | None, Query(description="Absent: requests and corrections.")] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 500,
    ) -> _CloudEvents:
        """Return events as a batch of CloudEvents in the order in which they were entered: ask again with
        `Roundhouse-Next-After`, and nothing is left out or comes twice.

        A request is told with the cost that it was entered with; corrections of it are events of their own. Thresholds
        of budgets are told of whole tenants only: of the other filters none holds for them.
        """
        chosen = set(types or (EventType.USAGE, EventType.CORRECTION))
        if EventType.BUDGET in chosen:
            _require_budgets(subject, wanted)
        cursor, page = FeedCursor.parse(after), None
        while page is None or not (page.events or page.is_end):
            async with db.read() as session:
                page = await read_feed(session, cursor, wanted=wanted, types=chosen, limit=limit)
            if page.has_gap:
                raise RecordsGone(
                    f"Records after {cursor} are not kept any more: some would be missing. Begin again with after=0 "
                    "and take what is there; sums of before are kept: GET /usage by hours or more."
                )
            cursor = page.following
        body = msgspec.json.encode([one.event for one in page.events])
        return _CloudEvents(body, headers={"roundhouse-next-after": str(page.following)})

    return routes


def _require_budgets(subject: Subject, wanted: UsageFilter) -> None:
    if wanted.equal or wanted.project_ids is not None or not allowed(subject, "budgets:read", wanted.tenant_id or ""):
        raise Forbidden("Thresholds of budgets are for those who may read the tenant's budgets, without other filters.")


_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
        }
    }
}
_CSV: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


def _download(rows: AsyncIterator[str], name: str) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


async def _records(db: Database, wanted: UsageFilter) -> AsyncIterator[str]:
    names = list(UsageEntry.model_fields)
    yield _csv([names])
    after: Position | None = None
    while True:
        async with db.read() as session:
            found = await entries(session, wanted, after=after, limit=_PAGE)
        if not found:
            return
        shown = [UsageEntry.of(entry).model_dump(mode="json") for entry in found]
        yield _csv([_safe(row[name]) for name in names] for row in shown)
        last = found[-1].record
        after = Position(admitted_at=last.admitted_at, request_id=last.request_id)


async def _focus(
    db: Database, wanted: UsageFilter, days: range, money: str, prices: PriceTable, clock: Clock
) -> AsyncIterator[str]:
    yield _csv([list(FOCUS_COLUMNS)])
    for day in days:
        of_day = replace(wanted, since=float(day * DAY_S), until=float((day + 1) * DAY_S))
        query = UsageQuery(filter=of_day, by=_FOCUS_BY, has_latency=False)
        async with db.read() as session:
            found = await usage_figures(session, query, now=clock.now())
            held = await time_rows(session, wanted, day, prices=prices, money=money, now=clock.now())
        rows: list[Mapping[str, str]] = []
        for (_, values), amounts in sorted(found.rows.items(), key=lambda row: row[0]):
            given = {COLUMNS[by]: value for by, value in zip(_FOCUS_BY, values, strict=True)}
            begin = datetime.fromtimestamp(day * DAY_S, UTC)
            rows.append(focus_row(FocusCharge(day=begin, currency=money, **given), amounts))
        rows += held
        yield _csv([not_computed(row[name]) for name in FOCUS_COLUMNS] for row in rows)


def _csv(rows: Iterable[Iterable[Any]]) -> str:  # Any: texts and numbers
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _safe(value: object) -> object:
    """Keep a spreadsheet from running a text that a client sent as a formula."""
    return not_computed(value) if isinstance(value, str) else value

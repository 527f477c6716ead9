"""Usage for other programs: records as CSV, costs by day as FOCUS rows, records as CloudEvents from a cursor."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, StreamingResponse

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import requires
from roundhouse_common.http.times import rfc3339
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.usage_schemas import UsageEntry
from roundhouse_metering.api.usage_scope import UsageScope
from roundhouse_metering.domain.cells import DAY_S
from roundhouse_metering.domain.focus import FOCUS_COLUMNS, FocusCharge, focus_row
from roundhouse_metering.domain.usage import COLUMNS, Dimension, UsageFilter, UsageQuery
from roundhouse_metering.store.analytics import currency, usage_figures
from roundhouse_metering.store.ledger import LedgerEntry, Position, entries, entries_after

__all__ = ["cloud_event", "export_routes"]

_Exporter = Annotated[Subject, Depends(requires("usage:export"))]
_PAGE: Final = 2_000
_MOST_DAYS: Final = 400


class _CloudEvents(JSONResponse):
    media_type = "application/cloudevents-batch+json"


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_FOCUS_BY: Final = (
    *(Dimension.TENANT, Dimension.PROJECT, Dimension.USER, Dimension.KEY, Dimension.SERVED_MODEL, Dimension.KIND),
    *(Dimension.DEPLOYMENT, Dimension.PROVIDER, Dimension.REGION),
)
EVENT_TYPE: Final = "io.roundhouse.usage.request.settled.v1"


def export_routes(db: Database, clock: Clock) -> APIRouter:
    """Return the routes below /api/v1/usage that hand out everything that fits the filters."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["exports"])

    @routes.get("/records.csv", response_class=StreamingResponse, responses=_CSV)
    async def export_records(_subject: _Exporter, wanted: UsageScope) -> StreamingResponse:
        """Return every record as CSV, the oldest first, however many there are."""
        return _download(_records(db, wanted), "usage-records.csv")

    @routes.get("/focus.csv", response_class=StreamingResponse, responses=_CSV)
    async def export_focus(_subject: _Exporter, wanted: UsageScope) -> StreamingResponse:
        """Return costs and usage by whole UTC days as FOCUS 1.2 rows."""
        since, until = wanted.since, wanted.until if wanted.until is not None else clock.now()
        if since is None:
            raise InvalidInput("An export needs a start.", FieldError("since", "is required"))
        first, last = int(since // DAY_S), -int(-until // DAY_S)
        if last - first > _MOST_DAYS:
            raise InvalidInput("Too many days.", FieldError("since", f"{_MOST_DAYS} days are the most"))
        async with db.read() as session:
            money = await currency(session)
        if not money:
            raise InvalidInput("There is no price yet, so no currency.", FieldError("since", "add a price book first"))
        return _download(_focus(db, wanted, range(first, last), money, clock), "focus-1.2.csv")

    @routes.get("/events", response_class=_CloudEvents)
    async def list_usage_events(
        _subject: _Exporter,
        wanted: UsageScope,
        after: Annotated[int, Query(ge=0, le=2**53, description="`Roundhouse-Next-After` of the last answer.")] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 500,
    ) -> _CloudEvents:
        """Return records as a batch of CloudEvents in the order in which they were entered: ask again with
        `Roundhouse-Next-After`, and nothing is left out or comes twice."""
        async with db.read() as session:
            found = await entries_after(session, after, wanted=wanted, limit=limit)
        following = found[-1].entry if found else after
        return _CloudEvents([cloud_event(entry) for entry in found], headers={"roundhouse-next-after": str(following)})

    return routes


def cloud_event(entry: LedgerEntry) -> dict[str, Any]:  # Any: a JSON document
    """Return a record as a CloudEvent 1.0: its id is the request's, so that whoever gets it twice can tell."""
    return {
        "specversion": "1.0",
        "id": entry.record.request_id,
        "source": f"/roundhouse/routers/{entry.record.router_id}",
        "type": EVENT_TYPE,
        "time": rfc3339(entry.record.ended_at),
        "subject": entry.record.key_id or None,
        "datacontenttype": "application/json",
        "data": UsageEntry.of(entry).model_dump(mode="json"),
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


async def _focus(db: Database, wanted: UsageFilter, days: range, money: str, clock: Clock) -> AsyncIterator[str]:
    yield _csv([list(FOCUS_COLUMNS)])
    for day in days:
        of_day = replace(wanted, since=float(day * DAY_S), until=float((day + 1) * DAY_S))
        query = UsageQuery(filter=of_day, by=_FOCUS_BY, has_latency=False)
        async with db.read() as session:
            found = await usage_figures(session, query, now=clock.now())
        rows: list[Mapping[str, str]] = []
        for (_, values), amounts in sorted(found.rows.items(), key=lambda row: row[0]):
            given = {COLUMNS[by]: value for by, value in zip(_FOCUS_BY, values, strict=True)}
            begin = datetime.fromtimestamp(day * DAY_S, UTC)
            rows.append(focus_row(FocusCharge(day=begin, currency=money, **given), amounts))
        yield _csv([_safe_text(row[name]) for name in FOCUS_COLUMNS] for row in rows)


def _csv(rows: Iterable[Iterable[Any]]) -> str:  # Any: texts and numbers
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _safe(value: object) -> object:
    return _safe_text(value) if isinstance(value, str) else value


def _safe_text(value: str) -> str:
    """Keep a spreadsheet from running a text that a client sent as a formula. Negative numbers stay."""
    return f"'{value}" if value.startswith(_FORMULA) and not _is_number(value) else value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True

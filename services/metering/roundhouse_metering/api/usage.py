"""Usage: sums and single entries, of the caller's tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Page, PageRequest, moment_of, page_of, page_request, requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.schemas import UsageAnswer, UsageEntry
from roundhouse_metering.domain.usage import BucketWidth, Dimension, UsageFilter, UsageQuery, most_rows, total
from roundhouse_metering.store.ledger import LedgerEntry, Position, entries, usage

__all__ = ["usage_routes"]

_Reader = Annotated[Subject, Depends(requires("usage:read"))]
_Time = Annotated[AwareDatetime | None, Query(description="RFC 3339, with a zone; of the request's admission.")]
_Name = Annotated[str | None, Query(max_length=512)]


def _filter(
    subject: _Reader,
    key_id: _Name = None,
    model: Annotated[str | None, Query(max_length=512, description="The model's name as the client sent it.")] = None,
    user: _Name = None,
    deployment: Annotated[str | None, Query(max_length=512, description="A deployment's id.")] = None,
    since: _Time = None,
    until: _Time = None,
) -> UsageFilter:
    return UsageFilter(
        tenant_id=subject.tenant_id,
        key_id=key_id,
        model=model,
        user_id=user,
        deployment_id=deployment,
        since=None if since is None else unix_seconds(since),
        until=None if until is None else unix_seconds(until),
    )


_Filter = Annotated[UsageFilter, Depends(_filter)]


def usage_routes(db: Database, clock: Clock) -> APIRouter:
    """Return the routes below /api/v1/usage."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["usage"])

    @routes.get("")
    async def get_usage(
        wanted: _Filter,
        by: Annotated[Dimension, Query(description="What to sum by.")] = Dimension.MODEL,
        bucket: Annotated[BucketWidth | None, Query(description="Split by time; needs `since`.")] = None,
    ) -> UsageAnswer:
        """Sum requests and tokens."""
        query = UsageQuery(filter=wanted, by=by, bucket=bucket)
        query.check(now=clock.now())
        async with db.read() as session:
            rows = await usage(session, query)
        if len(rows) > most_rows:
            message = f"The answer has more than {most_rows} rows."
            raise InvalidInput(message, FieldError("since", "use a shorter range, a filter or a wider bucket"))
        return UsageAnswer.of(rows, total(rows))

    @routes.get("/records")
    async def list_usage_records(
        wanted: _Filter, page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[UsageEntry]:
        """List single requests, the oldest first."""
        async with db.read() as session:
            found = await entries(session, wanted, after=_position(page.after), limit=page.fetch)
        return page_of(found, page, key=_key, item=UsageEntry.of)

    return routes


def _key(entry: LedgerEntry) -> str:
    return f"{entry.record.admitted_at!r}/{entry.record.request_id}"


def _position(key: str | None) -> Position | None:
    if key is None:
        return None
    admitted_at, request_id = moment_of(key)
    return Position(admitted_at=admitted_at, request_id=request_id)

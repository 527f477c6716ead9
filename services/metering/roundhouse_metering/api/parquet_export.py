"""Single requests as Apache Parquet: the columns of the CSV, with their types."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from roundhouse_common.database import Database
from roundhouse_metering.api.usage_schemas import UsageEntry
from roundhouse_metering.api.usage_scope import ExportScope
from roundhouse_metering.domain.parquet import Column, Kind, ParquetWriter
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.store.ledger import LedgerEntry, Position, entries, require_kept

__all__ = ["COLUMNS", "parquet_routes"]

_GROUP: Final = 5_000
"""Rows of one group: what is in memory at once, some megabytes."""
_MOMENTS: Final = frozenset(("admitted_at", "ended_at", "recorded_at"))
_KINDS: Final[dict[Any, Kind]] = {str: Kind.TEXT, int: Kind.INTEGER, float: Kind.NUMBER, bool: Kind.FLAG}
_PARQUET: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}}}}
}


def _column(name: str, annotation: Any) -> Column:  # Any: the type of a field
    is_optional = annotation not in _KINDS
    plain = next(kind for kind in _KINDS if annotation in (kind, kind | None))
    kind = Kind.MOMENT if name in _MOMENTS else _KINDS[plain]
    return Column(name=name, kind=kind, is_optional=is_optional)


COLUMNS: Final = tuple(_column(name, field.annotation) for name, field in UsageEntry.model_fields.items())


def parquet_routes(db: Database) -> APIRouter:
    """Return /api/v1/usage/records.parquet."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["exports"])

    @routes.get("/records.parquet", response_class=StreamingResponse, responses=_PARQUET)
    async def export_records_as_parquet(wanted: ExportScope) -> StreamingResponse:
        """Return every record as Apache Parquet, the oldest first, however many there are. Costs are whole nano-units,
        times are in UTC; what is not known is null."""
        async with db.read() as session:
            await require_kept(session, wanted.since)
        headers = {"content-disposition": 'attachment; filename="usage-records.parquet"'}
        return StreamingResponse(_records(db, wanted), media_type="application/vnd.apache.parquet", headers=headers)

    return routes


async def _records(db: Database, wanted: UsageFilter) -> AsyncIterator[bytes]:
    writer = ParquetWriter(COLUMNS)
    yield writer.begin()
    after: Position | None = None
    while True:
        async with db.read() as session:
            found = await entries(session, wanted, after=after, limit=_GROUP)
        if not found:
            break
        yield writer.group([_row(entry) for entry in found])
        last = found[-1].record
        after = Position(admitted_at=last.admitted_at, request_id=last.request_id)
    yield writer.end()


def _row(entry: LedgerEntry) -> Sequence[object]:
    shown = UsageEntry.of(entry)
    return [getattr(shown, column.name) for column in COLUMNS]

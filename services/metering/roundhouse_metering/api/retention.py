"""For operators: what of usage is kept, from when on, and how much that is."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.http import Timestamp, requires
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.cells import RESOLUTIONS
from roundhouse_metering.domain.resolutions import MINUTE_S, QUARTER_S, RAW, Retention
from roundhouse_metering.domain.retention import KeptFor, month_name, records_floor
from roundhouse_metering.store.months import dropped, month_sizes, obstacle, table_bytes
from roundhouse_metering.store.usage_cells import cursors, kept

__all__ = ["KeptHere", "retention_routes"]

_Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


@dataclass(frozen=True, slots=True)
class KeptHere:
    """What is set: for usage, and for the curves of machines."""

    usage: KeptFor = field(default_factory=KeptFor)
    samples: Retention = field(default_factory=Retention)


class KeptMonth(BaseModel):
    """A month of records."""

    month: str = Field(description="E.g. `2026-11`, UTC, of admission.")
    requests: int = Field(description="Those that are counted already.")
    size_bytes: int | None = Field(description="With indexes; null on SQLite, which does not tell.")
    is_due: bool = Field(description="It is older than records are kept, and is about to be removed.")
    held_because: str = Field(description="Why a month that is due stays for now; empty: nothing is known against it.")


class GoneMonth(BaseModel):
    """A month whose records were removed, and what they added up to; its sums by hour and day are kept."""

    month: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_nano: int = Field(description="Corrections included.")
    dropped_at: Timestamp


class KeptSums(BaseModel):
    """Sums of one resolution."""

    resolution_s: int
    kept_s: int | None = Field(description="How long; null: for ever.")
    since: Timestamp | None = Field(description="They hold everything from then on; null: from the first record on.")


class RetentionAnswer(BaseModel):
    """What of usage is kept. The audit and what replicas held are kept for ever."""

    keep_record_months: int = Field(description="Whole months beside the one that is now; 0: for ever.")
    records_since: Timestamp | None = Field(description="Records of before are gone; null: none was ever removed.")
    months: list[KeptMonth]
    gone: list[GoneMonth]
    sums: list[KeptSums]
    samples: list[KeptSums] = Field(description="Curves of nodes, replicas and devices; 0 s: as they came.")
    bytes: dict[str, int] = Field(description="Taken on disk: by table on Postgres, by the whole file on SQLite.")


def retention_routes(db: Database, clock: Clock, here: KeptHere) -> APIRouter:
    """Return /api/v1/retention."""
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/retention")
    async def get_retention(_subject: _Administrator) -> RetentionAnswer:
        """Tell what of usage is kept, from when on, how much it is, and what was removed."""
        async with db.read() as session:
            is_there = kept(await cursors(session))
            months = await _months(session, records_floor(clock.now(), here.usage.months))
            gone = await dropped(session)
            sizes = await table_bytes(session)
        return RetentionAnswer(
            keep_record_months=here.usage.months,
            records_since=is_there.records or None,
            months=months,
            gone=[
                GoneMonth(
                    month=month_name(one.month),
                    requests=one.totals.requests,
                    input_tokens=one.totals.input_tokens,
                    output_tokens=one.totals.output_tokens,
                    cost_nano=one.totals.cost_nano,
                    dropped_at=one.dropped_at,
                )
                for one in gone
            ],
            sums=[
                KeptSums(
                    resolution_s=resolution_s,
                    kept_s=here.usage.cells.get(resolution_s),
                    since=is_there.since(resolution_s) or None,
                )
                for resolution_s in RESOLUTIONS
            ],
            samples=[_samples(here.samples, resolution_s, clock.now()) for resolution_s in (RAW, MINUTE_S, QUARTER_S)],
            bytes=sizes,
        )

    return routes


async def _months(session: ReadSession, floor: int) -> list[KeptMonth]:
    return [
        KeptMonth(
            month=month_name(size.month),
            requests=size.requests,
            size_bytes=size.bytes,
            is_due=size.month < floor,
            held_because=await obstacle(session, size.month) if size.month < floor else "",
        )
        for size in await month_sizes(session)
    ]


def _samples(retention: Retention, resolution_s: int, now: float) -> KeptSums:
    kept_s = int(retention.of(resolution_s))
    return KeptSums(resolution_s=resolution_s, kept_s=kept_s, since=now - kept_s)

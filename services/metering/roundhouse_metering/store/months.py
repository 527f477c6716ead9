"""Months of the ledger: partitions on Postgres, ranges of time on SQLite; how big they are, and dropping one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Text, column, delete, func, literal_column, select, text, values

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_metering.domain.cells import DAY_S, View
from roundhouse_metering.domain.retention import DayTotals, month_after, month_name, month_start
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import (
    CORRECTIONS,
    DROPPED,
    FLOOR,
    LEDGER,
    cursors,
    put_cursors,
)
from roundhouse_metering.store.usage_tables import admitted_ranges, dropped_months, usage_cells, usage_series
from roundhouse_metering.store.webhooks import webhooks

__all__ = [
    "DroppedMonth",
    "MonthSize",
    "delete_dropped",
    "drop_month",
    "dropped",
    "known_sequences",
    "make_months",
    "month_sizes",
    "obstacle",
    "table_bytes",
    "totals_of_cells",
    "totals_of_records",
]

_LOCK_TIMEOUT: Final = text("SET LOCAL lock_timeout = '2s'")
"""Dropping a partition stops all readers and writers of the ledger for a moment, and waits no longer for its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSize:
    """How much there is of one month."""

    month: int
    requests: int
    """By its cells."""
    bytes: int | None
    """Of its partition with its indexes; None on SQLite, which does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedMonth:
    """What the records of a month added up to that is not kept any more."""

    month: int
    totals: DayTotals
    dropped_at: float


async def make_months(session: WriteSession, times: Iterable[float]) -> None:
    """Make the partitions that records of these times go to. On SQLite there are none."""
    wanted = {_partition(month): month for month in {month_start(at) for at in times}}
    if session.dialect != "postgresql" or not wanted:
        return
    given = values(column("name", Text), name="wanted").data([(name,) for name in wanted])
    missing = select(given.c.name).where(func.to_regclass(given.c.name).is_(None))
    for name in (await session.execute(missing)).scalars().all():
        # Attached, not created in its place: that would wait for, and hold up, every reader of the ledger.
        since, until = wanted[name], month_after(wanted[name])
        await session.execute(text(f"CREATE TABLE {name} (LIKE ledger INCLUDING DEFAULTS)"))
        await session.execute(
            text(f"ALTER TABLE ledger ATTACH PARTITION {name} FOR VALUES FROM ({since}) TO ({until})")
        )


async def month_sizes(session: ReadSession) -> list[MonthSize]:
    """Return the months that have records, the oldest first."""
    at = await cursors(session)
    by_day = select(usage_cells.c.at, func.sum(usage_cells.c.requests)).where(
        usage_cells.c.view == int(View.TOTAL), usage_cells.c.resolution_s == DAY_S, usage_cells.c.at >= at[FLOOR]
    )
    requests: dict[int, int] = {}
    for day, count in await session.execute(by_day.group_by(usage_cells.c.at)):
        requests[month_start(day)] = requests.get(month_start(day), 0) + int(count)
    partitions = await _partition_bytes(session)
    return [
        MonthSize(month=month, requests=requests.get(month, 0), bytes=partitions.get(_partition(month)))
        for month in sorted({*requests})
    ]


async def table_bytes(session: ReadSession) -> dict[str, int]:
    """Return how much of the disk is taken: by table on Postgres, by the file on SQLite."""
    if session.dialect == "sqlite":
        pages = select(literal_column("page_count", BigInteger) * literal_column("page_size", BigInteger))
        pages = pages.select_from(func.pragma_page_count(), func.pragma_page_size())
        return {"database": int(await session.scalar(pages) or 0)}
    names = ("usage_series", "compute_samples", "device_samples", "replica_spans", "corrections")
    sizes = select(*(func.pg_total_relation_size(name).label(name) for name in names))
    found = (await session.execute(sizes)).one()._mapping
    partitioned = {name: sum((await _partition_bytes(session, name)).values()) for name in ("ledger", "usage_cells")}
    return {**partitioned, **{name: int(found[name]) for name in names}}


async def _partition_bytes(session: ReadSession, table: str = "ledger") -> dict[str, int]:
    if session.dialect == "sqlite":
        return {}
    tree = func.pg_partition_tree(literal_column(f"'{table}'::regclass")).table_valued("relid", "level")
    name = literal_column("relid::regclass::text", Text)
    size = literal_column("pg_total_relation_size(relid)", BigInteger)
    found = select(name, size).select_from(tree).where(literal_column("level", BigInteger) == 1)
    return {row[0]: int(row[1]) for row in await session.execute(found)}


async def obstacle(session: ReadSession, month: int) -> str:
    """Return why a month's records must stay for now, or nothing."""
    at = await cursors(session)
    within = (ledger.c.admitted_at >= month, ledger.c.admitted_at < month_after(month))
    newer = ledger.c.entry > at[LEDGER]
    if await session.scalar(select(ledger.c.entry).where(*within, newer).limit(1)) is not None:
        return "some of its records are in no sum yet"
    of = (corrections.c.admitted_at >= month, corrections.c.admitted_at < month_after(month))
    later = corrections.c.correction_id > at[CORRECTIONS]
    if await session.scalar(select(corrections.c.correction_id).where(*of, later).limit(1)) is not None:
        return "some of its corrections are in no sum yet"
    return await _reader_behind(session, within)


async def _reader_behind(session: ReadSession, within: tuple[ColumnElement[bool], ...]) -> str:
    """Return which webhook has not had everything yet."""
    enabled = select(webhooks.c.webhook_id, webhooks.c.at_entry).where(webhooks.c.is_enabled)
    slowest = (await session.execute(enabled.order_by(webhooks.c.at_entry).limit(1))).first()
    if slowest is None:
        return ""
    waiting = select(ledger.c.entry).where(*within, ledger.c.entry > slowest.at_entry).limit(1)
    if await session.scalar(waiting) is None:
        return ""
    return f"webhook {slowest.webhook_id} has not had all of it yet; disable it to go on without"


async def totals_of_records(session: ReadSession, day: int) -> DayTotals:
    """Add up a day's records and their corrections."""
    tenants = select(usage_series.c.tenant_id).where(usage_series.c.view == int(View.TOTAL)).distinct()
    within = (ledger.c.tenant_id.in_(tenants), ledger.c.admitted_at >= day, ledger.c.admitted_at < day + DAY_S)
    sums = [func.sum(ledger.c[name]) for name in ("input_tokens", "output_tokens", "cost_nano")]
    found = (await session.execute(select(func.count(), *sums).where(*within))).one()
    requests, inputs, outputs, cost = tuple(found)
    of = (
        corrections.c.tenant_id.in_(tenants),
        corrections.c.admitted_at >= day,
        corrections.c.admitted_at < day + DAY_S,
    )
    delta = await session.scalar(select(func.sum(corrections.c.delta_nano)).where(*of))
    return DayTotals(
        requests=requests,
        input_tokens=int(inputs or 0),
        output_tokens=int(outputs or 0),
        cost_nano=int(cost or 0) + int(delta or 0),
    )


async def totals_of_cells(session: ReadSession, day: int) -> DayTotals:
    """Add up a day's cells."""
    of_day = (
        usage_cells.c.view == int(View.TOTAL),
        usage_cells.c.resolution_s == DAY_S,
        usage_cells.c.at == day,
    )
    sums = [func.sum(usage_cells.c[name]) for name in DayTotals.__dataclass_fields__]
    found = (await session.execute(select(*sums).where(*of_day))).one()
    return DayTotals(
        **{name: int(total or 0) for name, total in zip(DayTotals.__dataclass_fields__, found, strict=True)}
    )


async def drop_month(session: WriteSession, month: int, totals: DayTotals, *, now: float) -> None:
    """Drop a month's records; what they added up to is noted. It must be the oldest one.

    On SQLite its rows only do not count any more: `delete_dropped` removes them, some at a time.
    """
    at = await cursors(session)
    within = (ledger.c.admitted_at >= at[FLOOR], ledger.c.admitted_at < month_after(month))
    last = await session.scalar(select(func.max(ledger.c.entry)).where(*within)) or 0
    if session.dialect == "postgresql":
        await session.execute(_LOCK_TIMEOUT)
        for name in await _partition_bytes(session):
            if name <= _partition(month):
                await session.execute(text(f"DROP TABLE {name}"))
    names = ("requests", "input_tokens", "output_tokens", "cost_nano")
    figures = {name: getattr(totals, name) for name in names}
    await session.execute(dropped_months.insert(), {"month": month, **figures, "last_entry": last, "dropped_at": now})
    await put_cursors(session, {FLOOR: month_after(month), DROPPED: max(last, at[DROPPED])})


async def delete_dropped(session: WriteSession, limit: int) -> int:
    """Delete some rows of before the floor; return how many."""
    at = await cursors(session)
    tenants = select(usage_series.c.tenant_id).where(usage_series.c.view == int(View.TOTAL)).distinct()
    gone = (ledger.c.tenant_id.in_(tenants), ledger.c.admitted_at < at[FLOOR])
    some = select(ledger.c.entry).where(*gone).limit(limit)
    return (await session.execute(delete(ledger).where(ledger.c.entry.in_(some)))).rowcount


async def dropped(session: ReadSession) -> list[DroppedMonth]:
    """Return the months that are not kept any more, the oldest first."""
    found = await session.execute(select(dropped_months).order_by(dropped_months.c.month))
    names = DayTotals.__dataclass_fields__
    return [
        DroppedMonth(
            month=row.month, totals=DayTotals(**{name: getattr(row, name) for name in names}), dropped_at=row.dropped_at
        )
        for row in found
    ]


async def known_sequences(session: ReadSession, numbers: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return which numbers of routers the ledger has, or had: what is asked where the records are gone."""
    wanted = set(numbers)
    mine = select(admitted_ranges).where(admitted_ranges.c.router_id.in_({router_id for router_id, _ in wanted}))
    ranges = (await session.execute(mine)).all()
    return {
        (router_id, number)
        for router_id, number in wanted
        if any(row.router_id == router_id and row.first <= number <= row.last for row in ranges)
    }


def _partition(month: int) -> str:
    return f"ledger_{month_name(month).replace('-', '_')}"

"""The pass that counts new entries of the ledger into cells, exactly once: what it adds and how far it came are one
transaction, and it starts over when another instance was faster."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import delete, select

from roundhouse_common.database import Database, ReadSession, WriteSession, upsert
from roundhouse_metering.domain.admitted import RouterHour, extended
from roundhouse_metering.domain.amounts import LINE, SUMS, VALUES, Amounts, Line
from roundhouse_metering.domain.cells import HOUR_S, KEPT_S, CellKey, SeriesKey, View, digest, tally
from roundhouse_metering.domain.retention import Kept
from roundhouse_metering.store.bulk import among, put_rows
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_tables import (
    admitted_ranges,
    router_hours,
    usage_cells,
    usage_cursors,
    usage_series,
)

__all__ = [
    "CORRECTED",
    "CORRECTIONS",
    "DROPPED",
    "FLOOR",
    "LEDGER",
    "LINE_COLUMNS",
    "ROUTERS",
    "Series",
    "Uncounted",
    "begin_anew",
    "cursors",
    "forget_cells",
    "keep_cells",
    "kept",
    "packed_cells",
    "put_cells",
    "put_cursors",
    "roll_up",
    "uncounted",
]

LEDGER, CORRECTIONS, ROUTERS, FLOOR, DROPPED = "ledger", "corrections", "routers", "floor", "dropped"
"""How far was counted: entries, corrections, entries into what routers admitted. `floor`, in Unix seconds: what was
admitted before is not in the ledger any more, and its cells are as they are. `dropped`: the last entry that went so."""
_SINCE: Final = {resolution_s: f"kept_{resolution_s}" for resolution_s in KEPT_S}
"""Resolution -> from when on, in Unix seconds, its cells hold everything; older ones are forgotten."""
_CURSORS: Final = (LEDGER, CORRECTIONS, ROUTERS, FLOOR, DROPPED, *_SINCE.values())
CORRECTED: Final = (ledger.c.request_id == corrections.c.request_id) & (
    ledger.c.admitted_at == corrections.c.admitted_at
)
"""Joins corrections with their records; by the time, too, which says in which partition a record is."""
LINE_COLUMNS: Final = tuple(ledger.c[name] for name in LINE)
_KEY: Final = ("view", "resolution_s", "at", "series_id")
_FIGURES: Final = (*SUMS, "latency_max_us", "first_token_max_us", "latency_sketch", "first_token_sketch")
_CELL: Final = tuple(usage_cells.c[name] for name in (*_KEY, *_FIGURES))
_ENTRY, _ROUTER, _ADMITTED, _OUTCOME = (LINE.index(name) for name in ("entry", "router_id", "admitted_at", "outcome"))


PackedCells = Mapping[CellKey, tuple[int | bytes, ...]]
"""Their columns behind the key."""


@dataclass
class Series:
    """The ids of series that this process has met. They never change."""

    ids: dict[tuple[View, SeriesKey], int] = field(default_factory=dict)

    async def learn(self, session: ReadSession, wanted: Iterable[tuple[View, SeriesKey]]) -> None:
        """Look up those that are not known yet."""
        missing = {digest(*series): series for series in wanted if series not in self.ids}
        if not missing:
            return
        found = select(usage_series.c.digest, usage_series.c.series_id).where(
            among(session.dialect, usage_series.c.digest, list(missing))
        )
        self.ids.update({missing[row.digest]: row.series_id for row in await session.execute(found)})

    async def make(self, session: WriteSession, wanted: Iterable[tuple[View, SeriesKey]]) -> None:
        """Make those that do not exist yet."""
        rows = [(digest(view, series), int(view), *series) for view, series in wanted if (view, series) not in self.ids]
        await put_rows(session, usage_series, ("digest", "view", *VALUES), rows, key=("digest",))
        await self.learn(session, wanted)


@dataclass(kw_only=True)
class Uncounted:
    """What is to be counted: records and corrections, from where, and how far that is."""

    at: dict[str, int]
    lines: Sequence[Line]
    fixes: Sequence[tuple[Line, int, bool]]
    to: dict[str, int]


async def cursors(session: ReadSession) -> dict[str, int]:
    """Return how far each count came, and from when on what is kept; 0 at first."""
    found = {row.name: row.entry for row in await session.execute(select(usage_cursors))}
    return {name: found.get(name, 0) for name in _CURSORS}


def kept(at: Mapping[str, int]) -> Kept:
    """Return from when on there is what, by the cursors."""
    return Kept(records=at[FLOOR], cells={resolution_s: at[name] for resolution_s, name in _SINCE.items()})


async def put_cursors(session: WriteSession, to: Mapping[str, int]) -> None:
    """Note how far something came."""
    put = upsert(session.dialect, usage_cursors, key=["name"], update=["entry"])
    await session.execute(put, [{"name": name, "entry": entry} for name, entry in to.items()])


async def roll_up(db: Database, series: Series, *, limit: int) -> int:
    """Count up to `limit` entries and as many corrections; return how many that were."""
    async with db.read() as session:
        work = await uncounted(session, await cursors(session), limit)
        # In a thread: entering, and answers, go on meanwhile.
        added = await asyncio.to_thread(tally, work.lines, work.fixes, kept_since=kept(work.at).cells)
        await series.learn(session, {(key.view, key.series) for key in added})
        before = await _cells(session, series, added)
        routers = await _routers(session, [line for line in work.lines if line[_ENTRY] > work.at[ROUTERS]])
    if work.to == work.at:
        return 0
    for key, amounts in before.items():
        amounts.add(added[key])
    figures = await asyncio.to_thread(packed_cells, added | before)
    async with db.write() as session:
        if await cursors(session) != work.at:
            return 0
        try:
            await series.make(session, list({(key.view, key.series): None for key in added}))
            await put_cells(session, series, figures)
            await _write_routers(session, routers)
            await put_cursors(session, work.to)
        except BaseException:
            series.ids.clear()  # ids of series that were made in vain
            raise
    return len(work.lines) + len(work.fixes)


async def begin_anew(session: WriteSession) -> None:
    """Forget what was counted; the next passes count the whole ledger again. Cells of before the floor stay."""
    at = await cursors(session)
    await session.execute(delete(usage_cells).where(usage_cells.c.at >= at[FLOOR]))
    await put_cursors(session, {LEDGER: 0, CORRECTIONS: 0})


async def keep_cells(session: WriteSession, resolution_s: int, since: int) -> int:
    """Note that cells of a resolution are kept from a time on only, and return it: never earlier than it was."""
    name = _SINCE[resolution_s]
    before = (await cursors(session))[name]
    if since > before:
        await put_cursors(session, {name: since})
    return max(since, before)


async def forget_cells(session: WriteSession, resolution_s: int, before: int, limit: int) -> int:
    """Delete fine cells that are too old, the oldest first; return how many."""
    forgotten = 0
    for view in View:
        old = (usage_cells.c.view == int(view), usage_cells.c.resolution_s == resolution_s, usage_cells.c.at < before)
        last = select(usage_cells.c.at).where(*old).order_by(usage_cells.c.at).offset(limit).limit(1)
        until = await session.scalar(last) or before
        forgotten += (await session.execute(delete(usage_cells).where(*old, usage_cells.c.at <= until))).rowcount
    return forgotten


async def uncounted(session: ReadSession, at: dict[str, int], limit: int) -> Uncounted:
    """Return up to `limit` entries, and as many corrections, that no cell has yet."""
    is_kept = ledger.c.admitted_at >= at[FLOOR]
    entered = select(*LINE_COLUMNS).where(ledger.c.entry > at[LEDGER], is_kept).order_by(ledger.c.entry).limit(limit)
    lines = [tuple(row) for row in await session.execute(entered)]
    made = (
        select(corrections.c.correction_id, corrections.c.delta_nano, corrections.c.was_unpriced, *LINE_COLUMNS)
        .join(ledger, CORRECTED)
        .where(corrections.c.correction_id > at[CORRECTIONS], is_kept)
        .order_by(corrections.c.correction_id)
        .limit(limit)
    )
    fixed = (await session.execute(made)).all()
    to = dict(at)
    if lines:
        to[LEDGER] = lines[-1][_ENTRY]
        to[ROUTERS] = max(at[ROUTERS], to[LEDGER])
    if fixed:
        to[CORRECTIONS] = fixed[-1].correction_id
    fixes = [(tuple(row[3:]), row.delta_nano, row.was_unpriced) for row in fixed]
    return Uncounted(at=at, lines=lines, fixes=fixes, to=to)


async def _cells(session: ReadSession, series: Series, wanted: Mapping[CellKey, Amounts]) -> dict[CellKey, Amounts]:
    """Return what the wanted cells hold already."""
    groups: dict[tuple[View, int], list[CellKey]] = {}
    for key in wanted:
        if (key.view, key.series) in series.ids:
            groups.setdefault((key.view, key.resolution_s), []).append(key)
    found: dict[CellKey, Amounts] = {}
    for (view, resolution_s), keys in groups.items():
        by_id = {(key.at, series.ids[view, key.series]): key for key in keys}
        statement = select(*_CELL).where(
            usage_cells.c.view == int(view),
            usage_cells.c.resolution_s == resolution_s,
            among(session.dialect, usage_cells.c.at, sorted({at for at, _ in by_id})),
            among(session.dialect, usage_cells.c.series_id, sorted({number for _, number in by_id})),
        )
        for row in await session.execute(statement):
            if (row.at, row.series_id) in by_id:
                found[by_id[row.at, row.series_id]] = _amounts(row)
    return found


def _amounts(row: Sequence[Any]) -> Amounts:  # Any: a row of _CELL
    amounts = Amounts()
    *amounts.sums, amounts.latency_max_us, amounts.first_token_max_us, latency, first_token = row[len(_KEY) :]
    amounts.latency.add(latency)
    amounts.first_token.add(first_token)
    return amounts


def packed_cells(cells: Mapping[CellKey, Amounts]) -> PackedCells:
    """Return cells as they are written."""
    return {
        key: (
            *amounts.sums,
            *(amounts.latency_max_us, amounts.first_token_max_us),
            *(amounts.latency.packed(), amounts.first_token.packed()),
        )
        for key, amounts in cells.items()
    }


async def put_cells(session: WriteSession, series: Series, cells: PackedCells) -> None:
    """Write cells as they are now; their series are known."""
    rows = [
        (int(key.view), key.resolution_s, key.at, series.ids[key.view, key.series], *figures)
        for key, figures in cells.items()
    ]
    await put_rows(session, usage_cells, (*_KEY, *_FIGURES), rows, key=_KEY, update=_FIGURES)


@dataclass(kw_only=True)
class _Routers:
    before: dict[str, list[tuple[int, int]]]
    after: dict[str, list[tuple[int, int]]]
    hours: dict[tuple[str, int], RouterHour]


async def _routers(session: ReadSession, lines: Sequence[Line]) -> _Routers:
    """Return what routers admitted, with these records."""
    numbers: dict[str, list[int]] = {}
    for line in lines:
        numbers.setdefault(line[_ROUTER], []).append(line[_ROUTER + 1])
    before: dict[str, list[tuple[int, int]]] = {router_id: [] for router_id in numbers}
    for row in await session.execute(
        select(admitted_ranges).where(among(session.dialect, admitted_ranges.c.router_id, list(numbers)))
    ):
        before[row.router_id].append((row.first, row.last))
    hours: dict[tuple[str, int], RouterHour] = {}
    wanted = {(line[_ROUTER], int(line[_ADMITTED]) // HOUR_S * HOUR_S) for line in lines}
    for row in await session.execute(
        select(router_hours).where(
            among(session.dialect, router_hours.c.router_id, list(numbers)),
            among(session.dialect, router_hours.c.hour, sorted({hour for _, hour in wanted})),
        )
    ):
        kept = {name: value for name, value in row._mapping.items() if name not in ("router_id", "hour")}
        hours[row.router_id, row.hour] = RouterHour(**kept)
    for line in lines:
        key, sequence = (line[_ROUTER], int(line[_ADMITTED]) // HOUR_S * HOUR_S), line[_ROUTER + 1]
        hours.setdefault(key, RouterHour(first=sequence, last=sequence)).count(sequence, line[_OUTCOME])
    after = {router_id: extended(before[router_id], numbers[router_id]) for router_id in numbers}
    return _Routers(before=before, after=after, hours={key: hours[key] for key in wanted})


async def _write_routers(session: WriteSession, routers: _Routers) -> None:
    for router_id, ranges in routers.before.items():
        kept = {first for first, _ in routers.after[router_id]}
        gone = [first for first, _ in ranges if first not in kept]
        of_router = admitted_ranges.c.router_id == router_id
        await session.execute(
            delete(admitted_ranges).where(of_router, among(session.dialect, admitted_ranges.c.first, gone))
        )
    rows = [(router_id, *one) for router_id, ranges in routers.after.items() for one in ranges]
    key = ("router_id", "first")
    await put_rows(session, admitted_ranges, (*key, "last"), rows, key=key, update=("last",))
    names = ("first", "last", "completed", "failed", "aborted")
    hours = [
        (router_id, at, hour.first, hour.last, hour.completed, hour.failed, hour.aborted)
        for (router_id, at), hour in routers.hours.items()
    ]
    await put_rows(session, router_hours, ("router_id", "hour", *names), hours, key=("router_id", "hour"), update=names)

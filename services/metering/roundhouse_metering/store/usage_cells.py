"""The pass that counts new entries of the ledger into cells, exactly once: what it adds and how far it came are one
transaction, and it starts over when another instance was faster."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import delete, select

from roundhouse_common.database import Database, ReadSession, WriteSession, upsert
from roundhouse_metering.domain.amounts import LINE, SUMS, VALUES, Amounts, Line
from roundhouse_metering.domain.cells import KEPT_S, CellKey, SeriesKey, View, digest, tally
from roundhouse_metering.domain.retention import Kept
from roundhouse_metering.store.admitted import admitted, ended, put_admitted
from roundhouse_metering.store.bulk import among, put_rows
from roundhouse_metering.store.money_tables import corrections
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_tables import usage_cells, usage_cursors, usage_series

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
_CELL: Final = tuple(usage_cells.c[name] for name in ("at", "series_id", *_FIGURES))
_ENTRY: Final = LINE.index("entry")


_CELLS_KNOWN: Final = 30_000
"""So many are kept in memory at the most, of about 1.3 KB each."""

Figures = tuple[Any, ...]
"""The columns of a cell behind its key: whole numbers, and two sketches."""
PackedCells = Mapping[CellKey, Figures]


class KnownCells:
    """Cells as the last passes of this process wrote them, so that the next one need not read them.

    What a cell holds follows from the ledger and from how far it was counted: at the same cursors it is the same,
    whoever wrote it. At other ones nothing is known.
    """

    def __init__(self) -> None:
        self._at: Mapping[str, int] = {}
        self._cells: dict[CellKey, Figures] = {}

    def at(self, cursors: Mapping[str, int]) -> PackedCells:
        """Return what is known of cells at these cursors."""
        return self._cells if cursors == self._at else {}

    def put(self, cells: PackedCells, before: Mapping[str, int], to: Mapping[str, int]) -> None:
        """Note what was written by a pass from some cursors to others; the oldest are forgotten."""
        if before != self._at:
            self._cells = {}
        for key in cells:
            self._cells.pop(key, None)
        self._cells.update(cells)
        for key in list(islice(self._cells, max(0, len(self._cells) - _CELLS_KNOWN))):
            del self._cells[key]
        self._at = dict(to)


@dataclass
class Series:
    """The ids of series that this process has met, which never change, and what it knows of their cells."""

    ids: dict[tuple[View, SeriesKey], int] = field(default_factory=dict)
    cells: KnownCells = field(default_factory=KnownCells)

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
        if work.to == work.at:
            return 0
        # In a thread: entering, and answers, go on meanwhile.
        added = await asyncio.to_thread(tally, work.lines, work.fixes, kept_since=kept(work.at).cells)
        await series.learn(session, {(key.view, key.series) for key in added})
        before = await _cells(session, series, added, series.cells.at(work.at))
        new = [line for line in work.lines if line[_ENTRY] > work.at[ROUTERS]]
        routers = await admitted(session, *await asyncio.to_thread(ended, new))
    figures = await asyncio.to_thread(packed_cells, added, before)
    try:
        async with db.write() as session:
            if await cursors(session) != work.at:
                return 0
            await series.make(session, list({(key.view, key.series): None for key in added}))
            await put_cells(session, series, figures)
            await put_admitted(session, routers)
            await put_cursors(session, work.to)
    except BaseException:
        series.ids.clear()  # ids of series that were made in vain
        raise
    series.cells.put(figures, work.at, work.to)
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


async def _cells(
    session: ReadSession, series: Series, wanted: Iterable[CellKey], known: PackedCells
) -> dict[CellKey, Figures]:
    """Return what the wanted cells hold already."""
    groups: dict[tuple[View, int], dict[tuple[int, int], CellKey]] = {}
    found: dict[CellKey, Figures] = {}
    for key in wanted:
        if (figures := known.get(key)) is not None:
            found[key] = figures
        elif (series_id := series.ids.get((key.view, key.series))) is not None:
            groups.setdefault((key.view, key.resolution_s), {})[key.at, series_id] = key
    for (view, resolution_s), by_id in groups.items():
        statement = select(*_CELL).where(
            usage_cells.c.view == int(view),
            usage_cells.c.resolution_s == resolution_s,
            among(session.dialect, usage_cells.c.at, sorted({at for at, _ in by_id})),
            among(session.dialect, usage_cells.c.series_id, sorted({number for _, number in by_id})),
        )
        for row in await session.execute(statement):
            if (wanted_one := by_id.get((row[0], row[1]))) is not None:
                found[wanted_one] = tuple(row[2:])
    return found


def packed_cells(cells: Mapping[CellKey, Amounts], before: PackedCells = MappingProxyType({})) -> PackedCells:
    """Return cells as they are written, with what they held before."""
    packed: dict[int, Figures] = {}
    found: dict[CellKey, Figures] = {}
    for key, amounts in cells.items():
        held = before.get(key)
        if held is not None:
            found[key] = _packed(_with(amounts, held))
        elif id(amounts) in packed:
            found[key] = packed[id(amounts)]
        else:
            found[key] = packed[id(amounts)] = _packed(amounts)
    return found


def _with(amounts: Amounts, held: Figures) -> Amounts:
    both = Amounts()
    *sums, latency_max_us, first_token_max_us, latency, first_token = held
    both.add_sums(sums, latency_max_us, first_token_max_us)
    both.latency.add(latency)
    both.first_token.add(first_token)
    both.add(amounts)
    return both


def _packed(amounts: Amounts) -> Figures:
    return (
        *amounts.sums,
        *(amounts.latency_max_us, amounts.first_token_max_us),
        *(amounts.latency.packed(), amounts.first_token.packed()),
    )


async def put_cells(session: WriteSession, series: Series, cells: PackedCells) -> None:
    """Write cells as they are now; their series are known."""
    rows = [
        (int(key.view), key.resolution_s, key.at, series.ids[key.view, key.series], *figures)
        for key, figures in cells.items()
    ]
    await put_rows(session, usage_cells, (*_KEY, *_FIGURES), rows, key=_KEY, update=_FIGURES)

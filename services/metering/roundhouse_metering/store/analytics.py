"""Usage from cells, with what is not in cells yet from the ledger: one snapshot, so that nothing counts twice."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Join,
    Text,
    cast,
    func,
    literal_column,
    select,
    tuple_,
)

from roundhouse_common.database import ReadSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_metering.domain.amounts import LINE, SUMS, VALUES, Amounts, Line
from roundhouse_metering.domain.cells import View, view_for
from roundhouse_metering.domain.plans import RECORDS, Part, bucket_start, parts
from roundhouse_metering.domain.usage import COLUMNS, BucketWidth, UsageQuery, most_rows
from roundhouse_metering.store.money_tables import corrections, price_versions
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import (
    CORRECTED,
    CORRECTIONS,
    LEDGER,
    LINE_COLUMNS,
    Uncounted,
    cursors,
    kept,
    uncounted,
)
from roundhouse_metering.store.usage_tables import usage_cells, usage_series

__all__ = ["OTHER", "Choose", "Place", "UsageFigures", "currency", "usage_figures"]

OTHER: Final = "(other)"
"""Stands for each value of what is summed up because it is not among the first."""

_MOST_RECORDS: Final = 200_000
_TAIL: Final = 20_000
_ADMITTED: Final = LINE.index("admitted_at")
_PROJECT: Final = VALUES.index("project_id")
_ZERO: Final[ColumnElement[int]] = literal_column("0", Integer)
_SUMS: Final = tuple(cast(func.sum(usage_cells.c[name]), BigInteger).label(name) for name in SUMS)
_MAXIMA: Final = tuple(func.max(usage_cells.c[name]) for name in ("latency_max_us", "first_token_max_us"))

Place = tuple[int, tuple[str, ...]]
"""Start of the bucket in Unix seconds (0 without buckets), and the values that were summed by."""


@dataclass(kw_only=True)
class UsageFigures:
    rows: dict[Place, Amounts] = field(default_factory=dict)
    is_complete: bool = True
    """False while much is not counted yet: after an upgrade, a rebuild or a rush."""

    def at(self, place: Place) -> Amounts:
        """Return the amounts of a place, which are 0 at first. Raises InvalidInput when there are too many."""
        found = self.rows.get(place)
        if found is None:
            if len(self.rows) >= most_rows:
                message = f"The answer has more than {most_rows} rows."
                raise InvalidInput(message, FieldError("since", "use a shorter range, a filter or a wider bucket"))
            found = self.rows[place] = Amounts()
        return found


Choose = Callable[[UsageFigures], Set[tuple[str, ...]]]
"""Says which values are to be told apart, from sums and maxima: sketches are not read yet."""


async def currency(session: ReadSession) -> str:
    """Return the currency of all prices, empty without any."""
    return await session.scalar(select(price_versions.c.currency).limit(1)) or ""


async def usage_figures(
    session: ReadSession, query: UsageQuery, *, now: float, choose: Choose | None = None
) -> UsageFigures:
    """Answer the question; what `choose` does not choose is summed up in each bucket, every value OTHER.

    Raises InvalidInput when the answer or the work would have no bound, and RecordsGone when it needs records that are
    not kept any more.
    """
    return await _Asking(session, query, now).answer(choose)


class _Asking:
    def __init__(self, session: ReadSession, query: UsageQuery, now: float) -> None:
        self._session = session
        self._query = query
        self._now = now
        self._by = [COLUMNS[dimension] for dimension in query.by]
        self._equal = query.filter.values
        self._projects = query.filter.project_ids
        self._view = view_for({*self._by, *self._filtered_by()})
        self._found = UsageFigures()
        self._at: dict[str, int] = {}
        self._indices = [VALUES.index(name) for name in self._by]
        self._chosen: Set[tuple[str, ...]] | None = None
        self._other = (OTHER,) * len(self._by)

    async def answer(self, choose: Choose | None) -> UsageFigures:
        wanted, bucket = self._query.filter, self._query.bucket
        self._at = await cursors(self._session)
        width_s = bucket.seconds if bucket else None
        plan = parts(
            wanted.since,
            wanted.until,
            view=self._view,
            width_s=width_s,
            zone=self._query.zone,
            now=self._now,
            kept=kept(self._at),
        )
        for part in plan:
            if part.resolution_s == RECORDS:
                await self._add_records(part)
            else:
                await self._add_sums(part)
        tail = await uncounted(self._session, self._at, _TAIL)
        self._found.is_complete = len(tail.lines) < _TAIL
        self._add_tail(plan, tail)
        is_rest_more = choose is not None and self._sum_up_all_but(choose(self._found))
        of_cells = [part for part in plan if part.resolution_s != RECORDS]
        if self._query.has_latency and of_cells:
            is_less_in_all = is_rest_more and view_for(self._filtered_by()) is not self._view
            for part in of_cells:
                await self._add_sketches(part, is_of_chosen=is_less_in_all)
            if is_less_in_all:
                await self._take_chosen_from_all()
        return self._found

    def _sum_up_all_but(self, chosen: Set[tuple[str, ...]]) -> bool:
        """Sum up the rows that are not chosen; return whether they were more than the others."""
        self._chosen = chosen
        rows = self._found.rows
        rest = [place for place in rows if place[1] not in chosen]
        is_more = 2 * len(rest) > len(rows)
        for place in rest:
            amounts = rows.pop(place)
            self._found.at((place[0], self._other)).add(amounts)
        return is_more

    async def _take_chosen_from_all(self) -> None:
        """Work out the sketches of what is summed up: those of all, of which a smaller view has few, without the
        chosen ones. It is exact: all views count the same records, and sketches are whole numbers."""
        rows = self._found.rows
        by_start: dict[int, list[Amounts]] = {}
        for (start, values), amounts in rows.items():
            if values != self._other:
                by_start.setdefault(start, []).append(amounts)
        all_together = await usage_figures(self._session, replace(self._query, by=()), now=self._now)
        for (start, _), amounts in all_together.rows.items():
            if (other := rows.get((start, self._other))) is not None:
                chosen = by_start.get(start, ())
                other.latency = amounts.latency.without(one.latency for one in chosen)
                other.first_token = amounts.first_token.without(one.first_token for one in chosen)

    def _filtered_by(self) -> Iterable[str]:
        return (*self._equal, *(() if self._projects is None else ("project_id",)))

    async def _add_sums(self, part: Part) -> None:
        start, groups, cells, where = self._from_cells(part)
        sums = select(start, *groups, *_SUMS, *_MAXIMA).select_from(cells).where(*where)
        grouped = [start, *groups] if self._query.bucket else groups
        if grouped:
            sums = sums.group_by(*grouped)
        width = len(groups) + 1
        for row in await self._session.execute(sums.limit(most_rows + 1)):
            if row[width] is not None:  # of no row at all the sum is NULL
                amounts = self._row(part, row)
                amounts.add_sums(row[width:-2], row[-2], row[-1])

    async def _add_sketches(self, part: Part, *, is_of_chosen: bool) -> None:
        start, groups, cells, where = self._from_cells(part)
        where.append(usage_cells.c.latency_count > 0)
        if is_of_chosen:
            where.append(usage_series.c.view == int(self._view))
            where.append(tuple_(*groups).in_(sorted(self._chosen or ())))
        sketches = select(start, *groups, usage_cells.c.latency_sketch, usage_cells.c.first_token_sketch)
        width = len(groups) + 1
        rows: dict[tuple[Any, ...], Amounts] = {}  # Any: a row of the database
        for row in await self._session.execute(sketches.select_from(cells).where(*where)):
            place = row[:width]
            if (found := rows.get(place)) is None:
                found = rows[place] = self._row(part, row)
            found.latency.add(row[-2])
            found.first_token.add(row[-1])

    def _from_cells(
        self, part: Part
    ) -> tuple[ColumnElement[int], list[ColumnElement[Any]], Join, list[ColumnElement[bool]]]:
        """Return what tells rows apart, start and values, where they come from, and the conditions."""
        groups: list[ColumnElement[Any]] = [usage_series.c[name] for name in self._by]
        where = [
            usage_cells.c.view == int(self._view),
            usage_cells.c.resolution_s == part.resolution_s,
            usage_cells.c.at >= int(part.since),
            usage_cells.c.at < int(part.until),
        ]
        cells = usage_cells.join(usage_series, usage_series.c.series_id == usage_cells.c.series_id)
        where += [usage_series.c[name] == value for name, value in self._equal.items()]
        where += self._in_projects(usage_series.c.project_id)
        if self._equal or self._projects is not None:
            where.append(usage_series.c.view == int(self._view))
        return self._start(part), groups, cells, where

    async def _add_records(self, part: Part) -> None:
        """Count single records of a stretch that is shorter than any cell."""
        of_tenant = self._of_tenants()
        within = (*of_tenant, ledger.c.admitted_at >= part.since, ledger.c.admitted_at < part.until)
        equal = [ledger.c[name] == value for name, value in self._equal.items() if name != "tenant_id"]
        equal += self._in_projects(ledger.c.project_id)
        counted = select(*LINE_COLUMNS).where(*within, *equal, ledger.c.entry <= self._at[LEDGER])
        lines = (await self._session.execute(counted.limit(_MOST_RECORDS + 1))).all()
        if len(lines) > _MOST_RECORDS:
            raise InvalidInput(
                f"The question needs more than {_MOST_RECORDS} single records.",
                FieldError("bucket", "use an hour or more, a shorter range, or begin and end at a full hour"),
            )
        for line in lines:
            self._place(part, line).add_line(line)
        made = (
            select(corrections.c.delta_nano, corrections.c.was_unpriced, *LINE_COLUMNS)
            .join(ledger, CORRECTED)
            .where(*within, *equal, corrections.c.correction_id <= self._at[CORRECTIONS])
        )
        for row in await self._session.execute(made):
            self._place(part, row[2:]).correct(row[0], was_unpriced=row[1])

    def _add_tail(self, plan: Sequence[Part], tail: Uncounted) -> None:
        for line in tail.lines:
            if (part := self._part_of(plan, line)) is not None:
                self._place(part, line).add_line(line)
        for line, delta_nano, was_unpriced in tail.fixes:
            if (part := self._part_of(plan, line)) is not None:
                self._place(part, line).correct(delta_nano, was_unpriced=was_unpriced)

    def _part_of(self, plan: Sequence[Part], line: Line) -> Part | None:
        if any(line[VALUES.index(name)] != value for name, value in self._equal.items()):
            return None
        if self._projects is not None and line[_PROJECT] not in self._projects:
            return None
        return next((part for part in plan if part.since <= line[_ADMITTED] < part.until), None)

    def _in_projects(self, project_id: Column[str]) -> list[ColumnElement[bool]]:
        return [] if self._projects is None else [project_id.in_(sorted(self._projects))]

    def _of_tenants(self) -> list[ColumnElement[bool]]:
        """Return the condition that lets the index by time be used: over all tenants there are as many ranges."""
        if self._query.filter.tenant_id is not None:
            return [ledger.c.tenant_id == self._query.filter.tenant_id]
        all_tenants = select(usage_series.c.tenant_id).where(usage_series.c.view == int(View.TOTAL)).distinct()
        return [ledger.c.tenant_id.in_(all_tenants)]

    def _start(self, part: Part) -> ColumnElement[int]:
        if self._query.bucket is None:
            return _ZERO
        local = usage_cells.c.at + _literal(part.offset_s)
        if self._query.bucket is BucketWidth.MONTH:
            return _month_of(local, self._session.dialect).label("start")
        width = _literal(self._query.bucket.seconds)
        start = local // width * width
        if self._query.bucket is BucketWidth.WEEK:
            start -= (local // width + _literal(3)) % _literal(7) * width  # 1970-01-01 was a Thursday
        return start.label("start")

    def _row(self, part: Part, row: Sequence[Any]) -> Amounts:  # Any: a row of the database
        return self._amounts(part, int(row[0]), tuple(row[1 : len(self._by) + 1]))

    def _place(self, part: Part, line: Line) -> Amounts:
        width_s = self._query.bucket.seconds if self._query.bucket else 0
        start = (int(line[_ADMITTED]) + part.offset_s) // width_s * width_s if width_s else 0
        return self._amounts(part, start, tuple(line[index] for index in self._indices))

    def _amounts(self, part: Part, start: int, values: tuple[str, ...]) -> Amounts:
        if self._query.bucket is not None:
            start = bucket_start(self._query.bucket, self._query.zone, start, part.offset_s)
        if self._chosen is not None and values not in self._chosen:
            values = self._other
        return self._found.at((start, values))


def _literal(value: int | str) -> ColumnElement[Any]:  # Any: an integer or a text
    """Return a constant of ours: as a bound value it would not be the same expression in SELECT and GROUP BY."""
    return literal_column(f"'{value}'", Text) if isinstance(value, str) else literal_column(str(value), Integer)


def _month_of(local: ColumnElement[int], dialect: str) -> ColumnElement[int]:
    """Return the start of the month, both in seconds as if they were UTC."""
    if dialect == "sqlite":
        words = map(_literal, ("unixepoch", "start of month"))
        return cast(func.strftime(_literal("%s"), local, *words), BigInteger)
    month = func.date_trunc(_literal("month"), func.timezone(_literal("UTC"), func.to_timestamp(local)))
    return cast(func.date_part(_literal("epoch"), month), BigInteger)

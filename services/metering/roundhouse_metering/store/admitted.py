"""Which of a router's numbers the ledger has, and how they ended by the hour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_metering.domain.admitted import RouterHour, extended
from roundhouse_metering.domain.amounts import LINE, Line
from roundhouse_metering.domain.cells import HOUR_S
from roundhouse_metering.store.bulk import among, put_rows
from roundhouse_metering.store.usage_tables import admitted_ranges, router_hours

__all__ = ["Admitted", "admitted", "ended", "put_admitted"]

_ROUTER, _OUTCOME_END = LINE.index("router_id"), LINE.index("outcome") + 1


@dataclass(kw_only=True)
class Admitted:
    """Ranges of numbers by router as they are and as they become, and hours as they become."""

    before: dict[str, list[tuple[int, int]]]
    after: dict[str, list[tuple[int, int]]]
    hours: dict[tuple[str, int], RouterHour]


def ended(lines: Iterable[Line]) -> tuple[dict[str, list[int]], dict[tuple[str, int], RouterHour]]:
    """Return the numbers of these records by router, and how they ended by router and hour."""
    numbers: dict[str, list[int]] = {}
    hours: dict[tuple[str, int], RouterHour] = {}
    for line in lines:
        router_id, sequence, at, outcome = line[_ROUTER:_OUTCOME_END]
        key = (router_id, int(at) // HOUR_S * HOUR_S)
        if (hour := hours.get(key)) is None:
            hour = hours[key] = RouterHour(first=sequence, last=sequence)
        hour.count(sequence, outcome)
        numbers.setdefault(router_id, []).append(sequence)
    return numbers, hours


async def admitted(
    session: ReadSession, numbers: Mapping[str, Sequence[int]], hours: dict[tuple[str, int], RouterHour]
) -> Admitted:
    """Return what routers admitted, with these records."""
    before: dict[str, list[tuple[int, int]]] = {router_id: [] for router_id in numbers}
    for row in await session.execute(
        select(admitted_ranges).where(among(session.dialect, admitted_ranges.c.router_id, list(numbers)))
    ):
        before[row.router_id].append((row.first, row.last))
    for row in await session.execute(
        select(router_hours).where(
            among(session.dialect, router_hours.c.router_id, list(numbers)),
            among(session.dialect, router_hours.c.hour, sorted({hour for _, hour in hours})),
        )
    ):
        if (hour := hours.get((row.router_id, row.hour))) is not None:
            counts = {name: value for name, value in row._mapping.items() if name not in ("router_id", "hour")}
            hour.add(RouterHour(**counts))
    after = {router_id: extended(before[router_id], found) for router_id, found in numbers.items()}
    return Admitted(before=before, after=after, hours=hours)


async def put_admitted(session: WriteSession, routers: Admitted) -> None:
    """Write what `admitted` returned."""
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

"""What the ledger holds of each router, from what was counted and what is not counted yet."""

from sqlalchemy import select

from roundhouse_common.database import ReadSession
from roundhouse_metering.domain.admitted import RouterHour, covered, extended
from roundhouse_metering.domain.cells import HOUR_S
from roundhouse_metering.domain.reconciliation import RouterLedger
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import ROUTERS, cursors
from roundhouse_metering.store.usage_tables import admitted_ranges, router_hours

__all__ = ["hours_of_routers", "routers"]

_TAIL = (ledger.c.router_id, ledger.c.sequence, ledger.c.admitted_at, ledger.c.outcome)
_MOST_TAIL = 100_000


async def hours_of_routers(session: ReadSession) -> dict[tuple[str, int], RouterHour]:
    """Return by router and hour (Unix seconds) how what was admitted then ended."""
    hours: dict[tuple[str, int], RouterHour] = {}
    for row in await session.execute(select(router_hours)):
        kept = {name: value for name, value in row._mapping.items() if name not in ("router_id", "hour")}
        hours[row.router_id, row.hour] = RouterHour(**kept)
    for router_id, sequence, admitted_at, outcome in await _tail(session):
        place = (router_id, int(admitted_at) // HOUR_S * HOUR_S)
        hours.setdefault(place, RouterHour(first=sequence, last=sequence)).count(sequence, outcome)
    return hours


async def routers(session: ReadSession) -> list[RouterLedger]:
    """Return what the ledger holds of each router, over all tenants."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for row in await session.execute(select(admitted_ranges)):
        ranges.setdefault(row.router_id, []).append((row.first, row.last))
    numbers: dict[str, list[int]] = {}
    for router_id, sequence, _, _ in await _tail(session):
        numbers.setdefault(router_id, []).append(sequence)
    counts: dict[str, list[int]] = {}
    for (router_id, _), hour in (await hours_of_routers(session)).items():
        total = counts.setdefault(router_id, [0, 0, 0])
        for position, count in enumerate((hour.completed, hour.failed, hour.aborted)):
            total[position] += count
    found = []
    for router_id, (completed, failed, aborted) in counts.items():
        held = extended(ranges.get(router_id, ()), numbers.get(router_id, ()))
        found.append(
            RouterLedger(
                router_id=router_id,
                highest_sequence=held[-1][1],
                distinct_sequences=covered(held),
                completed=completed,
                failed=failed,
                aborted=aborted,
            )
        )
    return found


async def _tail(session: ReadSession) -> list[tuple[str, int, float, str]]:
    at = await cursors(session)
    new = select(*_TAIL).where(ledger.c.entry > at[ROUTERS]).order_by(ledger.c.entry).limit(_MOST_TAIL)
    return [tuple(row) for row in await session.execute(new)]

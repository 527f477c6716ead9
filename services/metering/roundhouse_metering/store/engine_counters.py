"""Engines' counters as they came, and by how much they grew."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple

from sqlalchemy import delete, select

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_metering.domain.engine_counters import EngineHour, Reading, RunKey, grown
from roundhouse_metering.store.bulk import among, put_rows
from roundhouse_metering.store.engine_tables import engine_hours, engine_runs, replica_hours

__all__ = ["enter_readings", "forget_engines", "known_runs"]

_RUN = tuple(Reading.__dataclass_fields__)
_KEY = ("node_id", "replica_id", "attempt", "launch")
_HOUR = tuple(EngineHour.__dataclass_fields__)


async def known_runs(session: ReadSession, replica_ids: Sequence[str]) -> dict[RunKey, Reading]:
    """Return every run of these replicas as it was read last."""
    columns = [engine_runs.c[name] for name in _RUN]
    found = await session.execute(select(*columns).where(among(session.dialect, engine_runs.c.replica_id, replica_ids)))
    runs = [Reading(**row._mapping) for row in found]
    return {run.key: run for run in runs}


async def enter_readings(session: WriteSession, readings: Iterable[Reading]) -> int:
    """Take in readings, in any order, repeated or not; return how many said something new."""
    wanted = list(readings)
    known = await known_runs(session, sorted({reading.replica_id for reading in wanted}))
    changed: dict[RunKey, Reading] = {}
    hours: dict[tuple[int, str], EngineHour] = {}
    news = 0
    for reading in wanted:
        found = grown(known.get(reading.key), reading)
        if found is None:
            continue
        news += 1
        known[reading.key] = changed[reading.key] = found[0]
        for hour, growth in found[1].items():
            key = (hour, reading.replica_id)
            hours[key] = hours.get(key, EngineHour()) + growth
    rows = [tuple(asdict(run).values()) for run in changed.values()]
    others = tuple(name for name in _RUN if name not in _KEY)
    await put_rows(session, engine_runs, _RUN, rows, key=_KEY, update=others)
    await _add_hours(session, hours)
    return news


async def forget_engines(session: WriteSession, *, before: int) -> int:
    """Delete hours of before, and runs that were not read since; return how many hours."""
    await session.execute(delete(engine_runs).where(engine_runs.c.read_at < before))
    counted = await session.execute(delete(engine_hours).where(engine_hours.c.hour < before))
    recorded = await session.execute(delete(replica_hours).where(replica_hours.c.hour < before))
    return counted.rowcount + recorded.rowcount


async def _add_hours(session: WriteSession, hours: dict[tuple[int, str], EngineHour]) -> None:
    before = await session.execute(
        select(engine_hours).where(
            among(session.dialect, engine_hours.c.hour, sorted({hour for hour, _ in hours})),
            among(session.dialect, engine_hours.c.replica_id, sorted({replica_id for _, replica_id in hours})),
        )
    )
    for row in before:
        key = (row.hour, row.replica_id)
        if key in hours:
            hours[key] += EngineHour(**{name: row._mapping[name] for name in _HOUR})
    rows = [(*key, *astuple(growth)) for key, growth in hours.items()]
    await put_rows(
        session, engine_hours, ("hour", "replica_id", *_HOUR), rows, key=("hour", "replica_id"), update=_HOUR
    )

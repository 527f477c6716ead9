"""What is compared: by replica and time, what engines counted and what the ledger has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, literal_column, select

from roundhouse_common.database import ReadSession
from roundhouse_metering.domain.cells import HOUR_S
from roundhouse_metering.domain.engine_reconciliation import Facts, Side
from roundhouse_metering.store.bulk import among
from roundhouse_metering.store.engine_tables import engine_hours, engine_runs, replica_hours

__all__ = ["EngineQuery", "facts", "most_facts"]

most_facts: Final = 50_000
"""More replicas and times than this are refused, not cut off."""
_READ_LATE_S: Final = 60
"""So long after a reading requests may end and still be known to be counted soon."""
_At = tuple[int | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineQuery:
    """A question about whole hours from `since` to `until`, Unix seconds. Of one `step_s`, or of all of it."""

    since: int
    until: int
    step_s: int | None = None
    deployment_id: str | None = None
    replica_id: str | None = None
    node_id: str | None = None


async def facts(session: ReadSession, query: EngineQuery) -> list[Facts]:
    """Return what is known, by time and replica; more than `most_facts` are cut off after one more.

    Every replica is in it that has a record in the time, or an engine that counted something or ran in it.
    """
    found: dict[_At, Facts] = {}
    runs = await _runs(session, query)
    lost = await _take_recorded(session, query, found)
    await _take_counted(session, query, found)
    if query.step_s is None:
        for replica_id, run in runs.items():
            if run.read_at >= query.since and run.started_at < query.until:
                found.setdefault((None, replica_id), Facts(at=None, replica_id=replica_id))
    if len(found) > most_facts:
        return list(found.values())
    await _take_edges(session, query, found)
    unknown = {one.replica_id for one in found.values()} - runs.keys()
    runs |= await _runs(session, query, sorted(unknown))
    kept = [one for one in found.values() if _complete(one, runs.get(one.replica_id), query)]
    _note_shared(kept, lost)
    return sorted(kept, key=lambda one: (one.at or 0, one.replica_id))


@dataclass(slots=True, kw_only=True)
class _Run:
    """All runs of a replica together."""

    deployment_id: str = ""
    node_id: str = ""
    engine: str = ""
    started_at: float = 0.0
    read_at: float = 0.0
    tells: tuple[bool, bool] = field(default=(False, False))
    """Of prompts, of answers."""


async def _runs(session: ReadSession, query: EngineQuery, replica_ids: Sequence[str] | None = None) -> dict[str, _Run]:
    runs = engine_runs.c
    statement = select(
        runs.replica_id,
        func.max(runs.deployment_id),
        func.max(runs.node_id),
        func.max(runs.engine),
        func.min(runs.started_at),
        func.max(runs.read_at),
        func.count(runs.input_tokens),
        func.count(runs.output_tokens),
    ).group_by(runs.replica_id)
    if replica_ids is None:
        statement = statement.where(runs.read_at >= query.since, runs.started_at < query.until)
    else:
        statement = statement.where(among(session.dialect, runs.replica_id, replica_ids))
    return {
        row[0]: _Run(
            deployment_id=row[1],
            node_id=row[2],
            engine=row[3],
            started_at=row[4],
            read_at=row[5],
            tells=(row[6] > 0, row[7] > 0),
        )
        for row in await session.execute(statement)
    }


async def _take_recorded(session: ReadSession, query: EngineQuery, found: dict[_At, Facts]) -> dict[_At, int]:
    """Take what the ledger has; return by time and deployment how many requests died with their router."""
    hours = replica_hours.c
    read = (
        select(engine_runs.c.replica_id, func.max(engine_runs.c.read_at).label("read_at"))
        .group_by(engine_runs.c.replica_id)
        .subquery()
    )
    is_unread = (hours.hour + HOUR_S > read.c.read_at) & (hours.last_ended_at > read.c.read_at + _READ_LATE_S)
    sums = ("requests", "ended_early", "retried", "input_tokens", "output_tokens")
    guessed = ("estimated_input_tokens", "estimated_output_tokens")
    at = _bucket(hours.hour, query.step_s)
    statement = (
        select(
            *([at] if at is not None else []),
            hours.replica_id,
            hours.deployment_id,
            func.max(hours.node_id).label("node_id"),
            *(_sum(hours[name]).label(name) for name in (*sums, *guessed)),
            func.max(hours.most_input_tokens).label("most_input_tokens"),
            func.max(hours.most_output_tokens).label("most_output_tokens"),
            _sum(case((is_unread, hours.input_tokens), else_=0)).label("unread_input"),
            _sum(case((is_unread, hours.output_tokens), else_=0)).label("unread_output"),
        )
        .outerjoin(read, read.c.replica_id == hours.replica_id)
        .where(*_within(replica_hours, query))
        .group_by(*([literal_column("at")] if at is not None else []), hours.replica_id, hours.deployment_id)
        .limit(most_facts + 1)
    )
    lost: dict[_At, int] = {}
    for row in await session.execute(statement):
        when = row.at if at is not None else None
        if not row.replica_id:
            lost[when, row.deployment_id] = row.requests
            continue
        found[when, row.replica_id] = Facts(
            at=when,
            replica_id=row.replica_id,
            deployment_id=row.deployment_id,
            node_id=row.node_id,
            requests=row.requests,
            ended_early=row.ended_early,
            retried=row.retried,
            input=Side(
                recorded=row.input_tokens,
                largest=row.most_input_tokens,
                not_read=row.unread_input,
                estimated=row.estimated_input_tokens,
            ),
            output=Side(
                recorded=row.output_tokens,
                largest=row.most_output_tokens,
                not_read=row.unread_output,
                estimated=row.estimated_output_tokens,
            ),
        )
    return lost


async def _take_counted(session: ReadSession, query: EngineQuery, found: dict[_At, Facts]) -> None:
    hours = engine_hours.c
    at = _bucket(hours.hour, query.step_s)
    names = ("input_tokens", "output_tokens")
    statement = (
        select(*([at] if at is not None else []), hours.replica_id, *(_sum(hours[name]).label(name) for name in names))
        .where(*_within(engine_hours, query))
        .group_by(*([literal_column("at")] if at is not None else []), hours.replica_id)
        .limit(most_facts + 1)
    )
    for row in await session.execute(statement):
        when = row.at if at is not None else None
        one = found.setdefault((when, row.replica_id), Facts(at=when, replica_id=row.replica_id))
        one.input.counted, one.output.counted = row.input_tokens, row.output_tokens


async def _take_edges(session: ReadSession, query: EngineQuery, found: dict[_At, Facts]) -> None:
    """Note what was under way where each time begins and ends."""
    width_s = query.step_s or query.until - query.since
    starts = range(query.since // width_s * width_s, query.until, width_s) if query.step_s else [query.since]
    borders = sorted({query.until, *(max(start, query.since) for start in starts)})
    hours = replica_hours.c
    wanted = sorted({hour for border in borders for hour in (border - HOUR_S, border)})
    columns = (hours.head_input_tokens, hours.head_output_tokens, hours.tail_input_tokens, hours.tail_output_tokens)
    rows = await session.execute(
        select(hours.hour, hours.replica_id, *columns).where(among(session.dialect, hours.hour, wanted))
    )
    edges: dict[tuple[int, str], list[int]] = {}
    across = await _across(session, borders)
    for row in rows:
        for border, read, written in ((row.hour, row[2], row[3]), (row.hour + HOUR_S, row[4], row[5])):
            sums = edges.setdefault((border, row.replica_id), [0, 0])
            sums[0] += read
            sums[1] += written
    for one in found.values():
        start = max(one.at, query.since) if one.at is not None else query.since
        end = min(one.at + width_s, query.until) if one.at is not None else query.until
        for border in (start, end):
            read, written = edges.get((border, one.replica_id), (0, 0))
            one.input.edges += read
            one.output.edges += written
            read, written = across.get((border, one.replica_id), (0, 0))
            one.input.gaps += read
            one.output.gaps += written


async def _across(session: ReadSession, borders: Sequence[int]) -> dict[tuple[int, str], tuple[int, int]]:
    """Return how much was counted between readings that lie far apart around these times."""
    hours = engine_hours.c
    columns = (hours.hour, hours.replica_id, hours.across_input_tokens, hours.across_output_tokens)
    rows = await session.execute(select(*columns).where(among(session.dialect, hours.hour, borders)))
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _complete(one: Facts, run: _Run | None, query: EngineQuery) -> bool:
    """Add what its runs say; return whether it was asked for. What counted nothing in the time counted 0 of it, and
    what does not tell is no 0."""
    if run is not None:
        one.deployment_id = one.deployment_id or run.deployment_id
        one.node_id = one.node_id or run.node_id
        one.engine, one.read_at = run.engine, run.read_at
        for side, tells in zip((one.input, one.output), run.tells, strict=True):
            side.counted = (side.counted or 0) if tells else None
    else:
        one.input.counted = one.output.counted = None
    asked = ((query.deployment_id, one.deployment_id), (query.node_id, one.node_id), (query.replica_id, one.replica_id))
    return all(wanted is None or wanted == had for wanted, had in asked)


def _note_shared(rows: Sequence[Facts], lost: Mapping[_At, int]) -> None:
    """Note what concerns any replica of a deployment."""
    near: dict[tuple[int | None, str], int] = {}
    for one in rows:
        near[one.at, one.deployment_id] = near.get((one.at, one.deployment_id), 0) + one.retried
    for one in rows:
        one.retried_near = near[one.at, one.deployment_id]
        one.lost_near = lost.get((one.at, one.deployment_id), 0)


# Any below: a table, and columns of it.
def _within(table: Any, query: EngineQuery) -> list[ColumnElement[bool]]:
    conditions = [table.c.hour >= query.since, table.c.hour < query.until]
    if query.replica_id is not None:
        conditions.append(table.c.replica_id.in_((query.replica_id, "")))
    return conditions


def _bucket(hour: Any, step_s: int | None) -> ColumnElement[int] | None:
    """Return where the time of an hour begins, UTC; None: all hours are one time."""
    if step_s is None:
        return None
    width: ColumnElement[int] = literal_column(str(step_s), BigInteger)
    started: ColumnElement[int] = (hour // width * width).label("at")
    return started


def _sum(column: Any) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)

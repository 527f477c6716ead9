"""What the ledger has of each replica by hour, counted as entries come: of requests that ended in the hour."""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, case, cast, func, literal_column, select

from roundhouse_common.contracts.usage import INPUT_CLASSES, OUTPUT_CLASSES, Outcome, Reuse, UsageSource
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.cells import HOUR_S
from roundhouse_metering.store.bulk import among, put_rows
from roundhouse_metering.store.engine_tables import replica_hours
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_tables import usage_cursors

__all__ = ["ReplicaHour", "count_replicas"]

_CURSOR: Final = "replicas"
_ROUTER_DIED: Final = "router_restarted"
"""As routers say it of requests that they found unfinished: an engine may have worked for them."""
_EDGE_S: Final = 60
"""Readings are not taken at the very end of an hour: what was under way so near to it may be counted on either side."""


@dataclass(slots=True, kw_only=True)
class ReplicaHour:
    """The columns of `replica_hours` beside its key."""

    node_id: str = ""
    requests: int = 0
    ended_early: int = 0
    retried: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    estimated_input_tokens: int = 0
    estimated_output_tokens: int = 0
    most_input_tokens: int = 0
    most_output_tokens: int = 0
    head_input_tokens: int = 0
    head_output_tokens: int = 0
    tail_input_tokens: int = 0
    tail_output_tokens: int = 0
    last_ended_at: float = 0.0

    def add(self, other: "ReplicaHour") -> None:
        """Count another one in."""
        for name in _NAMES:
            mine, theirs = getattr(self, name), getattr(other, name)
            is_highest = name == "node_id" or name.startswith(("most_", "last_"))
            setattr(self, name, max(mine, theirs) if is_highest else mine + theirs)


_Place = tuple[int, str, str]
_NAMES: Final = tuple(ReplicaHour.__dataclass_fields__)
_KEY: Final = ("hour", "replica_id", "deployment_id")


async def count_replicas(session: WriteSession, *, limit: int, since: int) -> int:
    """Count up to `limit` further entries, except what ended before `since`; return how many entries were passed.

    What is counted and how far are one transaction. Answers that no engine worked for are left out, and so is what
    outside providers answered.
    """
    at = await _cursor(session)
    numbers = select(ledger.c.entry).where(ledger.c.entry > at).order_by(ledger.c.entry).limit(limit).subquery()
    passed = (await session.execute(select(func.count(), func.max(numbers.c.entry)))).one()
    if not passed[0]:
        return 0
    await _add(session, await _tallied(session, at, passed[1], since))
    put = upsert(session.dialect, usage_cursors, key=["name"], update=["entry"])
    await session.execute(put, [{"name": _CURSOR, "entry": passed[1]}])
    count: int = passed[0]
    return count


async def _cursor(session: ReadSession) -> int:
    return await session.scalar(select(usage_cursors.c.entry).where(usage_cursors.c.name == _CURSOR)) or 0


async def _tallied(session: ReadSession, after: int, last: int, since: int) -> dict[_Place, ReplicaHour]:
    hours = ledger.c.ended_at / HOUR_S
    hour = cast(func.floor(hours) if session.dialect == "postgresql" else hours, BigInteger) * HOUR_S
    read, written = (reduce(add, (ledger.c[name] for name in names)) for names in (INPUT_CLASSES, OUTPUT_CLASSES))
    is_head = ledger.c.admitted_at < cast(hour, Double) + _EDGE_S
    is_tail = ledger.c.ended_at >= cast(hour, Double) + (HOUR_S - _EDGE_S)
    is_estimate = ledger.c.source == UsageSource.ESTIMATE.value
    figures = (
        func.max(ledger.c.node_id),
        func.count(),
        _sum(literal_column("1"), ledger.c.outcome != Outcome.COMPLETED.value),
        _sum(literal_column("1"), (ledger.c.attempts > 1) | (ledger.c.continuations > 0)),
        _sum(read),
        _sum(ledger.c.cached_input_tokens),
        _sum(written),
        _sum(read, is_estimate),
        _sum(written, is_estimate),
        func.max(read),
        func.max(written),
        _sum(read, is_head),
        _sum(written, is_head),
        _sum(read, is_tail),
        _sum(written, is_tail),
        func.max(ledger.c.ended_at),
    )
    rows = await session.execute(
        select(hour.label("hour"), ledger.c.replica_id, ledger.c.deployment_id, *figures)
        .where(
            ledger.c.entry > after,
            ledger.c.entry <= last,
            ledger.c.provider_id == "",
            (ledger.c.replica_id != "") | (ledger.c.error_code == _ROUTER_DIED),
            ledger.c.reuse == Reuse.NONE.value,
            ledger.c.ended_at >= since,
        )
        .group_by(literal_column("hour"), ledger.c.replica_id, ledger.c.deployment_id)
    )
    return {(row[0], row[1], row[2]): _hour(row[3:]) for row in rows}


async def _add(session: WriteSession, found: dict[_Place, ReplicaHour]) -> None:
    before = await session.execute(
        select(replica_hours).where(
            among(session.dialect, replica_hours.c.hour, sorted({hour for hour, _, _ in found})),
            among(session.dialect, replica_hours.c.replica_id, sorted({replica_id for _, replica_id, _ in found})),
        )
    )
    for row in before:
        place = (row.hour, row.replica_id, row.deployment_id)
        if place in found:
            found[place].add(ReplicaHour(**{name: row._mapping[name] for name in _NAMES}))
    rows = [(*key, *(getattr(hour, name) for name in _NAMES)) for key, hour in found.items()]
    await put_rows(session, replica_hours, (*_KEY, *_NAMES), rows, key=_KEY, update=_NAMES)


# Any: of the columns' own types.
def _sum(value: ColumnElement[Any], condition: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    """Return a sum as a whole number: Postgres gives a decimal for one of large numbers."""
    return cast(func.sum(value if condition is None else case((condition, value), else_=0)), BigInteger)


def _hour(row: Any) -> ReplicaHour:  # Any: a row of the figures
    return ReplicaHour(**dict(zip(_NAMES, row, strict=True)))

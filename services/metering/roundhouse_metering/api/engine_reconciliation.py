"""For finance: the ledger's tokens against what engines counted themselves."""

import enum
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Moment, Timestamp, requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.cells import DAY_S, HOUR_S
from roundhouse_metering.domain.engine_reconciliation import (
    Cause,
    Compared,
    EngineRow,
    EngineState,
    Tolerance,
    engine_row,
    summed,
)
from roundhouse_metering.store.engine_reconciliation import EngineQuery, facts, most_facts

__all__ = ["engine_reconciliation_routes"]

_SETTLED_S: Final = 600
_Reader = Annotated[Subject, Depends(requires("usage:read"))]
_EveryTenant = Annotated[Subject, Depends(requires("tenants:read"))]
"""Engines serve every tenant: only roles on the platform see them all."""
_Id = Annotated[str | None, Query(max_length=200)]


class EngineBy(enum.StrEnum):
    REPLICA = "replica"
    DEPLOYMENT = "deployment"
    NODE = "node"


class EngineStep(enum.StrEnum):
    HOUR = "hour"
    DAY = "day"


_STEPS: Final = {EngineStep.HOUR: HOUR_S, EngineStep.DAY: DAY_S}


class PossibleCause(BaseModel):
    cause: Cause
    up_to_tokens: int = Field(description="So much of the difference it can make at the most.")


class TokenComparison(BaseModel):
    """difference = counted - recorded."""

    counted: int = Field(description="By the engine.")
    recorded: int = Field(description="In the ledger.")
    difference: int
    unexplained: int = Field(description="What is left when every cause made as much as it can.")
    state: EngineState
    causes: list[PossibleCause]

    @classmethod
    def of(cls, found: Compared | None) -> "TokenComparison | None":
        if found is None:
            return None
        return cls(
            counted=found.counted,
            recorded=found.recorded,
            difference=found.difference,
            unexplained=found.unexplained,
            state=found.state,
            causes=[PossibleCause(cause=cause, up_to_tokens=tokens) for cause, tokens in found.causes],
        )


class EngineComparison(BaseModel):
    """Requests count when they ended. What cannot be compared has null, and never a difference of 0."""

    at: Timestamp | None = Field(description="When the hour or day began, UTC; null without `step`.")
    key: str = Field(description="Id of the replica, deployment or node.")
    deployment_id: str | None
    node_id: str | None
    engine: str | None = Field(description="Its kind; null when its node told nothing, or of several kinds.")
    state: EngineState
    why_not: str | None = Field(description="Why it cannot be compared.")
    requests: int = Field(description="In the ledger.")
    replicas: int
    not_comparable: int = Field(description="How many of the replicas are in no figure here.")
    last_read_at: Timestamp | None = Field(description="When an engine was asked last for its counters.")
    input: TokenComparison | None = Field(description="Tokens of prompts, cached ones included.")
    output: TokenComparison | None = Field(description="Tokens of answers, reasoning included.")


class EngineComparisonAnswer(BaseModel):
    since: Timestamp
    until: Timestamp
    is_settled: bool = Field(description="Whether all records and readings of the time are expected to be in.")
    items: list[EngineComparison]
    totals: EngineComparison


def engine_reconciliation_routes(db: Database, clock: Clock, tolerance: Tolerance) -> APIRouter:
    """Return /api/v1/reconciliation/engines. It looks over all tenants."""
    routes = APIRouter(prefix="/api/v1", tags=["operations"])

    @routes.get("/reconciliation/engines")
    async def get_engine_reconciliation(
        _subject: _Reader,
        _over_all: _EveryTenant,
        since: Annotated[Moment | None, Query(description="Of whole hours; a day before `until`.")] = None,
        until: Annotated[Moment | None, Query(description="The last hour that is settled.")] = None,
        by: EngineBy = EngineBy.REPLICA,
        step: EngineStep | None = None,
        deployment_id: _Id = None,
        replica_id: _Id = None,
        node_id: _Id = None,
        state: EngineState | None = None,
    ) -> EngineComparisonAnswer:
        """Compare the ledger's tokens with what engines counted. For roles on the platform."""
        query = _query(since, until, step, now=clock.now())
        query = EngineQuery(
            since=query.since,
            until=query.until,
            step_s=query.step_s,
            deployment_id=deployment_id,
            replica_id=replica_id,
            node_id=node_id,
        )
        async with db.read() as session:
            found = await facts(session, query)
        if len(found) > most_facts:
            message = f"The answer has more than {most_facts} replicas and times."
            raise InvalidInput(message, FieldError("since", "use a shorter range, a longer step, or deployment_id"))
        rows = [engine_row(one, tolerance) for one in found]
        shown = rows if by is EngineBy.REPLICA else _by(rows, by, tolerance)
        return EngineComparisonAnswer(
            since=query.since,
            until=query.until,
            is_settled=query.until <= clock.now() - _SETTLED_S,
            items=[_item(row) for row in shown if state is None or row.state is state],
            totals=_item(summed(rows, key="", at=None, tolerance=tolerance)),
        )

    return routes


def _query(since: Moment | None, until: Moment | None, step: EngineStep | None, *, now: float) -> EngineQuery:
    """Return the time in whole hours, by default the last day that is settled. Raises InvalidInput."""
    last = int(now) // HOUR_S * HOUR_S + HOUR_S
    end = int(now - _SETTLED_S) // HOUR_S * HOUR_S if until is None else min(_hour_after(unix_seconds(until)), last)
    start = end - DAY_S if since is None else int(unix_seconds(since)) // HOUR_S * HOUR_S
    if start >= end:
        raise InvalidInput("The range is empty.", FieldError("since", "must be in the past and earlier than until"))
    return EngineQuery(since=start, until=end, step_s=None if step is None else _STEPS[step])


def _hour_after(at: float) -> int:
    return -int(-at // HOUR_S) * HOUR_S


def _by(rows: Iterable[EngineRow], by: EngineBy, tolerance: Tolerance) -> list[EngineRow]:
    groups: dict[tuple[int | None, str], list[EngineRow]] = {}
    for row in rows:
        key = row.deployment_id if by is EngineBy.DEPLOYMENT else row.node_id
        groups.setdefault((row.at, key), []).append(row)
    ordered: Sequence[tuple[int | None, str]] = sorted(groups, key=lambda place: (place[0] or 0, place[1]))
    return [summed(groups[at, key], key=key, at=at, tolerance=tolerance) for at, key in ordered]


def _item(row: EngineRow) -> EngineComparison:
    return EngineComparison(
        at=row.at,
        key=row.key,
        deployment_id=row.deployment_id or None,
        node_id=row.node_id or None,
        engine=row.engine or None,
        state=row.state,
        why_not=row.why or None,
        requests=row.requests,
        replicas=row.replicas,
        not_comparable=row.not_comparable,
        last_read_at=row.read_at,
        input=TokenComparison.of(row.input),
        output=TokenComparison.of(row.output),
    )

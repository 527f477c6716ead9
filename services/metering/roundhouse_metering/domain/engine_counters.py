"""Engines' own counters as they are told, and by how much they grew in which hour."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from roundhouse_common.contracts.node import EngineCounters, NodeSample
from roundhouse_metering.domain.cells import HOUR_S

__all__ = ["EngineHour", "Reading", "RunKey", "counters_fault", "grown", "readings_of", "spread"]

_MOST = 2**53
_MOST_RUNS = 4096 + 512
_MOST_CHARS = 200
_CLOCKS_APART_S = 60.0
_OFTEN_S = 60.0
"""Readings further apart than this are said to be where they lie across the beginning of an hour."""
_MOST_SPREAD_S = 31 * 86_400.0

RunKey = tuple[str, str, int, int]
"""Node, replica, attempt, launch: one process, whose counters began at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a run had counted at a time, in Unix seconds. None: it does not tell."""

    node_id: str
    replica_id: str
    attempt: int
    launch: int
    deployment_id: str
    engine: str
    started_at: float
    read_at: float
    ended_at: float | None
    input_tokens: int | None
    """Cached ones included."""
    cached_input_tokens: int | None
    output_tokens: int | None

    @property
    def key(self) -> RunKey:
        return self.node_id, self.replica_id, self.attempt, self.launch


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHour:
    """By how much a replica's counters grew in an hour. `across`: by how much between two readings of which one was
    before the hour began and one after, and far from each other; so much of it may belong to the other side."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    across_input_tokens: int = 0
    across_output_tokens: int = 0

    def __add__(self, other: "EngineHour") -> "EngineHour":
        names = EngineHour.__dataclass_fields__
        return EngineHour(**{name: getattr(self, name) + getattr(other, name) for name in names})


def counters_fault(sample: NodeSample) -> str | None:
    """Say why the counters in a sample cannot be taken in, or None."""
    if len(sample.engines) > _MOST_RUNS:
        return f"it has {len(sample.engines)} engines"
    for one in sample.engines:
        names = (one.replica_id, one.deployment_id, one.engine)
        if not all(0 < len(name) <= _MOST_CHARS and "\x00" not in name for name in names):
            return "an id in it is empty or too long"
        totals = (one.input_tokens, one.cached_input_tokens, one.output_tokens, one.attempt, one.launch)
        times = (one.started_at, one.read_at, one.ended_at)
        if not all(-1 <= total <= _MOST for total in totals) or not all(0 <= at <= _MOST for at in times):
            return "a figure in it is negative or absurd"
    return None


def readings_of(sample: NodeSample, now: float) -> Iterator[Reading]:
    """Yield the readings in a sample; of a node whose clock is wrong with times as they are by ours."""
    is_wrong = not math.isfinite(sample.at) or abs(sample.at - now) > _CLOCKS_APART_S
    shift = now - sample.at if is_wrong and math.isfinite(sample.at) else 0.0
    for one in sample.engines:
        yield _reading(one, sample.node_id, shift, now)


def _reading(one: EngineCounters, node_id: str, shift: float, now: float) -> Reading:
    return Reading(
        node_id=node_id,
        replica_id=one.replica_id,
        attempt=one.attempt,
        launch=one.launch,
        deployment_id=one.deployment_id,
        engine=one.engine,
        started_at=min(one.started_at + shift, now),
        read_at=min(one.read_at + shift, now),
        ended_at=min(one.ended_at + shift, now) if one.ended_at else None,
        input_tokens=_told(one.input_tokens),
        cached_input_tokens=_told(one.cached_input_tokens),
        output_tokens=_told(one.output_tokens),
    )


def _told(total: int) -> int | None:
    return total if total >= 0 else None


def grown(before: Reading | None, reading: Reading) -> tuple[Reading, dict[int, EngineHour]] | None:
    """Return what is known of the run from now on and what it counted since, by hour; None when that is nothing.

    A total that is lower than before was either sent earlier, and says nothing, or its engine began to count anew:
    then all of it is new.
    """
    if before is None:
        zero = replace(reading, input_tokens=0, cached_input_tokens=0, output_tokens=0)
        return reading, dict(spread(_growth(zero, reading), reading.started_at, reading.read_at))
    if _is_lower(before, reading):
        if reading.read_at <= before.read_at:
            return None
        zero = replace(before, input_tokens=0, cached_input_tokens=0, output_tokens=0)
        return reading, dict(spread(_growth(zero, reading), before.read_at, reading.read_at))
    after = replace(
        reading,
        read_at=max(before.read_at, reading.read_at),
        ended_at=reading.ended_at if reading.ended_at is not None else before.ended_at,
        input_tokens=_latest(before.input_tokens, reading.input_tokens),
        cached_input_tokens=_latest(before.cached_input_tokens, reading.cached_input_tokens),
        output_tokens=_latest(before.output_tokens, reading.output_tokens),
    )
    if after == before:
        return None
    return after, dict(spread(_growth(before, after), before.read_at, after.read_at))


def spread(growth: EngineHour, since: float, until: float) -> Iterator[tuple[int, EngineHour]]:
    """Yield the parts of the growth by hour, evenly over the time; they add up to it exactly."""
    if growth == EngineHour():
        return
    since = max(min(since, until), until - _MOST_SPREAD_S)
    is_far = until - since > _OFTEN_S
    done = EngineHour()
    first = hour = int(since) // HOUR_S * HOUR_S
    while True:
        is_last = hour + HOUR_S >= until
        share = 1.0 if is_last else (hour + HOUR_S - since) / (until - since)
        reached = growth if is_last else _part(growth, share)
        yield (
            hour,
            EngineHour(
                input_tokens=reached.input_tokens - done.input_tokens,
                cached_input_tokens=reached.cached_input_tokens - done.cached_input_tokens,
                output_tokens=reached.output_tokens - done.output_tokens,
                across_input_tokens=growth.input_tokens if is_far and hour > first else 0,
                across_output_tokens=growth.output_tokens if is_far and hour > first else 0,
            ),
        )
        if is_last:
            return
        done, hour = reached, hour + HOUR_S


def _part(growth: EngineHour, share: float) -> EngineHour:
    return EngineHour(
        input_tokens=int(growth.input_tokens * share),
        cached_input_tokens=int(growth.cached_input_tokens * share),
        output_tokens=int(growth.output_tokens * share),
    )


def _growth(before: Reading, after: Reading) -> EngineHour:
    return EngineHour(
        input_tokens=(after.input_tokens or 0) - (before.input_tokens or 0),
        cached_input_tokens=(after.cached_input_tokens or 0) - (before.cached_input_tokens or 0),
        output_tokens=(after.output_tokens or 0) - (before.output_tokens or 0),
    )


def _is_lower(before: Reading, reading: Reading) -> bool:
    pairs = (
        (before.input_tokens, reading.input_tokens),
        (before.cached_input_tokens, reading.cached_input_tokens),
        (before.output_tokens, reading.output_tokens),
    )
    return any(was is not None and now is not None and now < was for was, now in pairs)


def _latest(before: int | None, now: int | None) -> int | None:
    return now if now is not None else before

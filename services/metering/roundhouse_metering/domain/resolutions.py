"""How finely curves are kept, for how long, and how a question about them is answered."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["MINUTE_S", "QUARTER_S", "RAW", "ROLLUPS", "CurveQuery", "Retention", "Source", "curve_query", "sources"]

RAW = 0
"""The resolution of samples as they came."""
MINUTE_S = 60
QUARTER_S = 900
ROLLUPS = ((RAW, MINUTE_S), (MINUTE_S, QUARTER_S))
"""From which resolution each next one is made, in this order."""
_STEPS_S = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800)
_GOOD_POINTS = 500
_MOST_POINTS = 2_000
_MOST_POINTS_IN_ALL = 20_000
_DEFAULT_RANGE_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how long each resolution is kept."""

    raw_s: float = 6 * 3_600.0
    minute_s: float = 7 * 86_400.0
    quarter_s: float = 90 * 86_400.0

    @property
    def longest_s(self) -> float:
        """Before this nothing is kept."""
        return max(self.raw_s, self.minute_s, self.quarter_s)

    def of(self, resolution_s: int) -> float:
        """Return how long samples of this resolution are kept."""
        return {RAW: self.raw_s, MINUTE_S: self.minute_s, QUARTER_S: self.quarter_s}[resolution_s]

    def finest(self, age_s: float) -> int:
        """Return the finest resolution that is still kept of what is so old; the coarsest when none is."""
        return next((step for step in (RAW, MINUTE_S) if age_s <= self.of(step)), QUARTER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveQuery:
    """A question about curves: points at multiples of `step_s`, from `since` (one of them) to before `until`."""

    since: int
    until: int
    step_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which resolution answers for which time."""

    resolution_s: int
    since: int
    until: int


def curve_query(
    *, since: float | None, until: float | None, step_s: int | None, now: float, retention: Retention, curves: int = 1
) -> CurveQuery:
    """Return the question, its step chosen when none was asked for. Raises InvalidInput, naming what is allowed.

    The last hour when no range was given; what lies ahead is left out.
    """
    end = min(until if until is not None else now, now)
    start = since if since is not None else end - _DEFAULT_RANGE_S
    if start >= end:
        raise InvalidInput("The range is empty.", FieldError("since", "must be in the past and earlier than until"))
    start = max(start, now - retention.longest_s)
    finest = retention.finest(now - start)
    if step_s is None:
        most = max(1, min(_GOOD_POINTS, _MOST_POINTS_IN_ALL // max(1, curves)))
        step_s = next((step for step in _steps(finest) if (end - start) / step <= most), _STEPS_S[-1])
    else:
        _check_step(step_s, finest, now - start, retention)
    points = math.ceil(max(0.0, end - start) / step_s)
    if points > _MOST_POINTS or points * curves > _MOST_POINTS_IN_ALL:
        per_curve = min(_MOST_POINTS, _MOST_POINTS_IN_ALL // max(1, curves))
        raise InvalidInput(
            f"The answer would have {curves} curves of {points} points; {per_curve} points each are the most.",
            FieldError("step_s", f"found {step_s}; use a longer step or a shorter range, or leave it out"),
        )
    return CurveQuery(since=math.floor(start / step_s) * step_s, until=math.ceil(end), step_s=step_s)


def sources(query: CurveQuery, rolled_up_until: Mapping[int, int]) -> list[Source]:
    """Return what answers the question without a gap or an overlap: the coarsest resolution that divides the step,
    as far as it has been rolled up; finer ones for what is newer."""
    usable = [step for step in (QUARTER_S, MINUTE_S) if query.step_s % step == 0]
    found: list[Source] = []
    since = query.since
    for resolution_s in usable:
        until = min(query.until, rolled_up_until.get(resolution_s, 0))
        if until > since:
            found.append(Source(resolution_s=resolution_s, since=since, until=until))
            since = until
    if since < query.until:
        found.append(Source(resolution_s=RAW, since=since, until=query.until))
    return found


def _steps(finest: int) -> list[int]:
    return [step for step in _STEPS_S if step >= finest]


def _check_step(step_s: int, finest: int, age_s: float, retention: Retention) -> None:
    if finest and step_s % finest:
        kept = "; ".join(
            f"{'single samples' if step == RAW else f'steps of {step} s'} for {retention.of(step) / 3600:g} h"
            for step in (RAW, MINUTE_S, QUARTER_S)
        )
        raise InvalidInput(
            f"What is {age_s / 3600:.1f} h old is kept in steps of {finest} s.",
            FieldError("step_s", f"found {step_s}, allowed: a multiple of {finest}, or a later since ({kept})"),
        )

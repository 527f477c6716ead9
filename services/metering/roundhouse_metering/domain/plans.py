"""Which cells answer for which time: the coarsest that fit, finer ones at the edges, single records at the ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final

from roundhouse_metering.domain.cells import DAY_S, FINEST, RESOLUTIONS, View
from roundhouse_metering.domain.retention import Kept
from roundhouse_metering.domain.usage import BucketWidth

__all__ = ["RECORDS", "Part", "bucket_start", "bucket_starts", "parts"]

RECORDS: Final = 0
"""Instead of a resolution: the records themselves."""
_AHEAD_S: Final = 2 * DAY_S
"""Routers' clocks may be ahead of ours: an open end is so far in the future."""
_STEP_S: Final = DAY_S
UTC_NAME: Final = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of time that cells of one resolution cover, and by how much its zone is ahead of UTC in it."""

    resolution_s: int
    since: float
    until: float
    offset_s: int = 0


def parts(
    since: float | None,
    until: float | None,
    *,
    view: View,
    width_s: int | None,
    zone: tzinfo,
    now: float,
    kept: Kept = Kept(),
) -> list[Part]:
    """Return what covers the range, without a gap or an overlap, in order.

    With a width no part's cell reaches from one bucket of that width, by the zone's clock, into the next. Raises
    RecordsGone where only records could tell that are not kept any more.
    """
    begin = since if since is not None else 0.0
    end = until if until is not None else float((math.floor(now) + _AHEAD_S) // DAY_S * DAY_S)
    found: list[Part] = []
    for start, stop, offset_s in _stretches(begin, end, zone if width_s and str(zone) != UTC_NAME else UTC):
        usable = [
            step
            for step in RESOLUTIONS
            if step >= FINEST[view] and (width_s is None or (width_s % step == 0 and offset_s % step == 0))
        ]
        _cover(found, start, stop, usable, offset_s, kept)
    for part in found:
        if part.resolution_s == RECORDS:
            kept.require(part.since)
    return found


@lru_cache(maxsize=16_384)
def bucket_start(bucket: BucketWidth, zone: tzinfo, local_s: int, offset_s: int) -> int:
    """Return when a bucket begins, in Unix seconds, from the start, by the zone's clock, of what is in it.

    Where the clock is changed within a bucket of hours, what comes after the change is in the same bucket if the clock
    shows the same one; if it shows another, that begins with the change.
    """
    if bucket.seconds >= DAY_S:
        return _first(zone, bucket.start(local_s))
    start = local_s - offset_s
    if str(zone) == UTC_NAME or (before_s := _offset(zone, start)) == offset_s:
        return start
    turn = math.floor(_turn(zone, start, start + bucket.seconds, before_s))
    is_same = (turn - 1 + before_s) // bucket.seconds * bucket.seconds == local_s
    return local_s - before_s if is_same else turn


def bucket_starts(bucket: BucketWidth, zone: tzinfo, since: float, until: float) -> list[int]:
    """Return when each bucket of a range begins, in order."""
    found: list[int] = []

    def add(start: int) -> None:
        if not found or start > found[-1]:  # else the clock was changed in it, or a whole day was left out
            found.append(start)

    if bucket.seconds < DAY_S:
        for start, stop, offset_s in _stretches(since, until, zone):
            first = math.floor((start + offset_s) / bucket.seconds) * bucket.seconds
            for local_s in range(first, math.ceil(stop) + offset_s, bucket.seconds):
                add(bucket_start(bucket, zone, local_s, offset_s))
        return found
    local_s = bucket.start(math.floor((since + _offset(zone, since)) / DAY_S) * DAY_S)
    while (start := _first(zone, local_s)) < until:
        add(start)
        local_s = bucket.next(local_s)
    return found


def _cover(found: list[Part], since: float, until: float, steps: Sequence[int], offset_s: int, kept: Kept) -> None:
    if since >= until:
        return
    if not steps:
        found.append(Part(resolution_s=RECORDS, since=since, until=until, offset_s=offset_s))
        return
    step, finer = steps[0], steps[1:]
    first, last = math.ceil(since / step) * step, math.floor(until / step) * step
    first = max(first, math.ceil(kept.since(step) / step) * step)
    if first >= last:
        _cover(found, since, until, finer, offset_s, kept)
        return
    _cover(found, since, first, finer, offset_s, kept)
    found.append(Part(resolution_s=step, since=first, until=last, offset_s=offset_s))
    _cover(found, last, until, finer, offset_s, kept)


def _stretches(since: float, until: float, zone: tzinfo) -> list[tuple[float, float, int]]:
    """Split the range where the zone's clock is changed."""
    if zone is UTC:
        return [(since, until, 0)]
    found: list[tuple[float, float, int]] = []
    start, offset_s, at = since, _offset(zone, since), since
    while at < until:
        following = min(at + _STEP_S, until)
        if (changed := _offset(zone, following)) != offset_s:
            turn = _turn(zone, at, following, offset_s)
            found.append((start, turn, offset_s))
            start, offset_s = turn, changed
        at = following
    if start < until:
        found.append((start, until, offset_s))
    return found


def _turn(zone: tzinfo, before: float, after: float, offset_s: int) -> float:
    low, high = math.floor(before), math.ceil(after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == offset_s:
            low = middle
        else:
            high = middle
    return float(high)


def _offset(zone: tzinfo, at: float) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _first(zone: tzinfo, local_s: int) -> int:
    """Return when the zone's clock shows a time, given in seconds as if it were UTC, or more: of two such moments the
    first, and where the clock leaves that time out, the moment of the change."""
    before_s, after_s = _offset(zone, local_s - DAY_S), _offset(zone, local_s + DAY_S)
    if _offset(zone, local_s - before_s) == before_s:
        return local_s - before_s
    if _offset(zone, local_s - after_s) == after_s:
        return local_s - after_s
    return math.floor(_turn(zone, local_s - after_s, local_s - before_s, before_s))

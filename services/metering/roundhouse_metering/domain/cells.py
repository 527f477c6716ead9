"""Cells of usage: sums of the records of one series that were admitted in one bucket of time.

A view tells records apart by few values, so that it has few cells; a question is answered from the smallest view that
has what it asks for. Whatever a view leaves out is empty in its series.
"""

import enum
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from roundhouse_metering.domain.amounts import LINE, VALUES, Amounts, Counted, Line, corrected, counted, summed, total

__all__ = [
    "DAY_S",
    "HOUR_S",
    "KEPT_S",
    "MINUTE_S",
    "QUARTER_S",
    "RESOLUTIONS",
    "VIEWS",
    "CellKey",
    "SeriesKey",
    "View",
    "digest",
    "tally",
    "view_for",
]

MINUTE_S, QUARTER_S, HOUR_S, DAY_S = 60, 900, 3_600, 86_400
RESOLUTIONS: Final = (DAY_S, HOUR_S, QUARTER_S, MINUTE_S)
KEPT_S: Final = {MINUTE_S: 9 * DAY_S, QUARTER_S: 63 * DAY_S}
"""How long the finer ones are kept, unless it is set otherwise; the others are kept for ever."""


class View(enum.IntEnum):
    """The numbers are in the database."""

    FINE = 0
    TOTAL = 1
    MODEL = 2
    KEY = 3
    REPLICA = 4


VIEWS: Final[dict[View, frozenset[str]]] = {
    View.TOTAL: frozenset(("tenant_id", "operation")),
    View.MODEL: frozenset(
        ("tenant_id", "operation", "model_requested", "model_served", "deployment_id", "provider_id")
    ),
    View.KEY: frozenset(("tenant_id", "operation", "project_id", "user_id", "key_id")),
    View.REPLICA: frozenset(
        ("tenant_id", "operation", "deployment_id", "version_id", "replica_id", "node_id", "region", "device_class")
    ),
    View.FINE: frozenset(VALUES),
}
"""What each tells apart, the smallest first."""
FINEST: Final = {
    View.TOTAL: MINUTE_S,
    View.MODEL: MINUTE_S,
    View.KEY: MINUTE_S,
    View.REPLICA: QUARTER_S,
    View.FINE: HOUR_S,
}
_ADMITTED_AT: Final = LINE.index("admitted_at")
_encoder: Final = msgspec.msgpack.Encoder()

SeriesKey = tuple[str, ...]
"""The values of a series in the order of VALUES."""


class CellKey(NamedTuple):
    view: View
    resolution_s: int
    at: int
    """The bucket's start, in Unix seconds."""
    series: SeriesKey


def view_for(names: Iterable[str]) -> View:
    """Return the smallest view that has all of these values."""
    wanted = frozenset(names)
    return next(view for view, has in VIEWS.items() if wanted <= has)


def digest(view: View, series: SeriesKey) -> str:
    """Return what a series is found by, however long its values are."""
    return hashlib.blake2b(_encoder.encode((int(view), *series)), digest_size=16).hexdigest()


def tally(
    lines: Iterable[Line], fixes: Iterable[tuple[Line, int, bool]], *, kept_since: Mapping[int, int] | None = None
) -> dict[CellKey, Amounts]:
    """Return what some records add to which cells, and corrections: record, amount in nano, whether it had no price.

    By resolution: cells that begin before `kept_since` are forgotten already. Cells that hold the same records share
    their amounts: nothing may be added to them.
    """
    views = [_ViewTally(view) for view in VIEWS]
    for line in lines:
        record, at = counted(line), int(line[_ADMITTED_AT])
        for view in views:
            view.count(line, at, record)
    for line, delta_nano, was_unpriced in fixes:
        record, at = corrected(delta_nano, was_unpriced=was_unpriced), int(line[_ADMITTED_AT])
        for view in views:
            view.count(line, at, record)
    since = kept_since or {}
    cells: dict[CellKey, Amounts] = {}
    for view in views:
        for key, amounts in view.cells():
            if key.at >= since.get(key.resolution_s, 0):
                cells[key] = amounts
    return cells


class _ViewTally:
    """The cells of one view: by values that it tells apart, by number of the bucket."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._finest_s = FINEST[view]
        self._values_of = _VALUES_OF[view]
        self._found: dict[tuple[str, ...], dict[int, list[Counted]]] = {}

    def count(self, line: Line, at: int, record: Counted) -> None:
        """Count what a record adds that was admitted then."""
        values, bucket = self._values_of(line), at // self._finest_s
        buckets = self._found.get(values)
        if buckets is None:
            self._found[values] = {bucket: [record]}
        elif bucket in buckets:
            buckets[bucket].append(record)
        else:
            buckets[bucket] = [record]

    def cells(self) -> Iterator[tuple[CellKey, Amounts]]:
        """Return the cells of all resolutions; coarser ones are sums of the next finer ones."""
        steps = sorted(step for step in RESOLUTIONS if step >= self._finest_s)
        for values, records in self._found.items():
            series = _series(self._view, values)
            buckets = {bucket: summed(found) for bucket, found in records.items()}
            for step, coarser_s in zip(steps, [*steps[1:], None], strict=True):
                for bucket, amounts in buckets.items():
                    yield CellKey(self._view, step, bucket * step, series), amounts
                if coarser_s is not None:
                    buckets = _coarser(buckets, coarser_s // step)


def _coarser(buckets: Mapping[int, Amounts], times: int) -> dict[int, Amounts]:
    found: dict[int, list[Amounts]] = {}
    for bucket, amounts in buckets.items():
        found.setdefault(bucket // times, []).append(amounts)
    return {bucket: parts[0] if len(parts) == 1 else total(parts) for bucket, parts in found.items()}


def _series(view: View, values: tuple[str, ...]) -> SeriesKey:
    """Return all values, of which those that the view leaves out are empty."""
    given = iter(values)
    return tuple(next(given) if name in VIEWS[view] else "" for name in VALUES)


_VALUES_OF: Final = {
    view: itemgetter(*(position for position, name in enumerate(VALUES) if name in names))
    for view, names in VIEWS.items()
}

"""Cells of usage: sums of the records of one series that were admitted in one bucket of time.

A view tells records apart by few values, so that it has few cells; a question is answered from the smallest view that
has what it asks for. Whatever a view leaves out is empty in its series.
"""

import enum
import hashlib
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from roundhouse_metering.domain.amounts import LINE, VALUES, Amounts, Line, counted

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
"""How long the finer ones are kept; the others are kept for ever."""


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


def series_of(view: View, line: Line) -> SeriesKey:
    """Return the series of a record in a view."""
    return _KEYS[view](line)


def tally(lines: Iterable[Line], fixes: Iterable[tuple[Line, int, bool]], *, now: float) -> dict[CellKey, Amounts]:
    """Return what some records add to which cells, and corrections: record, amount in nano, whether it had no price."""
    finest: dict[CellKey, Amounts] = {}
    for line in lines:
        record = counted(line)
        for key in _finest_keys(line):
            found = finest.get(key)
            if found is None:
                found = finest[key] = Amounts()
            found.add_counted(record)
    for line, delta_nano, was_unpriced in fixes:
        for key in _finest_keys(line):
            finest.setdefault(key, Amounts()).correct(delta_nano, was_unpriced=was_unpriced)
    cells = dict(finest)
    for key, amounts in finest.items():
        for resolution_s in RESOLUTIONS:
            if resolution_s > key.resolution_s:
                coarser = key._replace(resolution_s=resolution_s, at=key.at // resolution_s * resolution_s)
                found = cells.get(coarser)
                if found is None:
                    found = cells[coarser] = Amounts()
                found.add(amounts)
    return {key: amounts for key, amounts in cells.items() if key.at >= now - KEPT_S.get(key.resolution_s, now)}


def _finest_keys(line: Line) -> list[CellKey]:
    admitted_at = int(line[_ADMITTED_AT])
    return [
        CellKey(view, resolution_s, admitted_at // resolution_s * resolution_s, _KEYS[view](line))
        for view, resolution_s in FINEST.items()
    ]


def _key_getter(view: View) -> "_Getter":
    # One itemgetter: the place behind the end of a line, for values that the view leaves out, is an empty text.
    return _Getter([position if name in VIEWS[view] else None for position, name in enumerate(VALUES)])


class _Getter:
    """Takes some values out of a line and leaves the others empty."""

    def __init__(self, positions: Sequence[int | None]) -> None:
        self._is_whole = None not in positions
        self._positions = positions
        wanted = [position for position in positions if position is not None]
        self._get = itemgetter(*wanted)
        self._known: dict[tuple[str, ...], SeriesKey] = {}

    def __call__(self, line: Line) -> SeriesKey:
        if self._is_whole:
            return tuple(line[: len(VALUES)])
        values = self._get(line)
        found = self._known.get(values)
        if found is None:
            given = iter(values)
            found = tuple("" if position is None else next(given) for position in self._positions)
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[values] = found
        return found


_MOST_KNOWN: Final = 100_000
_KEYS: Final = {view: _key_getter(view) for view in VIEWS}

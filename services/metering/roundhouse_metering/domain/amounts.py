"""What is summed over records: whole numbers only, so that the order of adding makes no difference."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import add
from typing import Any, Final

from roundhouse_common.contracts.usage import TOKEN_CLASSES
from roundhouse_metering.domain.sketches import Sketch, bin_of

__all__ = ["LINE", "SUMS", "VALUES", "Amounts", "Counted", "Line", "corrected", "counted", "summed", "total"]

VALUES: Final = (
    *("tenant_id", "operation", "project_id", "user_id", "key_id", "model_requested", "model_served"),
    *("deployment_id", "provider_id", "version_id", "replica_id", "node_id", "region", "device_class"),
    *("route_id", "api", "reuse"),
)
"""What records are told apart by."""
_COUNTS: Final = (
    *TOKEN_CLASSES,
    *("audio_ms", "images", "input_characters"),
)
LINE: Final = (
    *VALUES,
    *("entry", "router_id", "sequence", "admitted_at", "outcome", "duration_ms", "time_to_first_token_ms", "cost_nano"),
    *_COUNTS,
)
"""The columns of the ledger that are counted."""
Line = Sequence[Any]
"""One record, in the order of LINE. Any: each column has its own type."""
SUMS: Final = (
    *("requests", "completed", "failed", "aborted"),
    *_COUNTS,
    *("cost_nano", "correction_nano", "unpriced"),
    *("latency_count", "latency_us", "first_token_count", "first_token_us"),
)
_AT: Final = {name: position for position, name in enumerate(SUMS)}
_OUTCOME: Final = LINE.index("outcome")
_ENDED: Final = {"completed": (1, 0, 0), "failed": (0, 1, 0), "aborted": (0, 0, 1)}
_UNPRICED: Final = (0, 0, 1)
_NO_TIME: Final = -1
_NO_TIMES: Final = (_NO_TIME,) * 4
_NOTHING_COUNTED: Final = (0,) * SUMS.index("cost_nano")
_LATENCY_US: Final = len(SUMS)

Counted = tuple[int, ...]
"""What one record adds: SUMS, and behind them its latency in microseconds, the bin of that, and both of its first
token, each -1 where there is none."""


class Amounts:
    """Sums, maxima and sketches over some records."""

    __slots__ = ("first_token", "first_token_max_us", "latency", "latency_max_us", "sums")

    def __init__(self) -> None:
        self.sums = [0] * len(SUMS)
        self.latency_max_us = 0
        self.first_token_max_us = 0
        self.latency = Sketch()
        self.first_token = Sketch()

    def __getitem__(self, name: str) -> int:
        return self.sums[_AT[name]]

    def add_line(self, line: Line) -> None:
        """Count one record."""
        self.add_counted(counted(line))

    def correct(self, delta_nano: int, *, was_unpriced: bool) -> None:
        """Count a correction of a record's cost."""
        self.add_counted(corrected(delta_nano, was_unpriced=was_unpriced))

    def add_counted(self, record: Counted) -> None:
        """Count one record or correction; `summed` is for many."""
        latency_us, latency_bin, first_token_us, first_token_bin = record[_LATENCY_US:]
        self.add_sums(record[:_LATENCY_US], latency_us, first_token_us)
        if latency_bin != _NO_TIME:
            few = self.latency.few
            few[latency_bin] = few.get(latency_bin, 0) + 1
        if first_token_bin != _NO_TIME:
            few = self.first_token.few
            few[first_token_bin] = few.get(first_token_bin, 0) + 1

    def add(self, other: "Amounts") -> None:
        """Count all that the other one counted."""
        self.add_sums(other.sums, other.latency_max_us, other.first_token_max_us)
        self.latency.merge(other.latency)
        self.first_token.merge(other.first_token)

    def add_sums(self, sums: Sequence[int], latency_max_us: int, first_token_max_us: int) -> None:
        """Count sums in the order of SUMS, and maxima; sketches go by themselves."""
        self.sums = list(map(add, self.sums, sums))
        self.latency_max_us = max(self.latency_max_us, latency_max_us)
        self.first_token_max_us = max(self.first_token_max_us, first_token_max_us)


def total(parts: Iterable[Amounts]) -> Amounts:
    """Return the sum."""
    amounts = Amounts()
    for part in parts:
        amounts.add(part)
    return amounts


def counted(line: Line) -> Counted:
    """Return what a record adds. Latencies are those of completed requests: how long a failure took says something
    else."""
    outcome, duration_ms, first_token_ms, cost_nano, *counts = line[_OUTCOME:]
    cost = _UNPRICED if cost_nano is None else (cost_nano, 0, 0)
    ended = _ENDED[outcome]
    if not ended[0]:
        return (1, *ended, *counts, *cost, 0, 0, 0, 0, *_NO_TIMES)
    latency_us = round(1000 * duration_ms)
    if first_token_ms is None:
        return (1, *ended, *counts, *cost, 1, latency_us, 0, 0, latency_us, bin_of(latency_us), _NO_TIME, _NO_TIME)
    first_us = round(1000 * first_token_ms)
    times = (latency_us, bin_of(latency_us), first_us, bin_of(first_us))
    return (1, *ended, *counts, *cost, 1, latency_us, 1, first_us, *times)


def corrected(delta_nano: int, *, was_unpriced: bool) -> Counted:
    """Return what a correction of a record's cost adds."""
    return (*_NOTHING_COUNTED, delta_nano, delta_nano, -was_unpriced, 0, 0, 0, 0, *_NO_TIMES)


def summed(records: Sequence[Counted]) -> Amounts:
    """Return the sum of some records and corrections, at least one: whole columns at a time."""
    amounts = Amounts()
    if len(records) == 1:
        amounts.add_counted(records[0])
        return amounts
    columns = list(zip(*records, strict=True))
    latencies, latency_bins, first_tokens, first_token_bins = columns[_LATENCY_US:]
    amounts.sums = list(map(sum, columns[:_LATENCY_US]))
    amounts.latency_max_us = max(0, *latencies)
    amounts.first_token_max_us = max(0, *first_tokens)
    amounts.latency.few = _bins(latency_bins)
    amounts.first_token.few = _bins(first_token_bins)
    return amounts


def _bins(numbers: Sequence[int]) -> dict[int, int]:
    found = dict(Counter(numbers))
    found.pop(_NO_TIME, None)
    return found

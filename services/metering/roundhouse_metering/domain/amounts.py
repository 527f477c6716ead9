"""What is summed over records: whole numbers only, so that the order of adding makes no difference."""

from collections.abc import Iterable, Sequence
from operator import add
from typing import Any, Final, NamedTuple

from roundhouse_metering.domain.sketches import Sketch, bin_of

__all__ = ["LINE", "SUMS", "VALUES", "Amounts", "Counted", "Line", "counted", "total"]

VALUES: Final = (
    *("tenant_id", "operation", "project_id", "user_id", "key_id", "model_requested", "model_served"),
    *("deployment_id", "provider_id", "version_id", "replica_id", "node_id", "region", "device_class"),
    *("route_id", "api", "reuse"),
)
"""What records are told apart by."""
_COUNTS: Final = (
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
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
_COMPLETED, _FAILED, _ABORTED = _AT["completed"], _AT["failed"], _AT["aborted"]
_COST, _CORRECTION, _UNPRICED = _AT["cost_nano"], _AT["correction_nano"], _AT["unpriced"]
_LATENCY, _FIRST_TOKEN = _AT["latency_count"], _AT["first_token_count"]
_FIRST_COUNT, _FIRST_COUNT_IN_LINE = _AT[_COUNTS[0]], LINE.index(_COUNTS[0])
_OUTCOME = LINE.index("outcome")
_OUTCOMES: Final = {"completed": _COMPLETED, "failed": _FAILED, "aborted": _ABORTED}


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

    def add_counted(self, record: "Counted") -> None:
        """Count a record that `counted` made of its line: what goes into several cells is worked out once."""
        amounts, latency_us, latency_bin, first_token_us, first_token_bin = record
        sums = self.sums
        for position, amount in amounts:
            sums[position] += amount
        if latency_us >= 0:
            if latency_us > self.latency_max_us:
                self.latency_max_us = latency_us
            few = self.latency.few
            few[latency_bin] = few.get(latency_bin, 0) + 1
        if first_token_us >= 0:
            if first_token_us > self.first_token_max_us:
                self.first_token_max_us = first_token_us
            few = self.first_token.few
            few[first_token_bin] = few.get(first_token_bin, 0) + 1

    def correct(self, delta_nano: int, *, was_unpriced: bool) -> None:
        """Count a correction of a record's cost."""
        self.sums[_COST] += delta_nano
        self.sums[_CORRECTION] += delta_nano
        self.sums[_UNPRICED] -= was_unpriced

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


class Counted(NamedTuple):
    """What one record adds. Times are -1 where there is none."""

    sums: list[tuple[int, int]]
    """Position in SUMS, and amount."""
    latency_us: int = -1
    latency_bin: int = 0
    first_token_us: int = -1
    first_token_bin: int = 0


def counted(line: Line) -> Counted:
    """Return what a record adds. Latencies are those of completed requests: how long a failure took says something
    else."""
    duration_ms, first_token_ms, cost_nano = line[_OUTCOME + 1], line[_OUTCOME + 2], line[_OUTCOME + 3]
    outcome = _OUTCOMES[line[_OUTCOME]]
    sums = [(0, 1), (outcome, 1), (_UNPRICED, 1) if cost_nano is None else (_COST, cost_nano)]
    sums += [(position, count) for position, count in enumerate(line[_FIRST_COUNT_IN_LINE:], _FIRST_COUNT) if count]
    if outcome != _COMPLETED:
        return Counted(sums)
    latency_us = round(1000 * duration_ms)
    sums += [(_LATENCY, 1), (_LATENCY + 1, latency_us)]
    if first_token_ms is None:
        return Counted(sums, latency_us, bin_of(latency_us))
    first_token_us = round(1000 * first_token_ms)
    sums += [(_FIRST_TOKEN, 1), (_FIRST_TOKEN + 1, first_token_us)]
    return Counted(sums, latency_us, bin_of(latency_us), first_token_us, bin_of(first_token_us))

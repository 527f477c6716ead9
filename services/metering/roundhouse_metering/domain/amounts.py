"""What is summed over records: whole numbers only, so that the order of adding makes no difference."""

from collections.abc import Sequence
from typing import Any, Final

from roundhouse_metering.domain.sketches import Sketch, bin_of, merge

__all__ = ["LINE", "SUMS", "VALUES", "Amounts", "Line"]

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
        self.latency: Sketch = {}
        self.first_token: Sketch = {}

    def __getitem__(self, name: str) -> int:
        return self.sums[_AT[name]]

    def add_line(self, line: Line) -> None:
        """Count one record. Latencies are those of completed requests: how long a failure took says something else."""
        sums = self.sums
        sums[0] += 1
        outcome = _OUTCOMES[line[_OUTCOME]]
        sums[outcome] += 1
        duration_ms, first_token_ms, cost_nano = line[_OUTCOME + 1], line[_OUTCOME + 2], line[_OUTCOME + 3]
        if cost_nano is None:
            sums[_UNPRICED] += 1
        else:
            sums[_COST] += cost_nano
        for position, count in enumerate(line[_FIRST_COUNT_IN_LINE:], _FIRST_COUNT):
            if count:
                sums[position] += count
        if outcome != _COMPLETED:
            return
        latency_us = round(1000 * duration_ms)
        self.latency_max_us = max(self.latency_max_us, latency_us)
        _count(sums, _LATENCY, self.latency, latency_us)
        if first_token_ms is not None:
            first_token_us = round(1000 * first_token_ms)
            self.first_token_max_us = max(self.first_token_max_us, first_token_us)
            _count(sums, _FIRST_TOKEN, self.first_token, first_token_us)

    def correct(self, delta_nano: int, *, was_unpriced: bool) -> None:
        """Count a correction of a record's cost."""
        self.sums[_COST] += delta_nano
        self.sums[_CORRECTION] += delta_nano
        self.sums[_UNPRICED] -= was_unpriced

    def add(self, other: "Amounts") -> None:
        """Count all that the other one counted."""
        self.add_sums(other.sums, other.latency_max_us, other.first_token_max_us)
        merge(self.latency, other.latency)
        merge(self.first_token, other.first_token)

    def add_sums(self, sums: Sequence[int], latency_max_us: int, first_token_max_us: int) -> None:
        """Count sums in the order of SUMS, and maxima; sketches go by themselves."""
        mine = self.sums
        for position, amount in enumerate(sums):
            if amount:
                mine[position] += amount
        self.latency_max_us = max(self.latency_max_us, latency_max_us)
        self.first_token_max_us = max(self.first_token_max_us, first_token_max_us)


def _count(sums: list[int], position: int, sketch: Sketch, value_us: int) -> None:
    sums[position] += 1
    sums[position + 1] += value_us
    number = bin_of(value_us)
    sketch[number] = sketch.get(number, 0) + 1

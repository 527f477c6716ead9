"""How usage is asked for: dimension, time buckets, filters; and how figures add up."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["BucketWidth", "Dimension", "Figures", "UsageFilter", "UsageQuery", "UsageRow", "most_rows", "total"]

most_rows = 10_000
"""More rows than this are refused, not cut off: a sum over a cut-off list would be wrong."""
_MOST_BUCKETS = 2_000


class Dimension(enum.StrEnum):
    """What usage is summed by."""

    MODEL = "model"
    """The name that the client asked for."""
    KEY = "key"
    USER = "user"
    DEPLOYMENT = "deployment"


class BucketWidth(enum.StrEnum):
    """Widths of time buckets. Buckets begin at multiples of their width since 1970 in UTC, so a day is a UTC day."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    QUARTER = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def minutes(self) -> int:
        """The width in minutes."""
        return _MINUTES[self]


_MINUTES = {
    BucketWidth.MINUTE: 1,
    BucketWidth.FIVE_MINUTES: 5,
    BucketWidth.QUARTER: 15,
    BucketWidth.HALF_HOUR: 30,
    BucketWidth.HOUR: 60,
    BucketWidth.DAY: 1440,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Which records count. None means any. Times are those of admission: `since` <= admitted < `until`."""

    tenant_id: str
    key_id: str | None = None
    model: str | None = None
    user_id: str | None = None
    deployment_id: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """A question to the ledger. Construction refuses one whose answer could not be bounded."""

    filter: UsageFilter
    by: Dimension
    bucket: BucketWidth | None = None

    def check(self, *, now: float) -> None:
        """Raise InvalidInput for an empty range, or for more buckets than an answer may hold."""
        since, until = self.filter.since, self.filter.until
        if since is not None and until is not None and since >= until:
            raise InvalidInput("The range is empty.", FieldError("since", "must be earlier than until"))
        if self.bucket is None:
            return
        if since is None:
            raise InvalidInput("Time buckets need a start.", FieldError("since", "is required with bucket"))
        buckets = math.ceil(((until or now) - since) / (60 * self.bucket.minutes))
        if buckets > _MOST_BUCKETS:
            raise InvalidInput(
                f"The range has {buckets} buckets of {self.bucket}; {_MOST_BUCKETS} are the most.",
                FieldError("bucket", "use a wider bucket or a shorter range"),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of requests and tokens. `requests` = completed + failed + aborted, always."""

    requests: int = 0
    completed: int = 0
    failed: int = 0
    aborted: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The figures of one value of the dimension, in one bucket when there are any."""

    value: str
    bucket_start: float | None
    figures: Figures


def total(rows: Iterable[UsageRow]) -> Figures:
    """Return the sum over all rows."""
    names = [field.name for field in fields(Figures)]
    sums = dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            sums[name] += getattr(row.figures, name)
    return Figures(**sums)

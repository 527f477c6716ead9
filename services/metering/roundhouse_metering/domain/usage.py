"""How usage is asked for: what to sum by, buckets of time, filters."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["COLUMNS", "UTC_ZONE", "BucketWidth", "Dimension", "UsageFilter", "UsageQuery", "most_rows"]

most_rows = 10_000
"""More rows than this are refused, not cut off: a sum over a cut-off list would be wrong."""
_MOST_BUCKETS = 2_000
_MOST_DIMENSIONS = 3
_LONGEST_FINE_S: Final = 9 * 86_400
"""Buckets that are not whole hours are for so long a time at the most: finer figures are many."""
UTC_ZONE: Final = ZoneInfo("UTC")


class Dimension(enum.StrEnum):
    """What usage is summed by."""

    MODEL = "model"
    """The name that the client asked for."""
    SERVED_MODEL = "served_model"
    KEY = "key"
    USER = "user"
    PROJECT = "project"
    TENANT = "tenant"
    KIND = "kind"
    """What was asked for: `chat`, `embeddings`, ..."""
    DEPLOYMENT = "deployment"
    VERSION = "version"
    REPLICA = "replica"
    NODE = "node"
    REGION = "region"
    DEVICE_CLASS = "device_class"
    PROVIDER = "provider"
    ROUTE = "route"
    API = "api"
    REUSE = "reuse"


COLUMNS: Final[Mapping[Dimension, str]] = {
    Dimension.MODEL: "model_requested",
    Dimension.SERVED_MODEL: "model_served",
    Dimension.KEY: "key_id",
    Dimension.USER: "user_id",
    Dimension.PROJECT: "project_id",
    Dimension.TENANT: "tenant_id",
    Dimension.KIND: "operation",
    Dimension.DEPLOYMENT: "deployment_id",
    Dimension.VERSION: "version_id",
    Dimension.REPLICA: "replica_id",
    Dimension.NODE: "node_id",
    Dimension.REGION: "region",
    Dimension.DEVICE_CLASS: "device_class",
    Dimension.PROVIDER: "provider_id",
    Dimension.ROUTE: "route_id",
    Dimension.API: "api",
    Dimension.REUSE: "reuse",
}
"""Of the ledger, and of series."""


class BucketWidth(enum.StrEnum):
    """Widths of time buckets. They begin at multiples of their width by the clock of the time zone; weeks on Monday."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    TEN_MINUTES = "10m"
    QUARTER = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    TWO_HOURS = "2h"
    SIX_HOURS = "6h"
    TWELVE_HOURS = "12h"
    DAY = "1d"
    WEEK = "1w"
    MONTH = "1mo"

    @property
    def seconds(self) -> int:
        """The width; of a week and a month that of the days which they are made of."""
        return _SECONDS.get(self, 86_400)

    def start(self, local_s: int) -> int:
        """Return the start of the bucket that begins with, or holds, a day's or a shorter bucket's start.

        Both are seconds of the zone's own clock, as if it were UTC.
        """
        if self is BucketWidth.WEEK:
            return local_s - (local_s // 86_400 + 3) % 7 * 86_400  # 1970-01-01 was a Thursday
        if self is BucketWidth.MONTH:
            day = _EPOCH + timedelta(seconds=local_s)
            return int((day.replace(day=1) - _EPOCH).total_seconds())
        return local_s

    def next(self, local_s: int) -> int:
        """Return the start of the bucket after the one that starts there."""
        if self is BucketWidth.WEEK:
            return local_s + 7 * 86_400
        if self is BucketWidth.MONTH:
            return self.start(local_s + 31 * 86_400)
        return local_s + self.seconds


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = {
    BucketWidth.MINUTE: 60,
    BucketWidth.FIVE_MINUTES: 300,
    BucketWidth.TEN_MINUTES: 600,
    BucketWidth.QUARTER: 900,
    BucketWidth.HALF_HOUR: 1_800,
    BucketWidth.HOUR: 3_600,
    BucketWidth.TWO_HOURS: 7_200,
    BucketWidth.SIX_HOURS: 21_600,
    BucketWidth.TWELVE_HOURS: 43_200,
}
_LONGEST_S: Final = {BucketWidth.WEEK: 7 * 86_400, BucketWidth.MONTH: 28 * 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Which records count. Times are those of admission: `since` <= admitted < `until`; None is open."""

    tenant_id: str | None = None
    """None: of all tenants."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Column of COLUMNS -> its value."""
    project_ids: frozenset[str] | None = None
    """Only of these projects; None: of all, and of none."""
    since: float | None = None
    until: float | None = None

    @property
    def values(self) -> dict[str, str]:
        """All columns that must have a value, the tenant's among them."""
        of_tenant = {} if self.tenant_id is None else {"tenant_id": self.tenant_id}
        return {**self.equal, **of_tenant}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """A question about usage."""

    filter: UsageFilter
    by: tuple[Dimension, ...] = ()
    """Nothing: one row for all."""
    bucket: BucketWidth | None = None
    zone: tzinfo = UTC_ZONE
    has_latency: bool = True
    """Whether quantiles are wanted: they cost more than all the rest."""

    def check(self, *, now: float) -> None:
        """Raise InvalidInput for an empty range, or for more buckets than an answer may hold."""
        since, until = self.filter.since, self.filter.until
        if len(self.by) > _MOST_DIMENSIONS or len(set(self.by)) < len(self.by):
            found = ", ".join(self.by)
            raise InvalidInput(f"by: {found}", FieldError("by", f"give up to {_MOST_DIMENSIONS} different ones"))
        if since is not None and until is not None and since >= until:
            raise InvalidInput("The range is empty.", FieldError("since", "must be earlier than until"))
        if self.bucket is None:
            return
        if since is None:
            raise InvalidInput("Time buckets need a start.", FieldError("since", "is required with bucket"))
        length_s = (until or now) - since
        buckets = math.ceil(length_s / _LONGEST_S.get(self.bucket, self.bucket.seconds))
        if buckets > _MOST_BUCKETS:
            raise InvalidInput(
                f"The range has {buckets} buckets of {self.bucket}; {_MOST_BUCKETS} are the most.",
                FieldError("bucket", "use a wider bucket or a shorter range"),
            )
        if self.bucket.seconds < 3_600 and length_s > _LONGEST_FINE_S:
            days = _LONGEST_FINE_S // 86_400
            raise InvalidInput(
                f"Buckets of {self.bucket} are for ranges of {days} days at the most.",
                FieldError("bucket", "use an hour or more, or a shorter range"),
            )

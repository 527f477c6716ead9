"""Tables that are made from the ledger and can be made again from it: usage by time, and what routers admitted; and
what is left to say of records that are not kept any more."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from roundhouse_common.database import BigId, UnixSeconds
from roundhouse_metering.store.schema import metadata

__all__ = ["admitted_ranges", "dropped_months", "router_hours", "usage_cells", "usage_cursors", "usage_series"]

usage_series = Table(
    "usage_series",
    metadata,
    # What figures are of: one combination of values, as far as the view tells them apart; the others are empty.
    Column("series_id", BigId, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False, unique=True),  # of the view and all values: too long for an index together
    Column("view", Integer, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model_requested", Text, nullable=False),
    Column("model_served", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("replica_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("device_class", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("reuse", Text, nullable=False),
    Index("ix_usage_series", "view", "tenant_id"),
)

usage_cells = Table(
    "usage_cells",
    metadata,
    # Sums over the records of a series that were admitted in one bucket. Whole numbers only: sums of them are the same
    # in whatever order records come, so that cells made anew are equal to the byte. On Postgres there is a
    # partition for each view and resolution (`usage_cells_model_3600`), which has statistics of its own.
    Column("view", Integer, primary_key=True, autoincrement=False),
    Column("resolution_s", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("aborted", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("input_audio_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("output_audio_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("input_image_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("output_image_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("audio_ms", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("input_characters", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),  # corrections included
    Column("correction_nano", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    # Of completed requests only.
    Column("latency_count", BigInteger, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("latency_max_us", BigInteger, nullable=False),
    Column("first_token_count", BigInteger, nullable=False),
    Column("first_token_us", BigInteger, nullable=False),
    Column("first_token_max_us", BigInteger, nullable=False),
    Column("latency_sketch", LargeBinary, nullable=False),
    Column("first_token_sketch", LargeBinary, nullable=False),
    Index("ix_usage_cells_series", "series_id", "resolution_s", "at"),
    sqlite_with_rowid=False,
)

usage_cursors = Table(
    "usage_cursors",
    metadata,
    # Up to which entry of the ledger something is done.
    Column("name", Text, primary_key=True),
    Column("entry", BigInteger, nullable=False),
)

admitted_ranges = Table(
    "admitted_ranges",
    metadata,
    # Which numbers of a router the ledger has: one range when nothing is missing.
    Column("router_id", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

router_hours = Table(
    "router_hours",
    metadata,
    # How what a router admitted within an hour ended.
    Column("router_id", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # Unix seconds
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("aborted", BigInteger, nullable=False),
)

dropped_months = Table(
    "dropped_months",
    metadata,
    # Months whose records were removed, and what those added up to: as much as the cells of their days, which stay.
    Column("month", BigInteger, primary_key=True, autoincrement=False),  # its beginning, in Unix seconds
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("dropped_at", UnixSeconds, nullable=False),
)

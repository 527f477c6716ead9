"""The tables of metering."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from roundhouse_common.database import BigId, UnixSeconds, outbox_table
from roundhouse_metering.store import (  # noqa: F401 - so that `metadata` has all tables
    engine_tables,
    money_tables,
    usage_tables,
    webhooks,
)
from roundhouse_metering.store.schema import metadata

__all__ = ["compute_samples", "device_samples", "ledger", "metadata", "outbox", "replica_spans", "rollups", "series"]

ledger = Table(
    "ledger",
    metadata,
    # One row per admitted request, never changed. Columns are the fields of UsageRecord. On Postgres a partition for
    # each month of admission (`ledger_2026_11`), made with its first record: unique is there what holds the time, too.
    Column("entry", BigId, primary_key=True, autoincrement=True),  # in the order of commits, with gaps
    Column("request_id", Text, nullable=False),
    Column("router_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("operation", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("model_requested", Text, nullable=False),
    Column("model_served", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("replica_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("admitted_at", UnixSeconds, nullable=False),
    Column("admitted_minute", BigInteger, nullable=False),  # whole minutes since 1970: time buckets are made of them
    Column("ended_at", UnixSeconds, nullable=False),
    Column("duration_ms", UnixSeconds, nullable=False),
    Column("time_to_first_token_ms", UnixSeconds, nullable=True),
    Column("is_stream", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("http_status", Integer, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("api", Text, nullable=False, server_default=text("''")),
    Column("route_id", Text, nullable=False, server_default=text("''")),
    Column("provider_id", Text, nullable=False, server_default=text("''")),
    Column("reuse", Text, nullable=False, server_default=text("'none'")),
    Column("continuations", Integer, nullable=False, server_default=text("0")),
    Column("cache_write_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("audio_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("images", Integer, nullable=False, server_default=text("0")),
    Column("input_characters", BigInteger, nullable=False, server_default=text("0")),
    Column("queued_ms", UnixSeconds, nullable=False, server_default=text("0")),
    Column("project_id", Text, nullable=False, server_default=text("''")),
    Column("region", Text, nullable=False, server_default=text("''")),
    Column("device_class", Text, nullable=False, server_default=text("''")),
    Column("version_id", Text, nullable=False, server_default=text("''")),
    Column("input_audio_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("output_audio_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("input_image_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("output_image_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("recorded_at", UnixSeconds, nullable=False),
    Column("cost_nano", BigInteger, nullable=True),  # when it was entered; NULL: unpriced
    Column("price_id", Text, nullable=False, server_default=text("''")),
    Column("currency", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("request_id", name="uq_ledger_request").ddl_if(dialect="sqlite"),
    UniqueConstraint("request_id", "admitted_at", name="uq_ledger_request").ddl_if(dialect="postgresql"),
    # Every index costs each record: sums come from `usage_cells`, and single records are found by key or time.
    Index("ix_ledger_time", "tenant_id", "admitted_at"),
    Index("ix_ledger_key", "tenant_id", "key_id", "admitted_at"),
    Index(
        "ix_ledger_unpriced",
        "tenant_id",
        "admitted_at",
        sqlite_where=text("cost_nano IS NULL"),
        postgresql_where=text("cost_nano IS NULL"),
    ),
    sqlite_autoincrement=True,
)

series = Table(
    "series",
    metadata,
    # What a curve is of: a node; a replica on it; one of its devices; or a replica's part of a device.
    Column("series_id", BigId, primary_key=True, autoincrement=True),
    Column("node_id", Text, nullable=False),
    Column("replica_id", Text, nullable=False),  # empty: the node as a whole
    Column("device_uuid", Text, nullable=False),  # empty: processor and memory
    Column("deployment_id", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # written every few minutes
    UniqueConstraint("node_id", "replica_id", "device_uuid", name="uq_series"),
    Index("ix_series_replica", "replica_id", "device_uuid"),
    Index("ix_series_deployment", "deployment_id", "seen_at"),
    Index("ix_series_seen", "seen_at"),
)

# The key begins with the series: a curve is one range of it, and rollups and pruning go by lists of series.
# `resolution_s` is 0 for samples as they came. `at` is the whole second of a sample, or the start of its bucket.
compute_samples = Table(
    "compute_samples",
    metadata,
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution_s", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("samples", Integer, nullable=False),
    Column("cpu_user", Double, nullable=False),
    Column("cpu_system", Double, nullable=False),
    Column("cpu_max", Double, nullable=False),
    Column("cpu_cores", Double, nullable=False),
    Column("memory_used_bytes", Double, nullable=False),
    Column("memory_max_bytes", Double, nullable=False),
    Column("memory_total_bytes", Double, nullable=False),
    sqlite_with_rowid=False,
)

device_samples = Table(
    "device_samples",
    metadata,
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution_s", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("samples", Integer, nullable=False),
    # NULL where the device did not tell.
    Column("utilization", Double, nullable=True),
    Column("utilization_max", Double, nullable=True),
    Column("memory_used_bytes", Double, nullable=True),
    Column("memory_max_bytes", Double, nullable=True),
    Column("memory_total_bytes", Double, nullable=True),
    Column("temperature_c", Double, nullable=True),
    Column("temperature_max_c", Double, nullable=True),
    Column("power_w", Double, nullable=True),
    Column("power_max_w", Double, nullable=True),
    sqlite_with_rowid=False,
)

rollups = Table(
    "rollups",
    metadata,
    # Up to when samples have been rolled up into this resolution.
    Column("resolution_s", Integer, primary_key=True, autoincrement=False),
    Column("until_at", BigInteger, nullable=False),
)

replica_spans = Table(
    "replica_spans",
    metadata,
    # One row per transition: what the replica held and did from then until its next one. Never deleted.
    Column("event_id", Text, primary_key=True),
    Column("replica_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("began_at", UnixSeconds, nullable=False),
    Column("ended_at", UnixSeconds, nullable=True),  # NULL: nothing has happened to it since
    Column("is_holding", Boolean, nullable=False),
    Column("is_serving", Boolean, nullable=False),
    Column("device_count", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),  # on all its devices together, or of the host
    Column("cpu_millis", Integer, nullable=False),
    Column("device_class", Text, nullable=False, server_default=text("''")),
    Column("project_id", Text, nullable=False, server_default=text("''")),
    Index("ix_replica_spans_replica", "replica_id", "began_at", "event_id"),
    Index("ix_replica_spans_deployment", "tenant_id", "deployment_id", "began_at"),
    Index("ix_replica_spans_end", "tenant_id", "is_holding", "ended_at"),
)

outbox = outbox_table(metadata)

"""The tables of metering."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

from roundhouse_common.database import UnixSeconds

__all__ = ["ledger", "metadata"]

metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    # One row per admitted request, never changed and never deleted. Columns are the fields of UsageRecord.
    Column("request_id", Text, primary_key=True),
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
    Column("recorded_at", UnixSeconds, nullable=False),
    Index("ix_ledger_time", "tenant_id", "admitted_at", "request_id"),
    Index("ix_ledger_key", "tenant_id", "key_id", "admitted_at", "request_id"),
    Index("ix_ledger_model", "tenant_id", "model_requested", "admitted_at", "request_id"),
    Index("ix_ledger_router", "router_id", "sequence", "outcome"),
)

"""Tables of the comparison between the ledger and engines' own counters."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from roundhouse_common.database import UnixSeconds
from roundhouse_metering.store.schema import metadata

__all__ = ["engine_hours", "engine_runs", "replica_hours"]

engine_runs = Table(
    "engine_runs",
    metadata,
    # One row per process of an engine: what it had counted when it was read last. NULL: it does not tell.
    Column("node_id", Text, primary_key=True),
    Column("replica_id", Text, primary_key=True),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("launch", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment_id", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("started_at", UnixSeconds, nullable=False),
    Column("read_at", UnixSeconds, nullable=False),
    Column("ended_at", UnixSeconds, nullable=True),
    Column("input_tokens", BigInteger, nullable=True),  # cached ones included
    Column("cached_input_tokens", BigInteger, nullable=True),
    Column("output_tokens", BigInteger, nullable=True),
    Index("ix_engine_runs_replica", "replica_id"),
    Index("ix_engine_runs_read", "read_at"),
)

engine_hours = Table(
    "engine_hours",
    metadata,
    # By how much a replica's counters grew in an hour; no row where they did not.
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # Unix seconds
    Column("replica_id", Text, primary_key=True),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("across_input_tokens", BigInteger, nullable=False),
    Column("across_output_tokens", BigInteger, nullable=False),
)

replica_hours = Table(
    "replica_hours",
    metadata,
    # What the ledger has of requests that a replica worked for and that ended in an hour: engines count then.
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("replica_id", Text, primary_key=True),  # empty: of requests whose router died, nobody knows where
    Column("deployment_id", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("ended_early", BigInteger, nullable=False),  # failed or aborted
    Column("retried", BigInteger, nullable=False),  # another replica had worked for them before
    Column("input_tokens", BigInteger, nullable=False),  # cached ones included
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),  # reasoning included
    Column("estimated_input_tokens", BigInteger, nullable=False),
    Column("estimated_output_tokens", BigInteger, nullable=False),
    Column("most_input_tokens", BigInteger, nullable=False),  # of one request
    Column("most_output_tokens", BigInteger, nullable=False),
    # Of requests that were under way within a minute of the hour's beginning, or of its end.
    Column("head_input_tokens", BigInteger, nullable=False),
    Column("head_output_tokens", BigInteger, nullable=False),
    Column("tail_input_tokens", BigInteger, nullable=False),
    Column("tail_output_tokens", BigInteger, nullable=False),
    Column("last_ended_at", UnixSeconds, nullable=False),
)

"""The database kit: one async interface over SQLite (embedded) and Postgres (production).

`Database` opens it, `ReadSession` and `WriteSession` are what repositories take, `outbox` publishes what a
transaction decided, `alembic_env` runs migrations. Tables are SQLAlchemy Core tables in each service's `store/`.
"""

from roundhouse_common import lean  # noqa: F401 - before anything loads structlog or nats-py
from roundhouse_common.database.database import Database, DatabaseBusy, DatabaseUnavailable, ValueNotStorable
from roundhouse_common.database.idempotency import idempotency_table
from roundhouse_common.database.migrate import MigrationFailed, SchemaTooNew
from roundhouse_common.database.outbox import OutboxRelay, Outgoing, enqueue, enqueue_all, outbox_table
from roundhouse_common.database.sessions import ReadSession, WriteSession
from roundhouse_common.database.types import BigId, DialectName, Json, UnixSeconds, upsert

__all__ = [
    "BigId",
    "Database",
    "DatabaseBusy",
    "DatabaseUnavailable",
    "DialectName",
    "Json",
    "MigrationFailed",
    "OutboxRelay",
    "Outgoing",
    "ReadSession",
    "SchemaTooNew",
    "UnixSeconds",
    "ValueNotStorable",
    "WriteSession",
    "enqueue",
    "enqueue_all",
    "idempotency_table",
    "outbox_table",
    "upsert",
]

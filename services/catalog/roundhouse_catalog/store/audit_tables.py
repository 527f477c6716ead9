"""The table of the audit. Triggers refuse to change a row, and to delete one that no seal covers (migration 0007)."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from roundhouse_catalog.store.metadata import metadata
from roundhouse_common.database import UnixSeconds

__all__ = ["audit", "audit_seals"]

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", String(64), nullable=False, unique=True),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("record", Text, nullable=False),  # canonical JSON, as it was hashed; the columns below are for filters
    Column("at", UnixSeconds, nullable=False, index=True),
    Column("tenant_id", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(128), nullable=False),
    Column("object_kind", String(64), nullable=False),
    Column("object_id", String(256), nullable=False, index=True),
    Column("outcome", String(16), nullable=False),
)
Index("ix_audit_tenant_id_sequence", audit.c.tenant_id, audit.c.sequence)
Index("ix_audit_actor_sequence", audit.c.actor, audit.c.sequence)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("last_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("last_hash", String(64), nullable=False),
    Column("sealed_at", UnixSeconds, nullable=False),
    Column("sealed_by", String(128), nullable=False),
)

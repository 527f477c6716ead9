"""The table in which `roundhouse_common.http.idempotency` remembers the responses of writes."""

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

from roundhouse_common.database.types import Json, UnixSeconds

__all__ = ["idempotency_table"]

_Headers: Final = dict[str, str]


def idempotency_table(metadata: MetaData) -> Table:
    """Add the `idempotency_keys` table to a service's metadata."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("subject_id", String(64), primary_key=True),
        Column("key", String(255), primary_key=True),
        Column("fingerprint", String(64), nullable=False),
        Column("created_at", UnixSeconds, nullable=False, index=True),
        Column("status", Integer, nullable=False),
        Column("headers", Json(_Headers), nullable=False),
        Column("body", LargeBinary, nullable=False),
    )

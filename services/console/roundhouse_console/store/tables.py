"""The console's tables."""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from roundhouse_common.database import UnixSeconds

__all__ = ["conversations", "metadata", "preferences", "sessions"]

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of what the cookie holds, hexadecimal
    Column("user_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # tokens, sealed with a key made from the cookie
    Column("created_at", UnixSeconds, nullable=False),
    Column("last_used_at", UnixSeconds, nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),
    Index("ix_sessions_expiry", "expires_at"),
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("folder", Text, nullable=False),  # empty: in none
    Column("title", Text, nullable=False),
    Column("words", Text, nullable=False),  # what a search looks in, in lower case
    Column("document", LargeBinary, nullable=False),  # JSON; bytes, since texts of Postgres take no U+0000
    Column("revision", Integer, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Index("ix_conversations_of", "user_id", "tenant_id", "updated_at"),
)

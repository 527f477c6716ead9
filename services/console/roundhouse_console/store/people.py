"""Whose things the console keeps, over all its tables."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_console.store.tables import conversations, preferences, sessions

__all__ = ["forget", "with_something"]


async def with_something(session: ReadSession) -> set[str]:
    """Return the ids of all who have conversations or preferences."""
    query = select(conversations.c.user_id).union(select(preferences.c.user_id))
    return set((await session.execute(query)).scalars())


async def forget(session: WriteSession, user_ids: Sequence[str]) -> None:
    """Delete everything of these people, their browser sessions too."""
    for table in (conversations, preferences, sessions):
        await session.execute(delete(table).where(table.c.user_id.in_(user_ids)))

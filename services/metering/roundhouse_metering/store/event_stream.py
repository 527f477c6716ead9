"""How far the feed was published on the bus. Kept beside what else is counted from the ledger."""

from typing import Final, NamedTuple

from sqlalchemy import select

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.feed import FeedCursor
from roundhouse_metering.store.usage_tables import usage_cursors

__all__ = ["StreamPlace", "put_place", "stream_place"]

_NAMES: Final = ("stream.ledger", "stream.corrections", "stream.thresholds")
_CREATED: Final = "stream.created"


class StreamPlace(NamedTuple):
    """What is up to the cursor is in the stream that was created at that time (Unix microseconds)."""

    cursor: FeedCursor
    created_at: int


async def stream_place(session: ReadSession) -> StreamPlace | None:
    """Return how far it came; None: nothing was published yet."""
    wanted = select(usage_cursors).where(usage_cursors.c.name.in_([*_NAMES, _CREATED]))
    found = {row.name: row.entry for row in await session.execute(wanted)}
    if _NAMES[0] not in found:
        return None
    return StreamPlace(FeedCursor(*(found.get(name, 0) for name in _NAMES)), found.get(_CREATED, 0))


async def put_place(session: WriteSession, cursor: FeedCursor, created_at: int) -> None:
    """Note how far it came."""
    values = zip((*_NAMES, _CREATED), (cursor.entry, cursor.correction, cursor.threshold, created_at), strict=True)
    put = upsert(session.dialect, usage_cursors, key=["name"], update=["entry"])
    await session.execute(put, [{"name": name, "entry": value} for name, value in values])

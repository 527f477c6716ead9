"""Which write transaction changed a row last: how a copy of the record in memory is kept up without reading it whole.

Writes of the service run one after the other on both databases, and each stamps the rows it writes with the next
number of one counter. So a reader that has seen revision N and reads all rows above N misses nothing.
"""

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from roundhouse_common.database import DialectName, ReadSession, WriteSession, upsert
from roundhouse_scheduler.store import tables

__all__ = ["current_revision", "next_revision", "remove"]

_NAME = "revision"
_COUNTED = select(tables.counters.c.value).where(tables.counters.c.name == _NAME)


async def current_revision(session: ReadSession) -> int:
    """Return the revision of the last write that committed."""
    return await session.scalar(_COUNTED) or 0


async def next_revision(session: WriteSession) -> int:
    """Return a revision for the rows of this transaction. Every write to a table with a `revision` column needs it."""
    value: int = (await session.execute(_count_on(session.dialect))).scalar_one()
    return value


@functools.cache
def _count_on(dialect: DialectName) -> Any:  # Any: the two dialects spell the same statement as two types
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    counted: Any = make(tables.counters).values(name=_NAME, value=1)
    counted = counted.on_conflict_do_update(index_elements=["name"], set_={"value": tables.counters.c.value + 1})
    return counted.returning(tables.counters.c.value)


async def remove(session: WriteSession, table: Table, keys: Sequence[str]) -> None:
    """Delete rows by their ids, and leave a note for those who keep a copy."""
    if not keys:
        return
    (key,) = table.primary_key.columns
    await session.execute(delete(table).where(key.in_(keys)))
    revision = await next_revision(session)
    await session.execute(
        upsert(session.dialect, tables.removals, key=["kind", "key"], update=["revision"]),
        [{"kind": table.name, "key": item, "revision": revision} for item in keys],
    )

"""What people prefer, kept over browsers: small texts by name."""

from sqlalchemy import select

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_console.store.tables import preferences

__all__ = ["all_of", "keep"]

_P = preferences.c


async def all_of(session: ReadSession, user_id: str) -> dict[str, str]:
    found = await session.execute(select(_P.name, _P.value).where(_P.user_id == user_id))
    return {row.name: row.value for row in found}


async def keep(session: WriteSession, user_id: str, name: str, value: str) -> None:
    statement = upsert(session.dialect, preferences, key=["user_id", "name"], update=["value"])
    await session.execute(statement, {"user_id": user_id, "name": name, "value": value})

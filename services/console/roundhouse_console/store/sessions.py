"""Browser sessions in SQL."""

from sqlalchemy import delete, insert, select, update

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime
from roundhouse_console.domain.session import StoredSession
from roundhouse_console.store.tables import sessions

__all__ = ["find", "forget_expired", "insert_session", "remove", "reseal", "touch"]

_S = sessions.c


async def insert_session(session: WriteSession, made: StoredSession) -> None:
    await session.execute(
        insert(sessions).values(
            digest=made.digest,
            user_id=made.user_id,
            sealed=made.sealed,
            created_at=made.created_at,
            last_used_at=made.last_used_at,
            expires_at=made.expires_at,
        )
    )


async def find(session: ReadSession, digest: str) -> StoredSession | None:
    row = (await session.execute(select(sessions).where(_S.digest == digest))).one_or_none()
    if row is None:
        return None
    return StoredSession(
        digest=row.digest,
        user_id=row.user_id,
        sealed=row.sealed,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


async def reseal(session: WriteSession, digest: str, sealed: bytes) -> bool:
    """Keep newer tokens. False: the session is gone."""
    done = await session.execute(update(sessions).where(_S.digest == digest).values(sealed=sealed))
    return done.rowcount == 1


async def touch(session: WriteSession, digest: str, now: UnixTime) -> None:
    await session.execute(update(sessions).where(_S.digest == digest).values(last_used_at=now))


async def remove(session: WriteSession, digest: str) -> None:
    """Forget a session; nothing happens when it is gone already."""
    await session.execute(delete(sessions).where(_S.digest == digest))


async def forget_expired(session: WriteSession, *, now: UnixTime, idle_s: float) -> int:
    """Remove sessions that can no longer be used, and return how many there were."""
    done = await session.execute(delete(sessions).where((_S.expires_at <= now) | (_S.last_used_at <= now - idle_s)))
    return done.rowcount

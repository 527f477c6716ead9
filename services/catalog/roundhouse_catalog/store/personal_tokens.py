"""Personal tokens in SQL, as digests."""

from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.personal_tokens import PersonalToken
from roundhouse_catalog.store.login_tables import personal_tokens
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "find_token",
    "find_token_by_digest",
    "insert_token",
    "list_tokens",
    "mark_token_revoked",
    "mark_token_used",
]

_P = personal_tokens.c


async def list_tokens(
    session: ReadSession, tenant_id: str, user_id: str, *, limit: int, after: str = ""
) -> list[PersonalToken]:
    """Return somebody's tokens for the tenant in the order of their creation, revoked ones too."""
    query = select(personal_tokens).where(_P.tenant_id == tenant_id, _P.user_id == user_id, _P.id > after)
    return [_token(row) for row in await session.execute(query.order_by(_P.id).limit(limit))]


async def find_token(session: ReadSession, tenant_id: str, token_id: str) -> PersonalToken | None:
    query = select(personal_tokens).where(_P.tenant_id == tenant_id, _P.id == token_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _token(row)


async def find_token_by_digest(session: ReadSession, sha256: str) -> PersonalToken | None:
    row = (await session.execute(select(personal_tokens).where(_P.sha256 == sha256))).one_or_none()
    return None if row is None else _token(row)


async def insert_token(session: WriteSession, token: PersonalToken) -> None:
    await session.execute(
        insert(personal_tokens).values(
            id=token.token_id,
            user_id=token.user_id,
            tenant_id=token.tenant_id,
            name=token.name,
            sha256=token.sha256,
            prefix=token.prefix,
            last_four=token.last_four,
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            revoked_at=token.revoked_at,
        )
    )


async def mark_token_used(session: WriteSession, token_id: str, *, now: UnixTime) -> None:
    await session.execute(update(personal_tokens).where(_P.id == token_id).values(last_used_at=now))


async def mark_token_revoked(session: WriteSession, token: PersonalToken) -> None:
    await session.execute(update(personal_tokens).where(_P.id == token.token_id).values(revoked_at=token.revoked_at))


def _token(row: Row[Any]) -> PersonalToken:  # Any: a row of `personal_tokens`
    return PersonalToken(
        token_id=row.id,
        user_id=row.user_id,
        tenant_id=row.tenant_id,
        name=row.name,
        sha256=row.sha256,
        prefix=row.prefix,
        last_four=row.last_four,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        expires_at=UnixTime(row.expires_at),
        last_used_at=None if row.last_used_at is None else UnixTime(row.last_used_at),
        revoked_at=None if row.revoked_at is None else UnixTime(row.revoked_at),
    )

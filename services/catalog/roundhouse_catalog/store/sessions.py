"""Sessions and their refresh tokens in SQL. Ended sessions stay for a while, so that people see what was."""

from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from roundhouse_catalog.domain.sessions import Client, EndReason, RefreshToken, Session, SessionRules, sign_out_record
from roundhouse_catalog.store.identity_tables import users
from roundhouse_catalog.store.login_tables import personal_tokens, refresh_tokens, sessions, sign_outs
from roundhouse_common.contracts.identity import SignOut
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.runtime import UnixTime

__all__ = [
    "all_sign_outs",
    "end_session",
    "end_sessions",
    "find_refresh_token",
    "find_session",
    "forget_sessions",
    "insert_refresh_token",
    "insert_session",
    "live_sessions",
    "mark_used",
    "touch_session",
    "void_tokens",
]

_S = sessions.c
_R = refresh_tokens.c
_KEEP_SIGN_OUTS_S = 3600.0
"""Longer than any token lives."""


async def insert_session(session: WriteSession, made: Session) -> None:
    await session.execute(
        insert(sessions).values(
            id=made.session_id,
            user_id=made.user_id,
            tenant_id=made.tenant_id,
            method=made.method,
            client_address=made.client.address,
            user_agent=made.client.user_agent,
            created_at=made.created_at,
            last_used_at=made.last_used_at,
            expires_at=made.expires_at,
            ended_at=made.ended_at,
            end_reason=made.end_reason,
        )
    )


async def find_session(session: ReadSession, session_id: str) -> Session | None:
    row = (await session.execute(select(sessions).where(_S.id == session_id))).one_or_none()
    return None if row is None else _session(row)


async def live_sessions(session: ReadSession, user_id: str, *, now: UnixTime, idle_s: float) -> list[Session]:
    """Return the sessions of a user that still can be refreshed, the last used first."""
    query = select(sessions).where(
        _S.user_id == user_id, _S.ended_at.is_(None), _S.expires_at > now, _S.last_used_at > now - idle_s
    )
    return [_session(row) for row in await session.execute(query.order_by(_S.last_used_at.desc(), _S.id))]


async def touch_session(session: WriteSession, used: Session) -> None:
    """Write when, from where and for which tenant it was used last."""
    values = {
        "tenant_id": used.tenant_id,
        "client_address": used.client.address,
        "user_agent": used.client.user_agent,
        "last_used_at": used.last_used_at,
    }
    await session.execute(update(sessions).where(_S.id == used.session_id).values(values))


async def end_session(session: WriteSession, session_id: str, reason: EndReason, *, now: UnixTime) -> bool:
    """End one session: its access tokens are void. Return whether it had not ended before."""
    query = update(sessions).where(_S.id == session_id, _S.ended_at.is_(None))
    return (await session.execute(query.values(ended_at=now, end_reason=reason.value))).rowcount > 0


async def end_sessions(session: WriteSession, user_id: str, reason: EndReason, *, now: UnixTime, but: str = "") -> int:
    """End every session of the user, except `but`; return how many. Their access tokens are void."""
    query = update(sessions).where(_S.user_id == user_id, _S.ended_at.is_(None), _S.id != but)
    return (await session.execute(query.values(ended_at=now, end_reason=reason.value))).rowcount


async def void_tokens(session: WriteSession, user_id: str, *, now: UnixTime) -> None:
    """Make every access token that the user has void, whatever made it; sessions go on and get new ones.

    For whoever takes rights away: it holds at every service within a moment, not when the tokens expire. Nothing
    happens for somebody whom the directory does not know: their tokens are not the catalog's.
    """
    if await session.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
        return
    statement = upsert(session.dialect, sign_outs, key=["user_id"], update=["issued_before"])
    await session.execute(statement, {"user_id": user_id, "issued_before": now})


async def all_sign_outs(session: ReadSession, rules: SessionRules, now: UnixTime) -> dict[str, SignOut]:
    """Return, by user id, what the services must know of void tokens that have not expired."""
    outs = sign_outs.c
    query = select(sign_outs).where(outs.issued_before > now - _KEEP_SIGN_OUTS_S)
    before = {row.user_id: row.issued_before for row in await session.execute(query)}
    since = now - max(rules.access_s, _KEEP_SIGN_OUTS_S)
    ended: dict[str, list[tuple[str, float]]] = {}
    for row in await session.execute(select(sessions).where(_S.ended_at > since)):
        ended.setdefault(row.user_id, []).append((row.id, row.ended_at))
    revoked = select(personal_tokens).where(personal_tokens.c.revoked_at > since)
    for row in await session.execute(revoked):
        ended.setdefault(row.user_id, []).append((row.id, row.revoked_at))
    return {
        user_id: sign_out_record(
            user_id, issued_before=before.get(user_id, 0.0), ended=ended.get(user_id, []), access_s=rules.access_s
        )
        for user_id in sorted(before.keys() | ended.keys())
    }


async def insert_refresh_token(session: WriteSession, token: RefreshToken) -> None:
    await session.execute(
        insert(refresh_tokens).values(
            sha256=token.sha256,
            session_id=token.session_id,
            created_at=token.created_at,
            used_at=token.used_at,
            successor=token.successor,
        )
    )


async def find_refresh_token(session: ReadSession, sha256: str) -> RefreshToken | None:
    row = (await session.execute(select(refresh_tokens).where(_R.sha256 == sha256))).one_or_none()
    return None if row is None else RefreshToken(**row._asdict())


async def mark_used(session: WriteSession, token: RefreshToken, *, successor: str, now: UnixTime) -> None:
    """Write what was given for the token. The first use is the one that counts for the grace."""
    values = {"used_at": now if token.used_at is None else token.used_at, "successor": successor}
    await session.execute(update(refresh_tokens).where(_R.sha256 == token.sha256).values(values))


async def forget_sessions(session: WriteSession, *, before: float) -> int:
    """Remove sessions that ended, or could not go on, before the moment, with their tokens; return how many."""
    gone = (_S.ended_at < before) | (_S.expires_at < before)
    await session.execute(delete(refresh_tokens).where(_R.session_id.in_(select(_S.id).where(gone))))
    await session.execute(delete(refresh_tokens).where(_R.used_at < before))
    return (await session.execute(delete(sessions).where(gone))).rowcount


def _session(row: Row[Any]) -> Session:  # Any: a row of `sessions`
    return Session(
        session_id=row.id,
        user_id=row.user_id,
        tenant_id=row.tenant_id,
        method=row.method,
        client=Client(address=row.client_address, user_agent=row.user_agent),
        created_at=UnixTime(row.created_at),
        last_used_at=UnixTime(row.last_used_at),
        expires_at=UnixTime(row.expires_at),
        ended_at=None if row.ended_at is None else UnixTime(row.ended_at),
        end_reason=row.end_reason,
    )

"""What logging in reads and writes: accounts, passwords, attempts."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select

from roundhouse_catalog.domain.lockouts import Attempts
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.login_tables import credentials, login_attempts
from roundhouse_common.auth import SubjectKind
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.runtime import UnixTime

__all__ = [
    "Account",
    "Credential",
    "find_account",
    "find_account_by_id",
    "find_credential",
    "forget_attempts",
    "put_attempts",
    "put_credential",
    "read_attempts",
    "tenant_by_word",
    "tenant_names",
    "tenants_of",
]

_U = tables.users.c
_A = login_attempts.c
_NEVER = UnixTime(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who logs in."""

    user_id: str
    name: str
    tenant_id: str
    """Of a service account; empty for people."""
    kind: str
    email: str
    is_disabled: bool
    """Deleted ones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Somebody's password."""

    user_id: str
    password_hash: str
    must_change: bool = False
    expires_at: UnixTime = _NEVER
    """Of one that somebody else chose; 0: never."""
    changed_at: UnixTime


async def find_account(session: ReadSession, login_name: str) -> Account | None:
    """Return the person of this login name; service accounts have no password."""
    query = select(tables.users).where(_U.tenant_id == "", _U.name == login_name, _U.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else await find_account_by_id(session, row.id)


async def find_account_by_id(session: ReadSession, user_id: str) -> Account | None:
    row = (await session.execute(select(tables.users).where(_U.id == user_id))).one_or_none()
    if row is None:
        return None
    return Account(
        user_id=row.id,
        name=row.name,
        tenant_id=row.tenant_id,
        kind=SubjectKind(row.kind),
        email=row.email,
        is_disabled=row.is_disabled or row.deleted_at is not None,
    )


async def tenants_of(session: ReadSession, user_id: str) -> list[str]:
    """Return the ids of the tenants that the user is a member of."""
    member = tables.memberships.c
    query = select(member.tenant_id).where(member.user_id == user_id).order_by(member.tenant_id)
    return list(await session.scalars(query))


async def tenant_by_word(session: ReadSession, word: str) -> str | None:
    """Return the id of the tenant of this id or name."""
    there = tables.tenants.c
    query = select(there.id).where((there.id == word) | (there.name == word), there.deleted_at.is_(None))
    return await session.scalar(query.order_by(there.id != word))


async def tenant_names(session: ReadSession, ids: list[str]) -> Mapping[str, str]:
    there = tables.tenants.c
    rows = await session.execute(select(there.id, there.name).where(there.id.in_(ids), there.deleted_at.is_(None)))
    return {row.id: row.name for row in rows}


async def find_credential(session: ReadSession, user_id: str) -> Credential | None:
    row = (await session.execute(select(credentials).where(credentials.c.user_id == user_id))).one_or_none()
    return None if row is None else Credential(**row._asdict())


async def put_credential(session: WriteSession, credential: Credential) -> None:
    """Write the user's password, in the place of the one before."""
    columns = ("password_hash", "must_change", "expires_at", "changed_at")
    values = {"user_id": credential.user_id, **{name: getattr(credential, name) for name in columns}}
    await session.execute(upsert(session.dialect, credentials, key=["user_id"], update=columns), values)


async def read_attempts(session: ReadSession, sources: list[str]) -> dict[str, Attempts]:
    """Return what is remembered of the sources; nothing of those of which nothing is."""
    rows = await session.execute(select(login_attempts).where(_A.source.in_(sources)))
    return {
        row.source: Attempts(
            failures=row.failures, last_at=UnixTime(row.last_at), locked_until=UnixTime(row.locked_until)
        )
        for row in rows
    }


async def put_attempts(session: WriteSession, remembered: Mapping[str, Attempts]) -> None:
    columns = ("failures", "last_at", "locked_until")
    values = [
        {"source": source, **{name: getattr(attempts, name) for name in columns}}
        for source, attempts in remembered.items()
    ]
    await session.execute(upsert(session.dialect, login_attempts, key=["source"], update=columns), values)


async def forget_attempts(session: WriteSession, *, before: float) -> int:
    """Remove what is so old that it counts no more."""
    return (await session.execute(delete(login_attempts).where(_A.last_at < before))).rowcount

"""Identity providers, who is whom there, and logins that are under way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.oidc_providers import OidcProvider
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.login_tables import external_identities, oidc_logins, oidc_providers, sessions
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.runtime import UnixTime

__all__ = [
    "OidcLogin",
    "all_providers",
    "delete_login",
    "find_identity",
    "find_login_by_code",
    "find_login_by_state",
    "find_provider",
    "find_provider_named",
    "forget_logins",
    "given_roles",
    "insert_login",
    "insert_provider",
    "list_providers",
    "put_given_roles",
    "put_identity",
    "sessions_through",
    "update_provider",
    "users_with_email",
]

_P = oidc_providers.c
_L = oidc_logins.c
_I = external_identities.c


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcLogin:
    """One login at a provider, from the redirect there until the client has its tokens."""

    state_sha256: str
    provider_id: str
    browser_sha256: str
    nonce: str
    code_verifier: str
    redirect_uri: str
    client_state: str
    client_challenge: str
    expires_at: UnixTime
    code_sha256: str = ""
    user_id: str = ""


_COLUMNS = tuple(OidcLogin.__dataclass_fields__)
_PROVIDER_COLUMNS = (
    *("name", "issuer", "client_id", "sealed_secret", "rules", "is_enabled", "generation"),
    *("created_at", "created_by", "updated_at", "updated_by"),
)


async def list_providers(session: ReadSession, *, limit: int, after: str = "") -> list[OidcProvider]:
    """Return providers in the order of their creation, beginning after the id `after`."""
    query = select(oidc_providers).where(_P.deleted_at.is_(None), _P.id > after).order_by(_P.id).limit(limit)
    return [_provider(row) for row in await session.execute(query)]


async def all_providers(session: ReadSession) -> list[OidcProvider]:
    query = select(oidc_providers).where(_P.deleted_at.is_(None)).order_by(_P.name)
    return [_provider(row) for row in await session.execute(query)]


async def find_provider(session: ReadSession, provider_id: str) -> OidcProvider | None:
    query = select(oidc_providers).where(_P.id == provider_id, _P.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _provider(row)


async def find_provider_named(session: ReadSession, name: str) -> OidcProvider | None:
    """Return the provider of this name that people can log in with."""
    query = select(oidc_providers).where(_P.name == name, _P.deleted_at.is_(None), _P.is_enabled)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _provider(row)


async def insert_provider(session: WriteSession, provider: OidcProvider) -> None:
    """Add a provider. Raises NameTaken."""
    query = select(_P.id).where(_P.name == provider.name, _P.deleted_at.is_(None))
    if await session.scalar(query) is not None:
        raise NameTaken("identity provider", provider.name)
    await session.execute(insert(oidc_providers).values(id=provider.provider_id, **_columns(provider)))


async def update_provider(session: WriteSession, provider: OidcProvider) -> None:
    """Write a provider that was read in the same transaction; its name stays."""
    deleted_at = provider.updated_at if provider.is_deleted else None
    values = {**_columns(provider), "deleted_at": deleted_at}
    await session.execute(update(oidc_providers).where(_P.id == provider.provider_id).values(values))


async def insert_login(session: WriteSession, login: OidcLogin) -> None:
    await session.execute(insert(oidc_logins).values({name: getattr(login, name) for name in _COLUMNS}))


async def find_login_by_state(session: ReadSession, state_sha256: str) -> OidcLogin | None:
    return await _found(session, oidc_logins.c.state_sha256 == state_sha256)


async def find_login_by_code(session: ReadSession, code_sha256: str) -> OidcLogin | None:
    return await _found(session, (_L.code_sha256 == code_sha256) & (_L.code_sha256 != ""))


async def delete_login(session: WriteSession, login: OidcLogin) -> bool:
    """Remove it and say whether it was there: everything in it is good for one use."""
    return (await session.execute(delete(oidc_logins).where(_L.state_sha256 == login.state_sha256))).rowcount > 0


async def forget_logins(session: WriteSession, *, before: float) -> int:
    return (await session.execute(delete(oidc_logins).where(_L.expires_at < before))).rowcount


async def find_identity(session: ReadSession, provider_id: str, subject: str) -> str | None:
    """Return the id of the user that the provider's subject is."""
    return await session.scalar(select(_I.user_id).where(_I.provider_id == provider_id, _I.subject == subject))


async def put_identity(
    session: WriteSession, *, provider_id: str, subject: str, user_id: str, email: str, now: UnixTime
) -> None:
    """Write that the subject is the user, and has logged in."""
    values = {
        "provider_id": provider_id,
        "subject": subject,
        "user_id": user_id,
        "email": email,
        "created_at": now,
        "last_login_at": now,
    }
    key, changing = ["provider_id", "subject"], ["email", "last_login_at"]
    await session.execute(upsert(session.dialect, external_identities, key=key, update=changing), values)


async def given_roles(session: ReadSession, provider_id: str, subject: str) -> Mapping[str, tuple[str, ...]]:
    """Return, by tenant, what the provider's groups gave at the last login; the empty tenant is the platform."""
    query = select(_I.given_roles).where(_I.provider_id == provider_id, _I.subject == subject)
    return dict(await session.scalar(query) or {})


async def put_given_roles(
    session: WriteSession, provider_id: str, subject: str, given: Mapping[str, tuple[str, ...]]
) -> None:
    statement = update(external_identities).where(_I.provider_id == provider_id, _I.subject == subject)
    await session.execute(statement.values(given_roles=dict(given)))


async def users_with_email(session: ReadSession, email: str) -> list[str]:
    """Return the people, also disabled ones, whose address it is."""
    there = tables.users.c
    query = select(there.id).where(there.email == email, there.tenant_id == "", there.deleted_at.is_(None))
    return list(await session.scalars(query.limit(2)))


async def sessions_through(session: ReadSession, user_id: str, method: str) -> list[str]:
    """Return the ids of the user's sessions that began this way and have not ended."""
    query = select(sessions.c.id).where(
        sessions.c.user_id == user_id, sessions.c.method == method, sessions.c.ended_at.is_(None)
    )
    return list(await session.scalars(query))


async def _found(session: ReadSession, condition: Any) -> OidcLogin | None:  # Any: a condition of a query
    row = (await session.execute(select(oidc_logins).where(condition))).one_or_none()
    return None if row is None else OidcLogin(**row._asdict())


def _columns(provider: OidcProvider) -> dict[str, Any]:  # Any: values of columns
    return {name: getattr(provider, name) for name in _PROVIDER_COLUMNS}


def _provider(row: Row[Any]) -> OidcProvider:  # Any: a row of `oidc_providers`
    return OidcProvider(provider_id=row.id, **{name: getattr(row, name) for name in _PROVIDER_COLUMNS})

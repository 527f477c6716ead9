"""API keys in SQL, as digests. Revoked keys stay, so that usage can always be told by name."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_catalog.store import tables
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import DeploymentId, KeyId, UnixTime

__all__ = ["all_keys", "existing_keys", "find_key", "insert_key", "list_keys", "revoke_key"]

_T = tables.api_keys.c


async def list_keys(session: ReadSession, tenant_id: str, *, limit: int, after: str = "") -> list[ApiKey]:
    """Return keys in the order of their creation, beginning after the id `after`."""
    query = select(tables.api_keys).where(_T.tenant_id == tenant_id, _T.id > after).order_by(_T.id).limit(limit)
    return [_key(row) for row in await session.execute(query)]


async def all_keys(session: ReadSession) -> list[ApiKey]:
    """Return the keys of every tenant, revoked ones too: what routers must know."""
    return [_key(row) for row in await session.execute(select(tables.api_keys))]


async def find_key(session: ReadSession, tenant_id: str, key_id: str) -> ApiKey | None:
    query = select(tables.api_keys).where(_T.tenant_id == tenant_id, _T.id == key_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _key(row)


async def existing_keys(session: ReadSession, tenant_id: str | None, ids: Collection[str]) -> set[str]:
    """Return which of the ids are keys of the tenant, or of any, revoked ones too."""
    query = select(_T.id).where(_T.id.in_(ids))
    return set(await session.scalars(query if tenant_id is None else query.where(_T.tenant_id == tenant_id)))


async def insert_key(session: WriteSession, key: ApiKey) -> None:
    await session.execute(
        insert(tables.api_keys).values(
            id=key.key_id,
            tenant_id=key.tenant_id,
            user_id=key.user_id,
            name=key.name,
            prefix=key.prefix,
            last_four=key.last_four,
            sha256=key.sha256,
            deployment_ids=key.deployment_ids,
            expires_at=key.expires_at,
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )
    )


async def revoke_key(session: WriteSession, key: ApiKey) -> None:
    """Write when the key was revoked; nothing else of a key ever changes."""
    await session.execute(update(tables.api_keys).where(_T.id == key.key_id).values(revoked_at=key.revoked_at))


def _key(row: Row[Any]) -> ApiKey:  # Any: a row of `api_keys`
    return ApiKey(
        key_id=KeyId(row.id),
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        last_four=row.last_four,
        sha256=row.sha256,
        deployment_ids=tuple(DeploymentId(one) for one in row.deployment_ids),
        expires_at=UnixTime(row.expires_at),
        created_at=UnixTime(row.created_at),
        revoked_at=UnixTime(row.revoked_at),
    )

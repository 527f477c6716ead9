"""API keys in SQL, as digests. Revoked keys stay, so that usage can always be told by name."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_catalog.store import tables
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import DeploymentId, KeyId, UnixTime

__all__ = ["all_keys", "existing_keys", "find_key", "insert_key", "list_keys", "update_key"]

_T = tables.api_keys.c


async def list_keys(
    session: ReadSession, tenant_id: str, *, limit: int, after: str = "", user_id: str | None = None
) -> list[ApiKey]:
    """Return keys, all or of one user, in the order of their creation, beginning after the id `after`."""
    query = select(tables.api_keys).where(_T.tenant_id == tenant_id, _T.id > after)
    if user_id is not None:
        query = query.where(_T.user_id == user_id)
    return [_key(row) for row in await session.execute(query.order_by(_T.id).limit(limit))]


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
    await session.execute(insert(tables.api_keys).values(id=key.key_id, **_columns(key)))


async def update_key(session: WriteSession, key: ApiKey) -> None:
    """Write a key that was read in the same transaction."""
    await session.execute(update(tables.api_keys).where(_T.id == key.key_id).values(**_columns(key)))


def _columns(key: ApiKey) -> dict[str, object]:
    return {
        "tenant_id": key.tenant_id,
        "user_id": key.user_id,
        "name": key.name,
        "prefix": key.prefix,
        "last_four": key.last_four,
        "sha256": key.sha256,
        "deployment_ids": key.deployment_ids,
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
        "project_id": key.project_id,
        "models": key.models,
        "ip_ranges": key.ip_ranges,
        "priority": key.priority,
        "previous_sha256": key.previous_sha256,
        "previous_until": key.previous_until,
        "generation": key.generation,
    }


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
        project_id=row.project_id,
        models=row.models,
        ip_ranges=row.ip_ranges,
        priority=row.priority,
        previous_sha256=row.previous_sha256,
        previous_until=UnixTime(row.previous_until),
        generation=row.generation,
    )

"""`/api/v1/api-keys`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere, Paging, RepeatKey
from roundhouse_catalog.api.key_schemas import CreatedKeyView, KeyToCreate, KeyView
from roundhouse_catalog.api.responses import MISSING
from roundhouse_catalog.domain.errors import ApiKeyNotFound
from roundhouse_catalog.domain.keys import create_key, revoke_key
from roundhouse_catalog.store import keys as store
from roundhouse_catalog.store.deployments import existing_deployments
from roundhouse_common.auth import Subject, hash_api_key, new_api_key
from roundhouse_common.database import WriteSession
from roundhouse_common.http import Page, page_of, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.runtime import KeyId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"])
Reader = Annotated[Subject, Depends(requires("keys:read"))]
Writer = Annotated[Subject, Depends(requires("keys:write"))]


@router.post("", status_code=201, response_model=CreatedKeyView)
async def create_api_key(body: KeyToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Create an API key and show its secret, this once."""

    async def work(session: WriteSession) -> Response:
        secret = new_api_key(catalog.secret_bytes)
        created = create_key(
            body.draft(),
            key_id=KeyId(catalog.ids.new("key")),
            tenant_id=subject.tenant_id,
            user_id=subject.id,
            secret=secret,
            sha256=hash_api_key(secret),
            known_deployments=await existing_deployments(session, subject.tenant_id, body.deployment_ids),
            now=catalog.clock.now(),
        )
        await store.insert_key(session, created)
        session.after_commit(catalog.wake)
        return reply(CreatedKeyView(**KeyView.of(created).model_dump(), secret=secret), 201)

    return await catalog.idempotency.run(key, subject, work, secret_fields=frozenset({"secret"}))


@router.get("")
async def list_api_keys(subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[KeyView]:
    """List API keys in the order of their creation, revoked ones too."""
    async with catalog.db.read() as session:
        rows = await store.list_keys(session, subject.tenant_id, limit=paging.fetch, after=paging.after or "")
    return page_of(rows, paging, key=lambda key: key.key_id, item=KeyView.of)


@router.delete("/{key_id}", status_code=204, responses=MISSING)
async def revoke_api_key(key_id: str, subject: Writer, catalog: CatalogHere) -> None:
    """Revoke an API key, for good. Routers refuse it within a second or so. Safe to repeat."""
    async with catalog.db.write() as session:
        key = await store.find_key(session, subject.tenant_id, key_id)
        if key is None:
            raise ApiKeyNotFound(key_id)
        if not key.is_revoked:
            await store.revoke_key(session, revoke_key(key, now=catalog.clock.now()))
            session.after_commit(catalog.wake)

"""`/api/v1/api-keys`. Everybody has keys of their own, who has roles in projects only keys for those projects;
`keys:admin` is for those of everybody in the tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.key_access import (
    find_for_change,
    find_for_reading,
    nameable_deployments,
    require_owner_in_project,
    require_project,
    seen_user,
)
from roundhouse_catalog.api.key_schemas import CreatedKeyView, KeyChanges, KeyToCreate, KeyView, Rotation
from roundhouse_catalog.api.project_access import require_in_project, require_project_there
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.keys import ApiKey, NewSecret, create_key, revise_key, revoke_key, rotate_key
from roundhouse_catalog.domain.limits import Limit
from roundhouse_catalog.store import keys as store
from roundhouse_catalog.store.limits import living_limits
from roundhouse_common.auth import Subject, allowed, hash_api_key, new_api_key
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import KeyId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"])
Reader = Annotated[Subject, Depends(requires("keys:read", in_projects=True))]
Writer = Annotated[Subject, Depends(requires("keys:write", in_projects=True))]
_SECRETS = frozenset({"secret"})


@router.post("", status_code=201, response_model=CreatedKeyView)
async def create_api_key(body: KeyToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Create an API key and show its secret, this once."""
    owner_id = body.user_id or subject.id
    if owner_id != subject.id and not allowed(subject, "keys:admin", subject.tenant_id):
        raise Forbidden("An API key for somebody else needs keys:admin.")
    require_in_project(subject, "keys:write", body.project_id)
    require_project(subject, body.project_id)

    async def work(session: WriteSession) -> Response:
        await require_project_there(session, subject, body.project_id)
        if owner_id != subject.id:
            await require_owner_in_project(session, subject.tenant_id, owner_id, body.project_id)
        secret = _new_secret(catalog)
        created = create_key(
            body.draft(),
            key_id=KeyId(catalog.ids.new("key")),
            tenant_id=subject.tenant_id,
            user_id=owner_id,
            secret=secret,
            known_deployments=await nameable_deployments(session, subject, body.deployment_ids),
            now=catalog.clock.now(),
        )
        await store.insert_key(session, created)
        return await _entered(session, catalog, None, created, secret=secret)

    return await catalog.idempotency.run(key, subject, work, secret_fields=_SECRETS)


@router.get("")
async def list_api_keys(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    user_id: Annotated[str | None, Query(description="Only keys of this user.")] = None,
) -> Page[KeyView]:
    """List API keys in the order of their creation, revoked ones too: one's own, with `keys:admin` the tenant's."""
    seen = seen_user(subject)
    if user_id is not None and seen is not None and user_id != seen:
        raise Forbidden("Keys of somebody else are for those who have keys:admin or usage:read.")
    async with catalog.db.read() as session:
        rows = await store.list_keys(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", user_id=user_id or seen
        )
        limits = await _limits(session, subject.tenant_id)
    return page_of(rows, paging, key=lambda one: one.key_id, item=lambda one: KeyView.of(one, limits))


@router.get("/{key_id}", response_model=KeyView, responses=MISSING)
async def show_api_key(key_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one API key with the limits that name it. What it spent is told by metering's budgets."""
    async with catalog.db.read() as session:
        key = await find_for_reading(session, subject, key_id)
        return reply(KeyView.of(key, await _limits(session, subject.tenant_id)), 200, tagged(key.generation))


@router.patch("/{key_id}", response_model=KeyView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_api_key(
    key_id: str, body: KeyChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change what a key may be used for. Routers follow within a second or so; the secret stays."""
    async with catalog.db.write() as session:
        before = await find_for_change(session, subject, key_id)
        require_if_match(if_match, before.generation)
        known = await nameable_deployments(session, subject, body.deployment_ids or ())
        after = revise_key(before, body.patch(), known_deployments=known, now=catalog.clock.now())
        if after is not before:
            await store.update_key(session, after)
        return await _entered(session, catalog, before, after)


@router.post("/{key_id}:rotate", response_model=CreatedKeyView, responses={**MISSING, **CONFLICT})
async def rotate_api_key(
    key_id: str, body: Rotation, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Give a key a new secret, shown this once. The one before stays good for `overlap_s`; older ones no more."""

    async def work(session: WriteSession) -> Response:
        before = await find_for_change(session, subject, key_id)
        secret = _new_secret(catalog)
        after = rotate_key(before, secret, overlap_s=body.overlap_s, now=catalog.clock.now())
        await store.update_key(session, after)
        return await _entered(session, catalog, before, after, secret=secret)

    return await catalog.idempotency.run(key, subject, work, secret_fields=_SECRETS)


@router.delete("/{key_id}", status_code=204, responses=MISSING)
async def revoke_api_key(key_id: str, subject: Writer, catalog: CatalogHere) -> None:
    """Revoke an API key, for good. Routers refuse it within a second or so. Safe to repeat."""
    async with catalog.db.write() as session:
        before = await find_for_change(session, subject, key_id)
        after = revoke_key(before, now=catalog.clock.now())
        if after is not before:
            await store.update_key(session, after)
        await _entered(session, catalog, before, after)


async def _entered(
    session: WriteSession, catalog: Catalog, before: ApiKey | None, after: ApiKey, *, secret: NewSecret | None = None
) -> Response:
    """Enter the change into the audit, have the routers told, and return the key as it is now."""
    shown = KeyView.of(after, await _limits(session, after.tenant_id))
    await catalog.audit.enter(
        session, before=None if before is None else KeyView.of(before, ()), after=KeyView.of(after, ())
    )
    if after is not before:
        session.after_commit(catalog.wake)
    if secret is None:
        return reply(shown, 200, tagged(after.generation))
    made = CreatedKeyView(**shown.model_dump(), secret=secret.text)
    return reply(made, 201 if before is None else 200, tagged(after.generation))


async def _limits(session: ReadSession, tenant_id: str) -> list[Limit]:
    return await living_limits(session, (tenant_id, PLATFORM))


def _new_secret(catalog: Catalog) -> NewSecret:
    text = new_api_key(catalog.secret_bytes)
    return NewSecret(text=text, sha256=hash_api_key(text))

"""`/api/v1/providers`: outside APIs. Secrets go in and never come out."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.login_admin import reseal_signing_keys
from roundhouse_catalog.api.oidc_providers import reseal_oidc_secrets
from roundhouse_catalog.api.provider_asking import ask_provider
from roundhouse_catalog.api.provider_schemas import (
    KeyToAdd,
    ProviderChanges,
    ProviderCheckView,
    ProviderKeyView,
    ProviderToCreate,
    ProviderView,
    ResealedView,
)
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, SEALING, tagged
from roundhouse_catalog.domain.errors import ProviderInUse, ProviderNotFound
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.providers import (
    Provider,
    SealedKey,
    add_keys,
    create_provider,
    delete_provider,
    remove_key,
    reseal_keys,
    revise_provider,
    secret_fault,
    shown_ending,
)
from roundhouse_catalog.store import providers as store
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.routing import PLATFORM

__all__ = ["router", "sealed_keys"]

router = APIRouter(prefix="/api/v1/providers", tags=["providers"])
Reader = Annotated[Subject, Depends(requires("providers:read"))]
Writer = Annotated[Subject, Depends(requires("providers:write"))]


@router.post("", status_code=201, response_model=ProviderView, responses={**CONFLICT, **SEALING})
async def add_provider(body: ProviderToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a provider, with its first keys. They are sealed at once, and shown nowhere again."""
    tenant_id = PLATFORM if body.is_platform else subject.tenant_id
    _require_platform(subject, tenant_id)

    async def work(session: WriteSession) -> Response:
        provider = create_provider(
            body.draft(),
            provider_id=catalog.ids.new("prv"),
            tenant_id=tenant_id,
            keys=sealed_keys(catalog, body.keys, prefix="keys."),
            now=catalog.clock.now(),
            actor=subject.actor,
        )
        await store.insert_provider(session, provider)
        await catalog.audit.enter(session, after=ProviderView.of(provider), tenant_id=tenant_id)
        session.after_commit(catalog.wake)
        headers = {"location": f"{router.prefix}/{provider.provider_id}", **tagged(provider.generation)}
        return reply(ProviderView.of(provider), 201, headers)

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_providers(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only providers with this name.")] = None,
) -> Page[ProviderView]:
    """List the tenant's providers and the platform's in the order of their creation."""
    async with catalog.db.read() as session:
        rows = await store.list_providers(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda provider: provider.provider_id, item=ProviderView.of)


@router.post(":reseal", dependencies=[Depends(requires("platform:admin"))], responses=SEALING)
async def reseal_providers(subject: Writer, catalog: CatalogHere) -> ResealedView:
    """Seal every secret with the first key of the file, so that the others can go. Safe to repeat.

    Those of providers, of identity providers, and the keys that sign access tokens.
    """
    box, resealed, total = catalog.secrets.box(), 0, 0
    async with catalog.db.write() as session:
        for provider in await store.all_providers(session):
            old = {key.key_id: key.sealed for key in provider.keys if not box.is_current(key.sealed)}
            new = {key_id: box.seal(box.open(sealed)) for key_id, sealed in old.items()}
            total, resealed = total + len(provider.keys), resealed + len(new)
            changed = reseal_keys(provider, new, now=catalog.clock.now(), actor=subject.actor)
            if changed is not provider:
                await store.update_provider(session, changed)
        for again, kept in (await reseal_signing_keys(session, box), await reseal_oidc_secrets(session, box)):
            resealed, total = resealed + again, total + kept
        session.after_commit(catalog.wake)
        session.after_commit(catalog.logins.changed)
    return ResealedView(resealed=resealed, total=total)


@router.get("/{provider_id}", response_model=ProviderView, responses=MISSING)
async def show_provider(provider_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one provider."""
    async with catalog.db.read() as session:
        provider = await _found(session, subject, provider_id)
    return reply(ProviderView.of(provider), headers=tagged(provider.generation))


@router.patch("/{provider_id}", response_model=ProviderView, responses={**MISSING, **PRECONDITIONS})
async def change_provider(
    provider_id: str, body: ProviderChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a provider. With keys it stays at its host: they are sent nowhere that they were not given for."""
    async with catalog.db.write() as session:
        provider = await _writable(session, subject, provider_id)
        require_if_match(if_match, provider.generation)
        revised = revise_provider(provider, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        await _save(session, catalog, provider, revised)
    return reply(ProviderView.of(revised), headers=tagged(revised.generation))


@router.delete("/{provider_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_provider(provider_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Remove a provider, with its keys, that no route leads to."""
    async with catalog.db.write() as session:
        provider = await _writable(session, subject, provider_id)
        if if_match is not None:
            require_if_match(if_match, provider.generation)
        if users := await store.routes_to_provider(session, provider.provider_id):
            raise ProviderInUse(provider.name, users)
        removed = delete_provider(provider, now=catalog.clock.now(), actor=subject.actor)
        await _save(session, catalog, provider, removed)


@router.post("/{provider_id}/keys", status_code=201, response_model=ProviderKeyView, responses={**MISSING, **SEALING})
async def add_provider_key(
    provider_id: str, body: KeyToAdd, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Add a key beside those there are. Routers use it within a second or so."""

    async def work(session: WriteSession) -> Response:
        provider = await _writable(session, subject, provider_id)
        [added] = sealed_keys(catalog, [body])
        revised = add_keys(provider, [added], now=catalog.clock.now(), actor=subject.actor)
        await _save(session, catalog, provider, revised)
        return reply(ProviderKeyView.of(added), 201)

    return await catalog.idempotency.run(key, subject, work)


@router.delete("/{provider_id}/keys/{key_id}", status_code=204, responses=MISSING)
async def remove_provider_key(provider_id: str, key_id: str, subject: Writer, catalog: CatalogHere) -> None:
    """Remove a key. Requests under way with it go on; new ones take another within a second or so. Safe to repeat."""
    async with catalog.db.write() as session:
        provider = await _writable(session, subject, provider_id)
        revised = remove_key(provider, key_id, now=catalog.clock.now(), actor=subject.actor)
        await _save(session, catalog, provider, revised)


@router.post("/{provider_id}:check", responses=MISSING)
async def check_provider(provider_id: str, subject: Writer, catalog: CatalogHere) -> ProviderCheckView:
    """Ask the provider for its models, once with each key, and tell what it says. Nothing is changed."""
    async with catalog.db.read() as session:
        provider = await _found(session, subject, provider_id)
    checks = await ask_provider(provider, catalog.secrets, timeout_s=catalog.provider_timeout_s)
    return ProviderCheckView.of(checks)


def sealed_keys(catalog: Catalog, keys: Sequence[KeyToAdd], *, prefix: str = "") -> tuple[SealedKey, ...]:
    """Return the keys sealed. Raises InvalidInput, and KeyFileFault when there are any but nothing to seal with."""
    findings = Findings()
    for number, key in enumerate(keys):
        findings.add(f"{prefix}{number}.secret" if prefix else "secret", secret_fault(key.secret.get_secret_value()))
    findings.refuse()
    return tuple(
        SealedKey(
            key_id=catalog.ids.new("pky"),
            name=key.name,
            sealed=catalog.secrets.box().seal(key.secret.get_secret_value()),
            last_four=shown_ending(key.secret.get_secret_value()),
            created_at=catalog.clock.now(),
        )
        for key in keys
    )


async def _save(session: WriteSession, catalog: Catalog, before: Provider, after: Provider) -> None:
    if after is not before:
        await store.update_provider(session, after)
        session.after_commit(catalog.wake)
    was, now = ProviderView.of(before), ProviderView.of(after)
    detail = "removed" if after.is_deleted else ""
    await catalog.audit.enter(
        session, before=was, after=now, detail=detail, tenant_id=before.tenant_id, object_kind="provider"
    )


async def _found(session: ReadSession, subject: Subject, provider_id: str) -> Provider:
    """Return the provider. Raises ProviderNotFound."""
    provider = await store.find_provider(session, subject.tenant_id, provider_id)
    if provider is None:
        raise ProviderNotFound(provider_id)
    return provider


async def _writable(session: WriteSession, subject: Subject, provider_id: str) -> Provider:
    """Return the provider. Raises ProviderNotFound, and Forbidden for the platform's."""
    provider = await _found(session, subject, provider_id)
    _require_platform(subject, provider.tenant_id)
    return provider


def _require_platform(subject: Subject, tenant_id: str) -> None:
    if tenant_id == PLATFORM and not allowed(subject, "platform:admin", subject.tenant_id):
        raise Forbidden("A provider of the platform is for every tenant: only who has platform:admin may change it.")

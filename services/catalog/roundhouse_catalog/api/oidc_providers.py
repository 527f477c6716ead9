"""`/api/v1/oidc-providers`: identity providers that people log in with. Their secrets go in and never come out."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.oidc_client import Metadata
from roundhouse_catalog.api.oidc_schemas import OidcCheckView, OidcProviderToAdd, OidcProviderView
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, SEALING, tagged
from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.login_errors import OidcProviderAway, OidcProviderNotFound
from roundhouse_catalog.domain.oidc import is_secure
from roundhouse_catalog.domain.oidc_providers import OidcProvider
from roundhouse_catalog.store import oidc as store
from roundhouse_catalog.store.tenants import existing_tenants
from roundhouse_common.auth import Role, Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.secret_box import SecretBox

__all__ = ["reseal_oidc_secrets", "router"]

router = APIRouter(prefix="/api/v1/oidc-providers", tags=["logins"])
Administrator = Annotated[Subject, Depends(requires("platform:admin"))]
_ROLES = {role.value for role in Role}


@router.post("", status_code=201, response_model=OidcProviderView, responses={**CONFLICT, **SEALING})
async def add_oidc_provider(
    body: OidcProviderToAdd, subject: Administrator, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Add an identity provider. Its secret is sealed at once, and shown nowhere again."""

    async def work(session: WriteSession) -> Response:
        await _check(session, body)
        now = catalog.clock.now()
        added = OidcProvider(
            provider_id=catalog.ids.new("idp"),
            name=body.name,
            issuer=body.issuer,
            client_id=body.client_id,
            sealed_secret=_sealed(catalog, body, ""),
            rules=body.rules.rules(),
            is_enabled=body.is_enabled,
            generation=1,
            created_at=now,
            created_by=subject.actor,
            updated_at=now,
            updated_by=subject.actor,
        )
        await store.insert_provider(session, added)
        view = _view(catalog, added)
        await catalog.audit.enter(session, after=view, action="identity-provider.create")
        headers = {"location": f"{router.prefix}/{added.provider_id}", **tagged(1)}
        return reply(view, 201, headers)

    return await catalog.idempotency.run(key, subject, work)


@router.get("", dependencies=[Depends(requires("platform:admin"))])
async def list_oidc_providers(paging: Paging, catalog: CatalogHere) -> Page[OidcProviderView]:
    """List identity providers in the order of their creation."""
    async with catalog.db.read() as session:
        rows = await store.list_providers(session, limit=paging.fetch, after=paging.after or "")
    return page_of(rows, paging, key=lambda one: one.provider_id, item=lambda one: _view(catalog, one))


@router.get(
    "/{provider_id}",
    response_model=OidcProviderView,
    responses=MISSING,
    dependencies=[Depends(requires("platform:admin"))],
)
async def show_oidc_provider(provider_id: str, catalog: CatalogHere) -> Response:
    """Show one identity provider."""
    async with catalog.db.read() as session:
        found = await _found(session, provider_id)
    return reply(_view(catalog, found), headers=tagged(found.generation))


@router.post(
    "/{provider_id}:check",
    response_model=OidcCheckView,
    responses=MISSING,
    dependencies=[Depends(requires("platform:admin"))],
)
async def check_oidc_provider(provider_id: str, catalog: CatalogHere) -> Response:
    """Ask an identity provider for its configuration and its keys, now. Changes nothing; safe to repeat."""
    async with catalog.db.read() as session:
        found = await _found(session, provider_id)
    try:
        told, keys = await catalog.logins.oidc.look(found)
    except OidcProviderAway as error:
        return reply(_checked(catalog, found, None, 0, str(error)))
    return reply(_checked(catalog, found, told, keys, "" if keys else "it publishes no key that we can read"))


@router.put("/{provider_id}", response_model=OidcProviderView, responses={**MISSING, **PRECONDITIONS, **SEALING})
async def change_oidc_provider(
    provider_id: str, body: OidcProviderToAdd, subject: Administrator, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Replace everything of an identity provider but its name, and its secret where none is sent."""
    async with catalog.db.write() as session:
        found = await _found(session, provider_id)
        require_if_match(if_match, found.generation)
        await _check(session, body, named=found.name)
        # A secret goes only where it was given for: another issuer needs its own.
        kept = found.sealed_secret if body.issuer == found.issuer else ""
        changed = OidcProvider(
            provider_id=found.provider_id,
            name=found.name,
            issuer=body.issuer,
            client_id=body.client_id,
            sealed_secret=_sealed(catalog, body, kept),
            rules=body.rules.rules(),
            is_enabled=body.is_enabled,
            generation=found.generation + 1,
            created_at=found.created_at,
            created_by=found.created_by,
            updated_at=catalog.clock.now(),
            updated_by=subject.actor,
        )
        await store.update_provider(session, changed)
        before, after = _view(catalog, found), _view(catalog, changed)
        await catalog.audit.enter(session, before=before, after=after, action="identity-provider.change")
    return reply(after, headers=tagged(changed.generation))


@router.delete("/{provider_id}", status_code=204, responses={**MISSING, **PRECONDITIONS})
async def remove_oidc_provider(
    provider_id: str, subject: Administrator, catalog: CatalogHere, if_match: IfMatch = None
) -> None:
    """Remove an identity provider: nobody logs in with it any more. Sessions that began there go on until they end."""
    async with catalog.db.write() as session:
        found = await _found(session, provider_id)
        if if_match is not None:
            require_if_match(if_match, found.generation)
        await store.update_provider(session, _removed(found, catalog, subject))
        await catalog.audit.enter(session, before=_view(catalog, found), action="identity-provider.remove")


async def reseal_oidc_secrets(session: WriteSession, box: SecretBox) -> tuple[int, int]:
    """Seal the secrets with the first key of the file; return how many needed it, of how many."""
    sealed = [one for one in await store.all_providers(session) if one.sealed_secret]
    stale = [one for one in sealed if not box.is_current(one.sealed_secret)]
    for one in stale:
        again = box.seal(box.open(one.sealed_secret))
        await store.update_provider(session, _replaced(one, sealed_secret=again))
    return len(stale), len(sealed)


async def _check(session: ReadSession, body: OidcProviderToAdd, *, named: str = "") -> None:
    """Raise InvalidInput with every fault."""
    findings = Findings()
    findings.add("name", shapes.deployment_name_fault(body.name, what="a provider's name"))
    if named and body.name != named:
        findings.add("name", f"the name stays {named}; it is in addresses that the provider knows")
    if not is_secure(body.issuer):
        findings.add("issuer", "it must be an https address; http only on this machine itself")
    wanted = {one.tenant_id for one in body.rules.group_roles} - {""}
    missing = wanted - await existing_tenants(session, wanted)
    for number, one in enumerate(body.rules.group_roles):
        place = f"rules.group_roles.{number}"
        if one.tenant_id in missing:
            findings.add(f"{place}.tenant_id", f'there is no tenant with the id "{one.tenant_id}"')
        for position, role in enumerate(one.roles):
            findings.add(f"{place}.roles.{position}", shapes.choice_fault(role, _ROLES))
    findings.refuse()


def _sealed(catalog: Catalog, body: OidcProviderToAdd, kept: str) -> str:
    secret = "" if body.client_secret is None else body.client_secret.get_secret_value()
    return catalog.secrets.box().seal(secret) if secret else kept


def _removed(found: OidcProvider, catalog: Catalog, subject: Subject) -> OidcProvider:
    return _replaced(found, is_deleted=True, sealed_secret="", updated_at=catalog.clock.now(), updated_by=subject.actor)


def _replaced(found: OidcProvider, **changes: object) -> OidcProvider:
    return msgspec.structs.replace(found, **changes)


def _view(catalog: Catalog, provider: OidcProvider) -> OidcProviderView:
    return OidcProviderView.of(provider, public_url=catalog.uploads.public_url())


def _checked(catalog: Catalog, provider: OidcProvider, told: Metadata | None, keys: int, error: str) -> OidcCheckView:
    return OidcCheckView(
        is_usable=not error,
        error=error,
        authorization_endpoint=told.authorization_endpoint if told else "",
        token_endpoint=told.token_endpoint if told else "",
        userinfo_endpoint=told.userinfo_endpoint if told else "",
        end_session_endpoint=told.end_session_endpoint if told else "",
        keys=keys,
        callback_url=_view(catalog, provider).callback_url,
    )


async def _found(session: ReadSession, provider_id: str) -> OidcProvider:
    """Return the provider. Raises OidcProviderNotFound."""
    found = await store.find_provider(session, provider_id)
    if found is None:
        raise OidcProviderNotFound(provider_id)
    return found

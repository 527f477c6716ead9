"""`/api/v1/tenants`: the organisations that share the platform."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.api.tenant_schemas import RequestLogBody, TenantChanges, TenantToCreate, TenantView
from roundhouse_catalog.domain.directory_errors import TenantInUse, TenantNotFound
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.people import Known, MembershipPatch, join
from roundhouse_catalog.domain.request_logs import LogLevel, check_level
from roundhouse_catalog.domain.tenants import Tenant, create_tenant, delete_tenant, revise_tenant
from roundhouse_catalog.store import projects as store
from roundhouse_catalog.store.people import find_user, insert_membership
from roundhouse_common.auth import Role, Subject, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])
Reader = Annotated[Subject, Depends(requires("self:read"))]
Owner = Annotated[Subject, Depends(requires("members:write"))]
Writer = Annotated[Subject, Depends(requires("tenants:write"))]


@router.post("", status_code=201, response_model=TenantView, responses=CONFLICT)
async def add_tenant(body: TenantToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Create a tenant, with its first administrators."""

    async def work(session: WriteSession) -> Response:
        now, actor = catalog.clock.now(), subject.actor
        _check_level(catalog, body.request_log)
        tenant = create_tenant(
            body.name,
            body.quota.patch(),
            body.request_log.patch(),
            tenant_id=catalog.ids.new("ten"),
            now=now,
            actor=actor,
        )
        await store.insert_tenant(session, tenant)
        await enter_change(session, after=TenantView.of(tenant), tenant_id=tenant.tenant_id)
        await _require_users(session, body.administrators)
        for user_id in dict.fromkeys(body.administrators):
            patch = MembershipPatch(roles=(Role.ADMINISTRATOR.value,))
            await insert_membership(session, join(user_id, tenant.tenant_id, patch, Known(), now=now, actor=actor))
        session.after_commit(catalog.wake)
        return _shown(tenant, 201, {"location": f"{router.prefix}/{tenant.tenant_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_tenants(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the tenant with this name.")] = None,
) -> Page[TenantView]:
    """List tenants: with `tenants:read` all, otherwise the one that the token is for."""
    ids = None if _sees_all(subject) else (subject.tenant_id,)
    async with catalog.db.read() as session:
        rows = await store.list_tenants(session, ids, limit=paging.fetch, after=paging.after or "", name=name)
    return page_of(rows, paging, key=lambda one: one.tenant_id, item=TenantView.of)


@router.get("/{tenant_id}", response_model=TenantView, responses=MISSING)
async def show_tenant(tenant_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a tenant."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, tenant_id))


@router.patch("/{tenant_id}", response_model=TenantView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_tenant(
    tenant_id: str, body: TenantChanges, subject: Owner, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a tenant. In force on routers within a second or so."""
    async with catalog.db.write() as session:
        tenant = await _found(session, subject, tenant_id)
        may_all = allowed(subject, "tenants:write", tenant_id)
        if not may_all and not body.model_fields_set <= {"request_log"}:
            raise Forbidden(f"{subject.actor} may change only request_log: the rest needs tenants:write.")
        _check_level(catalog, body.request_log)
        require_if_match(if_match, tenant.history.generation)
        revised = revise_tenant(tenant, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        was, now = TenantView.of(tenant), TenantView.of(revised)
        await enter_change(session, before=was, after=now, tenant_id=tenant_id)
        if revised is not tenant:
            await store.update_tenant(session, revised)
            session.after_commit(catalog.wake)
    return _shown(revised)


@router.delete("/{tenant_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_tenant(tenant_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a tenant that has neither deployments nor uploads. Its API keys are refused from then on."""
    async with catalog.db.write() as session:
        tenant = await _found(session, subject, tenant_id)
        if if_match is not None:
            require_if_match(if_match, tenant.history.generation)
        deployments, uploads = await store.holdings(session, tenant_id)
        if deployments or uploads:
            raise TenantInUse(tenant.name, deployments, uploads)
        await store.update_tenant(session, delete_tenant(tenant, now=catalog.clock.now(), actor=subject.actor))
        await enter_change(session, before=TenantView.of(tenant), tenant_id=tenant_id)
        session.after_commit(catalog.wake)


def _sees_all(subject: Subject) -> bool:
    return allowed(subject, "tenants:read", subject.tenant_id)


async def _found(session: ReadSession, subject: Subject, tenant_id: str) -> Tenant:
    """Return the tenant. Raises TenantNotFound, also for one that is not theirs to see."""
    if tenant_id != subject.tenant_id and not _sees_all(subject):
        raise TenantNotFound(tenant_id)
    tenant = await store.find_tenant(session, tenant_id)
    if tenant is None:
        raise TenantNotFound(tenant_id)
    return tenant


def _check_level(catalog: Catalog, request_log: RequestLogBody | None) -> None:
    if request_log is not None and request_log.level is not None:
        check_level(LogLevel(request_log.level), catalog.request_logs.most)


async def _require_users(session: ReadSession, ids: list[str]) -> None:
    findings = Findings()
    for index, one in enumerate(ids):
        if await find_user(session, None, one) is None:
            message = f"there is no user with the id {quoted(one)}; GET /api/v1/users lists them"
            findings.add(f"administrators.{index}", message)
    findings.refuse()


def _shown(tenant: Tenant, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(TenantView.of(tenant), status, {**(headers or {}), **tagged(tenant.history.generation)})

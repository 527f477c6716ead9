"""Whose things are, and giving them to somebody else: `:transfer`, and what a member who leaves has."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from roundhouse_catalog.api.context import Catalog, CatalogHere, RepeatKey
from roundhouse_catalog.api.finding import find_deployment
from roundhouse_catalog.api.key_access import find_for_change, require_owner_in_project
from roundhouse_catalog.api.responses import CONFLICT, MISSING
from roundhouse_catalog.domain.directory_errors import MemberNotFound, ProjectNotFound, ServiceAccountNotFound
from roundhouse_catalog.domain.errors import ApiKeyRevoked
from roundhouse_catalog.domain.ownership import Belonging, StillOwns, no_successor
from roundhouse_catalog.domain.people import User
from roundhouse_catalog.store import ownership as store
from roundhouse_catalog.store.people import find_user, list_members
from roundhouse_catalog.store.projects import find_project
from roundhouse_common.auth import Subject, SubjectKind, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Body, Page, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import IdempotencyKey, reply

__all__ = ["Abandon", "Successor", "router", "settle"]

router = APIRouter(prefix="/api/v1", tags=["ownership"])
Successor = Annotated[str | None, Query(max_length=64, description="The user who takes over what they own.")]
Abandon = Annotated[bool, Query(description="Leave what they own: keys are refused, the rest goes on.")]
Reader = Annotated[Subject, Depends(requires("members:read"))]
Writer = Annotated[Subject, Depends(requires("members:write"))]
KeyAdmin = Annotated[Subject, Depends(requires("keys:admin"))]
Deployer = Annotated[Subject, Depends(requires("deployments:write", in_projects=True))]


class NewOwner(Body):
    """Who takes something over."""

    user_id: str = Field(min_length=1, max_length=64, description="A member of the tenant, or a service account of it.")


class OwnedView(BaseModel):
    """One thing, and whose it is."""

    kind: str = Field(description="`api-key`, `deployment`, `project` or `service-account`.")
    id: str
    name: str
    project_id: str
    owner_id: str

    @classmethod
    def of(cls, thing: Belonging, owner_id: str) -> Self:
        return cls(kind=thing.kind, id=thing.object_id, name=thing.name, project_id=thing.project_id, owner_id=owner_id)


@router.get("/members/{user_id}/belongings", responses=MISSING)
async def list_belongings(user_id: str, subject: Reader, catalog: CatalogHere) -> Page[OwnedView]:
    """List what is a member's in the tenant: before they leave, somebody should take it over."""
    async with catalog.db.read() as session:
        if not await list_members(session, subject.tenant_id, limit=1, user_id=user_id):
            raise MemberNotFound(user_id)
        found = await store.belongings_of(session, subject.tenant_id, user_id)
    return Page(items=[OwnedView.of(one, user_id) for one in found])


@router.post("/api-keys/{key_id}:transfer", response_model=OwnedView, responses={**MISSING, **CONFLICT})
async def transfer_key(
    key_id: str, body: NewOwner, subject: KeyAdmin, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Give an API key to somebody else. Its secret stays; what it may use, and who is charged, follow the owner."""

    async def find(session: WriteSession) -> tuple[Belonging, str]:
        found = await find_for_change(session, subject, key_id)
        if found.is_revoked:
            raise ApiKeyRevoked(found.name)
        await require_owner_in_project(session, subject.tenant_id, body.user_id, found.project_id)
        return _thing(subject, "api-key", key_id, found.name, found.project_id), found.user_id

    return await _transferred(catalog, subject, key, body.user_id, find)


@router.post("/deployments/{deployment_id}:transfer", response_model=OwnedView, responses=MISSING)
async def transfer_deployment(
    deployment_id: str, body: NewOwner, subject: Deployer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Give a deployment to somebody else: where it is private, it is open to their keys from then on."""

    async def find(session: WriteSession) -> tuple[Belonging, str]:
        found = await find_deployment(session, subject, deployment_id, to_write=True)
        thing = _thing(subject, "deployment", deployment_id, found.name, found.project_id)
        return thing, found.created_by.partition(":")[2]

    return await _transferred(catalog, subject, key, body.user_id, find)


@router.post("/projects/{project_id}:transfer", response_model=OwnedView, responses=MISSING)
async def transfer_project(
    project_id: str, body: NewOwner, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Give a project to somebody else. Roles stay as they are: owning it permits nothing."""

    async def find(session: WriteSession) -> tuple[Belonging, str]:
        found = await find_project(session, subject.tenant_id, project_id)
        if found is None:
            raise ProjectNotFound(project_id)
        thing = _thing(subject, "project", project_id, found.name, project_id)
        return thing, found.history.created_by.partition(":")[2]

    return await _transferred(catalog, subject, key, body.user_id, find)


@router.post("/service-accounts/{account_id}:transfer", response_model=OwnedView, responses=MISSING)
async def transfer_service_account(
    account_id: str, body: NewOwner, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Give a service account to somebody else. Its roles, tokens and keys stay as they are."""

    async def find(session: WriteSession) -> tuple[Belonging, str]:
        found = await find_user(session, subject.tenant_id, account_id)
        if found is None or found.kind is not SubjectKind.SERVICE_ACCOUNT:
            raise ServiceAccountNotFound(account_id)
        thing = _thing(subject, "service-account", account_id, found.name, "")
        return thing, found.history.created_by.partition(":")[2]

    return await _transferred(catalog, subject, key, body.user_id, find)


async def settle(
    session: WriteSession, subject: Subject, tenant_id: str, leaver: User, *, successor: str | None, abandon: bool
) -> None:
    """Give what is somebody's in a tenant to their successor, before they leave it.

    Raises StillOwns when nobody was named and it is not to be abandoned, InvalidInput when the successor is no member,
    Forbidden for what the caller could not give away by itself.
    """
    owned = await store.belongings_of(session, tenant_id, leaver.user_id)
    if successor is None:
        if owned and not abandon:
            raise StillOwns(leaver.name, owned)
        return
    heir = await _heir(session, tenant_id, successor)
    if heir.user_id == leaver.user_id:
        raise no_successor(successor)
    for thing in owned:
        _require_to_give(subject, thing)
        await _give(session, thing, leaver.user_id, heir)


async def _transferred(
    catalog: Catalog,
    subject: Subject,
    key: IdempotencyKey | None,
    user_id: str,
    find: Callable[[WriteSession], Awaitable[tuple[Belonging, str]]],
) -> Response:
    async def work(session: WriteSession) -> Response:
        thing, owner_id = await find(session)
        heir = await _heir(session, subject.tenant_id, user_id)
        await _give(session, thing, owner_id, heir)
        session.after_commit(catalog.wake)
        return reply(OwnedView.of(thing, heir.user_id))

    return await catalog.idempotency.run(key, subject, work)


async def _give(session: WriteSession, thing: Belonging, owner_id: str, heir: User) -> None:
    if owner_id != heir.user_id:
        await store.give(session, thing, owner=f"{heir.kind.value}:{heir.user_id}", owner_id=heir.user_id)
    await enter_change(
        session,
        before=OwnedView.of(thing, owner_id),
        after=OwnedView.of(thing, heir.user_id),
        action=f"{thing.kind}.transfer",
        tenant_id=thing.tenant_id,
        project_id=thing.project_id,
    )


async def _heir(session: ReadSession, tenant_id: str, user_id: str) -> User:
    """Return the member. Raises InvalidInput unless they may come in."""
    found = await list_members(session, tenant_id, limit=1, user_id=user_id)
    if not found or found[0][0].is_disabled:
        raise no_successor(user_id)
    return found[0][0]


def _require_to_give(subject: Subject, thing: Belonging) -> None:
    if thing.kind == "api-key" and not allowed(subject, "keys:admin", thing.tenant_id):
        raise Forbidden("API keys are given to somebody else by those who have keys:admin.")
    if thing.kind == "deployment" and not allowed(subject, "deployments:write", thing.tenant_id, thing.project_id):
        raise Forbidden(f"{subject.actor} may not do deployments:write on {thing.name}, which is to be given away.")


def _thing(subject: Subject, kind: str, object_id: str, name: str, project_id: str) -> Belonging:
    return Belonging(kind=kind, object_id=object_id, name=name, tenant_id=subject.tenant_id, project_id=project_id)

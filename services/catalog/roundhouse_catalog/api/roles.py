"""`/api/v1/roles`: the templates that every tenant has, and roles of the tenant's own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.people_schemas import RoleChanges, RoleToCreate, RoleView
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.directory_errors import RoleInUse, RoleNotFound
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.granting import require_held_actions
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.own_roles import MOST_OWN_ROLES, OwnRole, create_role, delete_role, revise_role
from roundhouse_catalog.store import own_roles as store
from roundhouse_common.auth import Role, Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/roles", tags=["roles"])
Reader = Annotated[Subject, Depends(requires("members:read"))]
Writer = Annotated[Subject, Depends(requires("members:write"))]
_TEMPLATES = {role.value: RoleView.of_template(role) for role in Role}


@router.post("", status_code=201, response_model=RoleView, responses=CONFLICT)
async def create_own_role(body: RoleToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Make a role of the tenant's own: only of actions that the caller may do."""

    async def work(session: WriteSession) -> Response:
        role = create_role(
            OwnRole(
                role_id=catalog.ids.new("rol"),
                tenant_id=subject.tenant_id,
                name=body.name,
                description=body.description,
                actions=tuple(body.actions),
                history=History.begun(catalog.clock.now(), subject.actor),
            )
        )
        require_held_actions(subject, (), role.actions)
        if len(await store.own_roles(session, subject.tenant_id)) >= MOST_OWN_ROLES:
            findings = Findings()
            findings.add("name", f"the tenant has {MOST_OWN_ROLES} roles of its own, and no more are allowed")
            findings.refuse()
        await store.insert_role(session, role)
        await enter_change(session, after=RoleView.of(role))
        return _shown(role, 201, {"location": f"{router.prefix}/{role.role_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_roles(subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[RoleView]:
    """List roles in the order of their ids: templates, and the tenant's own."""
    async with catalog.db.read() as session:
        own = await store.own_roles(session, subject.tenant_id)
    every = {**_TEMPLATES, **{role_id: RoleView.of(role) for role_id, role in own.items()}}
    rows = [view for role_id, view in sorted(every.items()) if role_id > (paging.after or "")]
    return page_of(rows[: paging.fetch], paging, key=lambda view: view.id, item=lambda view: view)


@router.get("/{role_id}", response_model=RoleView, responses=MISSING)
async def show_role(role_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a role; a template by its name."""
    if role_id in _TEMPLATES:
        return reply(_TEMPLATES[role_id], 200, tagged(1))
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, role_id))


@router.patch("/{role_id}", response_model=RoleView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_own_role(
    role_id: str, body: RoleChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a role of the tenant's own. Access tokens that were made before keep what they say until they expire."""
    async with catalog.db.write() as session:
        role = await _found(session, subject, role_id)
        require_if_match(if_match, role.history.generation)
        revised = revise_role(role, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        await enter_change(session, before=RoleView.of(role), after=RoleView.of(revised))
        if revised is not role:
            require_held_actions(subject, role.actions, revised.actions)
            await store.update_role(session, revised)
            session.after_commit(catalog.wake)
    return _shown(revised)


@router.delete("/{role_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_own_role(role_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a role of the tenant's own that nobody holds."""
    async with catalog.db.write() as session:
        role = await _found(session, subject, role_id)
        if if_match is not None:
            require_if_match(if_match, role.history.generation)
        if names := await store.holders(session, role):
            raise RoleInUse(role.name, names)
        await store.update_role(session, delete_role(role, now=catalog.clock.now(), actor=subject.actor))
        await enter_change(session, before=RoleView.of(role))


async def _found(session: ReadSession, subject: Subject, role_id: str) -> OwnRole:
    """Return a role of the tenant's own. Raises RoleNotFound, also for templates: they cannot be changed."""
    role = (await store.own_roles(session, subject.tenant_id)).get(role_id)
    if role is None:
        raise RoleNotFound(role_id)
    return role


def _shown(role: OwnRole, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(RoleView.of(role), status, {**(headers or {}), **tagged(role.history.generation)})

"""`/api/v1/users`: people, who may belong to several tenants."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.granting import known_in, require_still_administered, require_to_hold
from roundhouse_catalog.api.ownership import Abandon, Successor, settle
from roundhouse_catalog.api.people_schemas import UserChanges, UserToCreate, UserView
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.directory_errors import UserNotFound
from roundhouse_catalog.domain.granting import require_held_on_platform
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.people import User, create_user, delete_user, join, revise_user
from roundhouse_catalog.store import people as store
from roundhouse_common.auth import Subject, SubjectKind, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/users", tags=["users"])
Reader = Annotated[Subject, Depends(requires("members:read"))]
Inviter = Annotated[Subject, Depends(requires("members:write"))]
Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


@router.post("", status_code=201, response_model=UserView, responses=CONFLICT)
async def add_user(body: UserToCreate, subject: Inviter, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a person whom nobody knows yet, as a member of the tenant."""
    if body.platform_roles and not allowed(subject, "platform:admin", subject.tenant_id):
        raise Forbidden("Roles on the platform are given by those who have platform:admin.")
    patch = body.membership()

    async def work(session: WriteSession) -> Response:
        now, actor = catalog.clock.now(), subject.actor
        user = create_user(
            User(
                user_id=catalog.ids.new("usr"),
                name=body.name,
                display_name=body.display_name,
                email=body.email,
                platform_roles=tuple(body.platform_roles),
                history=History.begun(now, actor),
            )
        )
        require_held_on_platform(subject, (), user.platform_roles)
        known = await known_in(session, subject.tenant_id, patch)
        membership = join(user.user_id, subject.tenant_id, patch, known, now=now, actor=actor)
        await require_to_hold(session, subject, None, membership)
        await store.insert_user(session, user)
        await store.insert_membership(session, membership)
        await enter_change(session, after=UserView.of(user))
        return _shown(user, 201, {"location": f"{router.prefix}/{user.user_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_users(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the user with this login name.")] = None,
) -> Page[UserView]:
    """List people: with `tenants:read` everybody, otherwise the members of the tenant."""
    async with catalog.db.read() as session:
        rows = await store.list_users(
            session,
            _seen_by(subject),
            limit=paging.fetch,
            after=paging.after or "",
            name=name,
            kind=SubjectKind.USER,
        )
    return page_of(rows, paging, key=lambda user: user.user_id, item=UserView.of)


@router.get("/{user_id}", response_model=UserView, responses=MISSING)
async def show_user(user_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a person."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, user_id))


@router.patch("/{user_id}", response_model=UserView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_user(
    user_id: str, body: UserChanges, subject: Administrator, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a person, in every tenant: their names, roles on the platform, whether they may come in at all."""
    async with catalog.db.write() as session:
        user = await _found(session, subject, user_id)
        require_if_match(if_match, user.history.generation)
        revised = revise_user(user, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        await enter_change(session, before=UserView.of(user), after=UserView.of(revised))
        if revised is not user:
            require_held_on_platform(subject, user.platform_roles, revised.platform_roles)
            await _write(session, revised)
            if (revised.platform_roles, revised.is_disabled) != (user.platform_roles, user.is_disabled):
                await catalog.logins.sessions.void(session, user_id)
            session.after_commit(catalog.wake)
    return _shown(revised)


@router.delete("/{user_id}", status_code=204, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def remove_user(
    user_id: str,
    subject: Administrator,
    catalog: CatalogHere,
    if_match: IfMatch = None,
    successor: Successor = None,
    abandon: Abandon = False,
) -> None:
    """Delete a person, in every tenant. Refused while they own something and no successor, who is a member wherever
    they are, takes it over; of what is abandoned their API keys are refused from then on."""
    async with catalog.db.write() as session:
        user = await _found(session, subject, user_id)
        if if_match is not None:
            require_if_match(if_match, user.history.generation)
        require_held_on_platform(subject, user.platform_roles, ())
        for one in await store.memberships_of(session, user_id):
            await settle(session, subject, one.tenant_id, user, successor=successor, abandon=abandon)
        await _write(session, delete_user(user, now=catalog.clock.now(), actor=subject.actor))
        await enter_change(session, before=UserView.of(user))
        await catalog.logins.sessions.void(session, user_id)
        session.after_commit(catalog.wake)


async def _write(session: WriteSession, user: User) -> None:
    """Write the user unless somebody would be left without an administrator."""
    tenants = [one.tenant_id for one in await store.memberships_of(session, user.user_id)]
    before = await store.administrators(session, tenants)
    await store.update_user(session, user)
    await require_still_administered(session, before, tenants)


def _seen_by(subject: Subject) -> str | None:
    """Return whose members somebody sees; None: everybody."""
    return None if allowed(subject, "tenants:read", subject.tenant_id) else subject.tenant_id


async def _found(session: ReadSession, subject: Subject, user_id: str) -> User:
    """Return the person. Raises UserNotFound, also for one who is not theirs to see."""
    user = await store.find_user(session, _seen_by(subject), user_id)
    if user is None or user.kind is not SubjectKind.USER:
        raise UserNotFound(user_id)
    return user


def _shown(user: User, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(UserView.of(user), status, {**(headers or {}), **tagged(user.history.generation)})

"""`/api/v1/members`: what people and service accounts are in the caller's tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.granting import known_in, require_still_administered, require_to_hold
from roundhouse_catalog.api.ownership import Abandon, Successor, settle
from roundhouse_catalog.api.people_schemas import MemberChanges, MemberToAdd, MemberView
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.directory_errors import AlreadyMember, MemberNotFound
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.people import Membership, User, join, revise_membership
from roundhouse_catalog.store import people as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/members", tags=["members"])
Reader = Annotated[Subject, Depends(requires("members:read"))]
Writer = Annotated[Subject, Depends(requires("members:write"))]


@router.post("", status_code=201, response_model=MemberView, responses=CONFLICT)
async def add_member(body: MemberToAdd, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Make a person whom the platform knows a member of the tenant."""
    patch = body.membership()

    async def work(session: WriteSession) -> Response:
        user = await store.find_user_named(session, body.name)
        if user is None:
            findings = Findings()
            findings.add("name", f"nobody logs in as {quoted(body.name)}; POST /api/v1/users adds a new person")
            findings.refuse()
        assert user is not None  # refused otherwise
        if await store.find_membership(session, subject.tenant_id, user.user_id) is not None:
            raise AlreadyMember(user.name)
        known = await known_in(session, subject.tenant_id, patch)
        now = catalog.clock.now()
        membership = join(user.user_id, subject.tenant_id, patch, known, now=now, actor=subject.actor)
        await require_to_hold(session, subject, None, membership)
        await store.insert_membership(session, membership)
        await enter_change(session, after=MemberView.of(user, membership), object_id=user.user_id)
        session.after_commit(catalog.wake)
        return _shown(user, membership, 201, {"location": f"{router.prefix}/{user.user_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_members(subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[MemberView]:
    """List members in the order of their ids, service accounts too."""
    async with catalog.db.read() as session:
        rows = await store.list_members(session, subject.tenant_id, limit=paging.fetch, after=paging.after or "")
    return page_of(rows, paging, key=lambda row: row[0].user_id, item=lambda row: MemberView.of(*row))


@router.get("/{user_id}", response_model=MemberView, responses=MISSING)
async def show_member(user_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show what somebody is in the tenant."""
    async with catalog.db.read() as session:
        return _shown(*await _found(session, subject, user_id))


@router.patch("/{user_id}", response_model=MemberView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_member(
    user_id: str, body: MemberChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change somebody's roles: only those that permit nothing beyond what the caller may do."""
    patch, tenant_id = body.membership(), subject.tenant_id
    async with catalog.db.write() as session:
        user, membership = await _found(session, subject, user_id)
        require_if_match(if_match, membership.history.generation)
        known = await known_in(session, tenant_id, patch)
        revised = revise_membership(membership, patch, known, now=catalog.clock.now(), actor=subject.actor)
        was, now = MemberView.of(user, membership), MemberView.of(user, revised)
        await enter_change(session, before=was, after=now)
        if revised is not membership:
            await require_to_hold(session, subject, membership, revised)
            before = await store.administrators(session, [tenant_id])
            await store.update_membership(session, revised)
            await catalog.logins.sessions.void(session, user_id)
            await require_still_administered(session, before, [tenant_id])
            session.after_commit(catalog.wake)
    return _shown(user, revised)


@router.delete("/{user_id}", status_code=204, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def remove_member(
    user_id: str,
    subject: Writer,
    catalog: CatalogHere,
    if_match: IfMatch = None,
    successor: Successor = None,
    abandon: Abandon = False,
) -> None:
    """End somebody's membership. Refused while they own something and no successor takes it over; of what is abandoned
    their API keys of this tenant are refused from then on."""
    async with catalog.db.write() as session:
        user, membership = await _found(session, subject, user_id)
        if if_match is not None:
            require_if_match(if_match, membership.history.generation)
        await require_to_hold(session, subject, membership, None)
        await settle(session, subject, subject.tenant_id, user, successor=successor, abandon=abandon)
        before = await store.administrators(session, [subject.tenant_id])
        await store.delete_membership(session, membership)
        await enter_change(session, before=MemberView.of(user, membership))
        await catalog.logins.sessions.void(session, user_id)
        await require_still_administered(session, before, [subject.tenant_id])
        session.after_commit(catalog.wake)


async def _found(session: ReadSession, subject: Subject, user_id: str) -> tuple[User, Membership]:
    """Return the member. Raises MemberNotFound."""
    found = await store.list_members(session, subject.tenant_id, limit=1, user_id=user_id)
    if not found:
        raise MemberNotFound(user_id)
    return found[0]


def _shown(user: User, membership: Membership, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    view = MemberView.of(user, membership)
    return reply(view, status, {**(headers or {}), **tagged(membership.history.generation)})

"""`/api/v1/service-accounts`: programs of the caller's tenant. Their roles are under `/members`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.granting import known_in, require_still_administered, require_to_hold
from roundhouse_catalog.api.ownership import Abandon, Successor, settle
from roundhouse_catalog.api.people_schemas import AccountChanges, AccountToCreate, UserView
from roundhouse_catalog.api.responses import CONFLICT, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain.directory_errors import ServiceAccountNotFound
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.people import User, create_user, delete_user, join, revise_user
from roundhouse_catalog.store import people as store
from roundhouse_common.auth import Subject, SubjectKind
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/service-accounts", tags=["service-accounts"])
Reader = Annotated[Subject, Depends(requires("members:read"))]
Writer = Annotated[Subject, Depends(requires("members:write"))]


@router.post("", status_code=201, response_model=UserView, responses=CONFLICT)
async def create_service_account(
    body: AccountToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Create a service account with its roles."""
    patch = body.membership()

    async def work(session: WriteSession) -> Response:
        now, actor, tenant_id = catalog.clock.now(), subject.actor, subject.tenant_id
        account = create_user(
            User(
                user_id=catalog.ids.new("sva"),
                kind=SubjectKind.SERVICE_ACCOUNT,
                tenant_id=tenant_id,
                name=body.name,
                display_name=body.display_name,
                history=History.begun(now, actor),
            )
        )
        known = await known_in(session, tenant_id, patch)
        membership = join(account.user_id, tenant_id, patch, known, now=now, actor=actor)
        await require_to_hold(session, subject, None, membership)
        await store.insert_user(session, account)
        await store.insert_membership(session, membership)
        await enter_change(session, after=UserView.of(account))
        return _shown(account, 201, {"location": f"{router.prefix}/{account.user_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_service_accounts(subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[UserView]:
    """List service accounts in the order of their creation."""
    kind = SubjectKind.SERVICE_ACCOUNT
    async with catalog.db.read() as session:
        rows = await store.list_users(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", kind=kind
        )
    return page_of(rows, paging, key=lambda user: user.user_id, item=UserView.of)


@router.get("/{account_id}", response_model=UserView, responses=MISSING)
async def show_service_account(account_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a service account."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, account_id))


@router.patch("/{account_id}", response_model=UserView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_service_account(
    account_id: str, body: AccountChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a service account's names, or whether it may come in."""
    async with catalog.db.write() as session:
        account = await _found(session, subject, account_id)
        require_if_match(if_match, account.history.generation)
        revised = revise_user(account, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        await enter_change(session, before=UserView.of(account), after=UserView.of(revised))
        if revised is not account:
            await _write(session, subject, revised)
            if revised.is_disabled != account.is_disabled:
                await catalog.logins.sessions.void(session, account_id)
            session.after_commit(catalog.wake)
    return _shown(revised)


@router.delete("/{account_id}", status_code=204, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def remove_service_account(
    account_id: str,
    subject: Writer,
    catalog: CatalogHere,
    if_match: IfMatch = None,
    successor: Successor = None,
    abandon: Abandon = False,
) -> None:
    """Delete a service account. Refused while it owns something and no successor takes it over; of what is abandoned
    its API keys are refused from then on."""
    async with catalog.db.write() as session:
        account = await _found(session, subject, account_id)
        if if_match is not None:
            require_if_match(if_match, account.history.generation)
        await settle(session, subject, subject.tenant_id, account, successor=successor, abandon=abandon)
        await _write(session, subject, delete_user(account, now=catalog.clock.now(), actor=subject.actor))
        await enter_change(session, before=UserView.of(account))
        await catalog.logins.sessions.void(session, account_id)
        session.after_commit(catalog.wake)


async def _write(session: WriteSession, subject: Subject, account: User) -> None:
    """Write the account, unless it holds more than the subject or is the last administrator."""
    membership = await store.find_membership(session, subject.tenant_id, account.user_id)
    await require_to_hold(session, subject, membership, None)
    before = await store.administrators(session, [subject.tenant_id])
    await store.update_user(session, account)
    await require_still_administered(session, before, [subject.tenant_id])


async def _found(session: ReadSession, subject: Subject, account_id: str) -> User:
    """Return the account. Raises ServiceAccountNotFound."""
    account = await store.find_user(session, subject.tenant_id, account_id)
    if account is None or account.kind is not SubjectKind.SERVICE_ACCOUNT:
        raise ServiceAccountNotFound(account_id)
    return account


def _shown(account: User, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(UserView.of(account), status, {**(headers or {}), **tagged(account.history.generation)})

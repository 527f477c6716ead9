"""`/api/v1/tokens`: what programs log in with, and `/sessions:exchange`, where they do."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import CatalogHere, Paging, RepeatKey
from roundhouse_catalog.api.responses import MISSING
from roundhouse_catalog.api.sessions import NO_STORE
from roundhouse_catalog.api.token_schemas import (
    AccessTokenView,
    CreatedTokenView,
    TokenToCreate,
    TokenToExchange,
    TokenView,
)
from roundhouse_catalog.domain.directory_errors import MoreThanHeld, ServiceAccountNotFound, UserNotFound
from roundhouse_catalog.domain.login_errors import ExchangeRefused, TokenNotFound
from roundhouse_catalog.domain.personal_tokens import PREFIX, create_token, is_good, revoke_token
from roundhouse_catalog.domain.sessions import digest, new_secret
from roundhouse_catalog.store import personal_tokens as store
from roundhouse_catalog.store.directory import find_subject
from roundhouse_catalog.store.logins import find_account_by_id
from roundhouse_common.auth import Action, Subject, SubjectKind, actions_in, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import Page, page_of, requires
from roundhouse_common.http.idempotency import reply

__all__ = ["require_to_hold_all", "router"]

router = APIRouter(prefix="/api/v1", tags=["tokens"])
Self = Annotated[Subject, Depends(requires("self:read"))]
SelfWriter = Annotated[Subject, Depends(requires("self:write"))]
_NOTED_EVERY_S = 60.0
_TOKEN_IDS = "tok_"


@router.post("/tokens", status_code=201, response_model=CreatedTokenView, responses=MISSING)
async def create_personal_token(
    body: TokenToCreate, subject: SelfWriter, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Create a token for yourself, or for a service account, and show its secret, this once.

    Log in for it: a token makes no tokens, so one that was stolen ends when it expires or is revoked.
    """
    if subject.session_id.startswith(_TOKEN_IDS):
        raise Forbidden("A token makes no tokens: log in with a password or single sign-on for that.")

    async def work(session: WriteSession) -> Response:
        user_id = await _owner(session, subject, body.user_id, "members:write")
        secret = new_secret(PREFIX, catalog.secret_bytes)
        made = create_token(
            secret,
            digest(secret),
            token_id=catalog.ids.new("tok"),
            user_id=user_id,
            tenant_id=subject.tenant_id,
            name=body.name,
            expires_at=None if body.expires_at is None else body.expires_at.timestamp(),
            actor=subject.actor,
            now=catalog.clock.now(),
        )
        await store.insert_token(session, made)
        view = TokenView.of(made)
        await catalog.audit.enter(session, after=view, action="token.create", object_kind="token")
        return reply(CreatedTokenView(**view.model_dump(), secret=secret), 201, NO_STORE)

    return await catalog.idempotency.run(key, subject, work, secret_fields=frozenset({"secret"}))


@router.get("/tokens", responses=MISSING)
async def list_personal_tokens(
    subject: Self,
    paging: Paging,
    catalog: CatalogHere,
    user_id: Annotated[str, Query(max_length=64, description="A service account; absent: your own.")] = "",
) -> Page[TokenView]:
    """List tokens of this tenant in the order of their creation, revoked ones too."""
    async with catalog.db.read() as session:
        owner = await _owner(session, subject, user_id, "members:read", is_to_hold=False)
        rows = await store.list_tokens(session, subject.tenant_id, owner, limit=paging.fetch, after=paging.after or "")
    return page_of(rows, paging, key=lambda token: token.token_id, item=TokenView.of)


@router.delete("/tokens/{token_id}", status_code=204, responses=MISSING)
async def revoke_personal_token(token_id: str, subject: SelfWriter, catalog: CatalogHere) -> None:
    """Revoke a token of yours or of a service account, for good. What it was exchanged for is void at once."""
    async with catalog.db.write() as session:
        token = await store.find_token(session, subject.tenant_id, token_id)
        if token is None or not (token.user_id == subject.id or allowed(subject, "members:write", subject.tenant_id)):
            raise TokenNotFound(token_id)
        revoked = revoke_token(token, now=catalog.clock.now())
        if revoked is not token:
            await store.mark_token_revoked(session, revoked)
            before, after = TokenView.of(token), TokenView.of(revoked)
            await catalog.audit.enter(session, before=before, after=after, action="token.revoke", object_kind="token")
            session.after_commit(catalog.logins.changed)


@router.post("/sessions:exchange", response_model=AccessTokenView)
async def exchange_token(body: TokenToExchange, catalog: CatalogHere) -> Response:
    """Get an access token for a personal token: what its owner may do now, for minutes."""
    now = catalog.clock.now()
    async with catalog.db.read() as session:
        token = await store.find_token_by_digest(session, digest(body.token.get_secret_value()))
        if token is None or not is_good(token, now):
            raise ExchangeRefused
        subject = await find_subject(session, token.user_id, token.tenant_id)
    if subject is None:
        raise ExchangeRefused
    if token.last_used_at is None or now > token.last_used_at + _NOTED_EVERY_S:
        async with catalog.db.write() as session:
            await store.mark_token_used(session, token.token_id, now=now)
    stated = replace(subject, session_id=token.token_id, issued_at=now)
    access_token, expires_at = catalog.logins.minter.sign(stated)
    view = AccessTokenView(
        access_token=access_token,
        expires_at=expires_at,
        expires_in=int(expires_at - now),
        user_id=token.user_id,
        tenant_id=token.tenant_id,
    )
    return reply(view, 200, NO_STORE)


async def _owner(
    session: ReadSession, subject: Subject, user_id: str, needed: Action, *, is_to_hold: bool = True
) -> str:
    """Return whose tokens these are. Raises ServiceAccountNotFound, Forbidden, and MoreThanHeld."""
    if user_id in ("", subject.id):
        if await find_account_by_id(session, subject.id) is None:
            raise UserNotFound(subject.id)
        return subject.id
    if not allowed(subject, needed, subject.tenant_id):
        raise Forbidden(f"{subject.actor} may not do {needed}: none of its roles permits it.")
    account = await find_account_by_id(session, user_id)
    if account is None or account.kind != SubjectKind.SERVICE_ACCOUNT or account.tenant_id != subject.tenant_id:
        raise ServiceAccountNotFound(user_id)
    if is_to_hold:
        await require_to_hold_all(session, subject, user_id)
    return user_id


async def require_to_hold_all(session: ReadSession, subject: Subject, user_id: str) -> None:
    """Raise MoreThanHeld unless the subject may do everything that the other may: they could act as them."""
    other = await find_subject(session, user_id, subject.tenant_id)
    if other is None:
        return
    missing = actions_in(other) - actions_in(subject)
    for project_id in other.project_roles:
        missing |= actions_in(other, project_id) - actions_in(subject, project_id)
    if missing:
        raise MoreThanHeld(subject.actor, "the tenant", missing)

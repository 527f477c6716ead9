"""`/api/v1/sessions`: log in, go on, log out. Nothing here is to be cached or logged."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.api.responses import MISSING, TOO_MANY
from roundhouse_catalog.api.session_desk import Issued
from roundhouse_catalog.api.session_schemas import (
    PasswordToChange,
    SessionToRefresh,
    SessionToStart,
    SessionView,
    SignedOutView,
    TokensView,
)
from roundhouse_catalog.domain.login_errors import SessionNotFound
from roundhouse_catalog.domain.sessions import Client, EndReason
from roundhouse_catalog.store import sessions as store
from roundhouse_common.auth import Subject
from roundhouse_common.http import Page, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.http.trail import current_trail

__all__ = ["NO_STORE", "client_here", "router", "tokens"]

NO_STORE = {"cache-control": "no-store"}

router = APIRouter(prefix="/api/v1", tags=["sessions"])
Self = Annotated[Subject, Depends(requires("self:read"))]
SelfWriter = Annotated[Subject, Depends(requires("self:write"))]


def client_here() -> Client:
    """Return where the request that is being answered comes from (a FastAPI dependency)."""
    trail = current_trail()
    return Client() if trail is None else Client(address=trail.client_address, user_agent=trail.user_agent)


ClientHere = Annotated[Client, Depends(client_here)]


@router.post("/sessions", status_code=201, response_model=TokensView, responses=TOO_MANY)
async def start_session(body: SessionToStart, client: ClientHere, catalog: CatalogHere) -> Response:
    """Log in with a password. After some failures of a name or an address there are pauses, which grow."""
    issued = await catalog.logins.passwords.log_in(
        body.login_name, body.password.get_secret_value(), tenant=body.tenant, client=client
    )
    return tokens(issued, 201)


@router.post("/sessions:refresh", response_model=TokensView)
async def refresh_session(body: SessionToRefresh, client: ClientHere, catalog: CatalogHere) -> Response:
    """Get a new access token, for the same tenant or another.

    A refresh token that comes a second time ends the session for everybody who has it; a client that did not get the
    answer may repeat within seconds.
    """
    secret = body.refresh_token.get_secret_value()
    return tokens(await catalog.logins.sessions.refresh(secret, tenant=body.tenant, client=client))


@router.get("/sessions")
async def list_sessions(subject: Self, catalog: CatalogHere) -> Page[SessionView]:
    """List your own logins that can go on, the last used first."""
    idle_s = catalog.logins.sessions.rules.idle_s
    async with catalog.db.read() as session:
        found = await store.live_sessions(session, subject.id, now=catalog.clock.now(), idle_s=idle_s)
    return Page(items=[SessionView.of(one, current=subject.session_id) for one in found], next_cursor=None)


@router.delete("/sessions/{session_id}", status_code=204, responses=MISSING)
async def end_session(session_id: str, subject: SelfWriter, catalog: CatalogHere) -> None:
    """End one of your sessions; `current` is the one of this access token. Its tokens are void at once."""
    wanted = subject.session_id if session_id == "current" else session_id
    async with catalog.db.write() as session:
        found = await store.find_session(session, wanted)
        if found is None or found.user_id != subject.id:
            raise SessionNotFound(session_id)
        await catalog.logins.sessions.end(session, found, EndReason.LOGGED_OUT)


@router.post("/sessions:sign-out-everywhere")
async def sign_out_everywhere(subject: SelfWriter, catalog: CatalogHere) -> SignedOutView:
    """End all of your sessions, this one too, and make every access token void at once. Personal tokens stay."""
    async with catalog.db.write() as session:
        ended = await catalog.logins.sessions.end_all(session, subject.id, EndReason.SIGNED_OUT_EVERYWHERE)
    return SignedOutView(sessions_ended=ended)


@router.post("/password:change", status_code=204, responses=TOO_MANY)
async def change_password(body: PasswordToChange, client: ClientHere, catalog: CatalogHere) -> None:
    """Choose a password of your own, at the first login or later. It ends all of your sessions."""
    await catalog.logins.passwords.change(
        body.login_name, body.password.get_secret_value(), body.new_password.get_secret_value(), client=client
    )


def tokens(issued: Issued, status: int = 200) -> Response:
    """Return tokens as an answer that nobody keeps."""
    return reply(TokensView.of(issued), status, NO_STORE)

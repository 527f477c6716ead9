"""/api/v1/join-tokens and /api/v1/nodes:join"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Page, PageRequest, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.nats_auth.authority import NodeAuthority
from roundhouse_common.nats_auth.keys import KeyKind, is_public_key
from roundhouse_common.runtime import Clock, Ids
from roundhouse_scheduler.api.attempts import Attempts
from roundhouse_scheduler.api.join_views import CreatedTokenView, JoinedView, NodeToJoin, TokenToCreate, TokenView
from roundhouse_scheduler.domain.errors import JoiningUnavailable, JoinTokenRefused, UnknownJoinToken
from roundhouse_scheduler.domain.joining import (
    Approval,
    JoinToken,
    NodeKey,
    check_key,
    check_node_id,
    check_token,
    hash_secret,
    join_token,
    parse_token,
)
from roundhouse_scheduler.store import joining as store

__all__ = ["Joining", "joining_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]
_SECRET_BYTES = 32
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What letting nodes in needs. Handed to the routes by the composition root."""

    db: Database
    clock: Clock
    ids: Ids
    secret_bytes: Callable[[int], bytes]
    authority: NodeAuthority | None
    """None: nodes cannot join, everything else goes on."""
    nats_url: str
    """Where nodes reach NATS."""
    approval: Approval
    attempts: Attempts
    wake: Callable[[], None]
    """Let the servers refuse now what was taken back."""

    @property
    def is_local_only(self) -> bool:
        """Whether no other host can reach NATS where it is told to be."""
        hosts = {urlsplit(url.strip()).hostname or "" for url in self.nats_url.split(",")}
        return all(host == "localhost" or host.startswith("127.") or host == "::1" for host in hosts)

    def nats_urls(self, asked_at: str) -> list[str]:
        """Return the addresses for a host that has reached us at `asked_at`."""
        return [_reachable(url, asked_at) for url in self.nats_url.split(",")]


def joining_routes(joining: Joining) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["joining"])

    @routes.post("/join-tokens", status_code=201)
    async def create_token(subject: _Writer, body: TokenToCreate) -> CreatedTokenView:
        """Make a token that lets one host in. It is shown this once."""
        secret = base64.urlsafe_b64encode(joining.secret_bytes(_SECRET_BYTES)).rstrip(b"=").decode("ascii")
        now = joining.clock.now()
        token = JoinToken(
            token_id=joining.ids.new("jtk"),
            digest=hash_secret(secret),
            created_at=now,
            created_by=subject.id,
            expires_at=now + body.ttl_s,
            node_id=body.node_id or "",
            labels=body.labels,
            region=body.region,
            zone=body.zone,
        )
        async with joining.db.write() as session:
            await store.add_token(session, token)
            await enter_change(session, after=TokenView.of(token, now), action="join-token.create")
        seen = TokenView.of(token, now).model_dump()
        made = join_token(token.token_id, secret)
        return CreatedTokenView(**seen, token=made, is_local_only=joining.is_local_only)

    @routes.get("/join-tokens")
    async def list_tokens(_subject: _Reader, page: _Page) -> Page[TokenView]:
        """List tokens in the order of their creation, also those that are used up, for a week."""
        async with joining.db.read() as session:
            rows = await store.list_tokens(session, limit=page.fetch, after=page.after or "")
        now = joining.clock.now()
        return page_of(rows, page, key=_token_key, item=lambda token: TokenView.of(token, now))

    @routes.delete("/join-tokens/{token_id}", status_code=204)
    async def revoke_token(_subject: _Writer, token_id: str) -> None:
        """Revoke a token. A node that has joined with it stays. Safe to repeat."""
        async with joining.db.write() as session:
            token, now = await store.find_token(session, token_id), joining.clock.now()
            if token is None:
                raise UnknownJoinToken(token_id)
            await store.revoke_token(session, token_id, at=now)
            after = await store.find_token(session, token_id) or token
            await enter_change(
                session, before=TokenView.of(token, now), after=TokenView.of(after, now), action="join-token.revoke"
            )

    @routes.post("/nodes:join")
    async def join(request: Request, body: NodeToJoin) -> JoinedView:
        """Let a host in: the token is the credential. The same key may ask again while the token lives.

        403 for a token that is unknown, expired, used by another or revoked; 429 after too many of those from one
        address; 409 for an id or a key that it cannot have.
        """
        authority = joining.authority
        if authority is None:
            raise JoiningUnavailable
        _check_public_key(body.public_key)
        address = request.client.host if request.client else ""
        joining.attempts.check(address)
        now = joining.clock.now()
        try:
            async with joining.db.write() as session:
                key = await _admit(joining, session, body, now)
                session.after_commit(joining.wake)
        except JoinTokenRefused:
            joining.attempts.failed(address)
            raise
        return JoinedView(
            node_id=key.node_id,
            admission=key.admission,
            nats_urls=joining.nats_urls(request.url.hostname or ""),
            credentials=authority.node_jwt(key.node_id, key.public_key, at=now),
        )

    return routes


async def _admit(joining: Joining, session: WriteSession, body: NodeToJoin, now: float) -> NodeKey:
    """Use the token, and return the key that gets credentials. Raises what says why not."""
    token_id, secret = parse_token(body.token)
    found = await store.find_token(session, token_id)
    token = check_token(found, secret=secret, public_key=body.public_key, now=now)
    known = await store.find_key(session, body.public_key)
    node_id = token.used_node_id or _node_id(token, body.node_id, joining.ids)
    check_key(known, node_id=node_id)
    if known is not None:
        return known
    before, node = await store.key_of_node(session, node_id), await store.find_node(session, node_id)
    check_node_id(node_id, token=token, public_key=body.public_key, key=before, node=node)
    key = NodeKey(
        public_key=body.public_key,
        node_id=node_id,
        hostname=body.hostname,
        token_id=token.token_id,
        issued_at=now,
        admission=joining.approval.admission,
        labels=token.labels,
        region=token.region,
        zone=token.zone,
    )
    if before is not None:
        await store.revoke_keys(session, [before.public_key], at=now)
    await store.add_key(session, key)
    await store.use_token(session, token, public_key=key.public_key, node_id=node_id, at=now)
    if node is not None:
        await store.readmit(session, node, key)
    return key


def _node_id(token: JoinToken, wanted: str | None, ids: Ids) -> str:
    """Return the id of a node that joins: the token's, the one it would like, or a new one. Raises InvalidInput."""
    if token.node_id and wanted and wanted != token.node_id:
        message = f"{wanted!r} is not the id that this token is for; leave it out, or use {token.node_id!r}"
        raise InvalidInput(f"node_id: {message}", FieldError("node_id", message))
    return token.node_id or wanted or ids.new("nod")


def _check_public_key(public_key: str) -> None:
    if not is_public_key(public_key, KeyKind.USER):
        message = "this is no public key of a NATS user: 56 letters and digits that begin with U"
        raise InvalidInput(f"public_key: {message}", FieldError("public_key", message))


def _reachable(url: str, asked_at: str) -> str:
    """Return an address of NATS, with the host that was asked in place of one that means every address."""
    parts = urlsplit(url.strip())
    if parts.hostname not in _EVERYWHERE or not asked_at:
        return url.strip()
    return f"{parts.scheme}://{asked_at}:{parts.port}"


def _token_key(token: JoinToken) -> str:
    return token.token_id

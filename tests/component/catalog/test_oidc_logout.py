"""Logging out at the identity provider ends the sessions that began there (back-channel logout)."""

import json
import secrets
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from roundhouse_catalog.api.oidc_client import LOGOUT_EVENT, OidcClient
from roundhouse_catalog.api.oidc_desk import OidcDesk
from roundhouse_catalog.api.oidc_people import OidcPeople
from roundhouse_catalog.domain.login_errors import OidcRefused
from roundhouse_catalog.domain.sessions import Client
from roundhouse_catalog.store.oidc import put_identity
from roundhouse_catalog.store.sessions import live_sessions
from roundhouse_common.auth import Role
from roundhouse_common.contracts.base import Service
from roundhouse_common.http.audit import Audit
from roundhouse_common.runtime import SystemIds
from tests.component.catalog.people import ANN, add_person, log_in, post
from tests.component.catalog.world import World

ISSUER = "https://login.example"
KEY = ECKey.generate_key("P-256", {"kid": "k"})
EVENTS: dict[str, dict[str, str]] = {LOGOUT_EVENT: {}}


def answered(request: httpx.Request) -> httpx.Response:
    """Answer as the provider."""
    if request.url.path == "/jwks":
        return httpx.Response(200, json=KeySet([KEY]).as_dict(private=False))
    named = {name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
    return httpx.Response(200, content=json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", **named}))


async def nothing(*_: Any) -> None:
    """Enter nothing: the audit has its own tests."""


@pytest.fixture
async def desk(sqlite_world: World) -> OidcDesk:
    """Ann has two sessions: one that began at the provider, one with her password."""
    world = sqlite_world
    await add_person(world)
    await world.login_parts.keeper.look()
    sessions = world.login_parts.logins.sessions
    body = {"name": "corporate", "issuer": ISSUER, "client_id": "us"}
    added = await post(world, "/oidc-providers", body, token=world.token(Role.ADMINISTRATOR))
    async with world.db.write() as session:
        await put_identity(
            session, provider_id=added.json()["id"], subject="s1", user_id=ANN, email="", now=world.clock.now()
        )
        await sessions.begin(session, ANN, tenant="", method="oidc:corporate", client=Client())
    await log_in(world)
    audit = Audit(Service.CATALOG, world.db, nothing, clock=world.clock, ids=SystemIds(), wake=lambda: None)
    return OidcDesk(
        world.db,
        OidcClient(world.clock, transport=httpx.MockTransport(answered)),
        OidcPeople(sessions, clock=world.clock, ids=SystemIds(), audit=audit),
        sessions,
        sealing=world.secrets,
        clock=world.clock,
        random_bytes=secrets.token_bytes,
        public_url=lambda: "http://catalog",
        redirects=(),
    )


def token(world: World, **changes: Any) -> str:
    now = int(world.clock.now())
    claims = {"iss": ISSUER, "aud": "us", "sub": "s1", "iat": now, "exp": now + 60, "events": EVENTS, **changes}
    return jwt.encode({"alg": "ES256", "kid": "k"}, claims, KEY)


async def methods(world: World) -> list[str]:
    async with world.db.read() as session:
        found = await live_sessions(session, ANN, now=world.clock.now(), idle_s=3600)
    return sorted(one.method for one in found)


async def test_sessions_that_began_at_the_provider_end_and_others_stay(sqlite_world: World, desk: OidcDesk) -> None:
    assert await methods(sqlite_world) == ["oidc:corporate", "password"]
    assert await desk.logged_out("corporate", token(sqlite_world, sub="somebody else")) == 0
    assert await desk.logged_out("corporate", token(sqlite_world)) == 1
    assert await methods(sqlite_world) == ["password"]


@pytest.mark.parametrize("changes", [{"events": {}}, {"events": None}, {"nonce": "n"}, {"aud": "them"}])
async def test_what_is_no_logout_token_for_us_ends_nothing(
    sqlite_world: World, desk: OidcDesk, changes: dict[str, Any]
) -> None:
    with pytest.raises(OidcRefused):
        await desk.logged_out("corporate", token(sqlite_world, **changes))
    assert await methods(sqlite_world) == ["oidc:corporate", "password"]

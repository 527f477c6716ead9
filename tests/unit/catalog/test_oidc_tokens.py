"""What an identity provider's tokens must be, before anything in them is believed."""

import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from roundhouse_catalog.api.oidc_client import OidcClient
from roundhouse_catalog.domain.login_errors import OidcProviderAway, OidcRefused
from roundhouse_catalog.domain.oidc_providers import OidcProvider, OidcRules
from roundhouse_common.runtime import UnixTime
from tests.support.hand_clock import HandClock

ISSUER = "https://login.example"
OLD, NEW, STRANGE = (ECKey.generate_key("P-256", {"kid": kid}) for kid in ("old", "new", "strange"))


class Provider:
    """Answers as one, over a transport without a network."""

    def __init__(self) -> None:
        self.keys: list[Any] = [OLD]
        self.asked: list[str] = []
        self.more: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/jwks":
            return httpx.Response(200, json=KeySet(self.keys).as_dict(private=False))
        metadata = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            **self.more,
        }
        return httpx.Response(200, json=metadata)


class World:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.provider = Provider()
        self.client = OidcClient(self.clock, transport=httpx.MockTransport(self.provider))

    def token(self, key: Any = OLD, header: dict[str, Any] | None = None, **changes: Any) -> str:
        now = int(self.clock.now())
        claims = {"iss": ISSUER, "aud": "us", "sub": "s1", "iat": now, "exp": now + 300, **changes}
        stated = {name: value for name, value in claims.items() if value is not None}
        algorithm = "HS256" if isinstance(key, OctKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, stated, key)

    async def verified(self, token: str) -> dict[str, Any]:
        now = UnixTime(0.0)
        provider = OidcProvider(
            provider_id="idp_1", name="corporate", issuer=ISSUER, client_id="us", sealed_secret="", rules=OidcRules(),
            is_enabled=True, generation=1, created_at=now, created_by="", updated_at=now, updated_by="",
        )  # fmt: skip
        return await self.client.verified(provider, token)


@pytest.fixture
def world() -> World:
    return World()


async def test_good_token_is_believed_also_where_clocks_differ_a_little(world: World) -> None:
    assert (await world.verified(world.token()))["sub"] == "s1"
    token = world.token()
    world.clock.at += 359
    assert (await world.verified(token))["sub"] == "s1"
    world.clock.at += 2
    with pytest.raises(OidcRefused):
        await world.verified(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": ["us", "them"]},
        {"aud": ["us", "them"], "azp": "them"},
        {"exp": None},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"exp": "tomorrow"},
    ],
)
async def test_token_that_is_not_for_us_is_refused(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(OidcRefused):
        await world.verified(world.token(**changes))


async def test_token_for_several_clients_counts_when_it_was_made_for_us(world: World) -> None:
    assert await world.verified(world.token(aud=["us", "them"], azp="us"))


async def test_forged_tokens_are_refused(world: World) -> None:
    public = json.dumps(OLD.as_dict(private=False)).encode()
    mac = OctKey.import_key(public, {"kid": "old"})
    strange = ECKey.import_key(STRANGE.as_dict(private=True) | {"kid": "old"})
    body = world.token().split(".")[1]
    for token in ("", "a.b.c", "x" * 70_000, f"eyJhbGciOiJub25lIn0.{body}.", world.token(mac), world.token(strange)):
        with pytest.raises(OidcRefused):
            await world.verified(token)


async def test_providers_new_key_is_fetched_once_and_strangers_cannot_make_us_ask(world: World) -> None:
    await world.verified(world.token())
    world.provider.keys = [NEW]
    world.clock.at += 31
    assert await world.verified(world.token(NEW))
    asked = world.provider.asked.count("/jwks")
    for _ in range(5):
        with pytest.raises(OidcRefused):
            await world.verified(world.token(STRANGE))
    assert world.provider.asked.count("/jwks") == asked == 2


@pytest.mark.parametrize(
    "more", [{"issuer": "https://other.example"}, {"jwks_uri": "http://login.example/jwks"}, {"token_endpoint": "x"}]
)
async def test_provider_that_says_something_unsafe_is_not_used(world: World, more: dict[str, Any]) -> None:
    world.provider.more = more
    with pytest.raises(OidcProviderAway):
        await world.verified(world.token())

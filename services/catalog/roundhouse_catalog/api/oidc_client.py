"""Speaks OpenID Connect with identity providers: discovery, keys, codes for tokens, and what the tokens say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from roundhouse_catalog.domain.login_errors import OidcProviderAway, OidcRefused
from roundhouse_catalog.domain.oidc import is_secure
from roundhouse_catalog.domain.oidc_providers import OidcProvider
from roundhouse_common.runtime import Clock

__all__ = ["LOGOUT_EVENT", "Metadata", "OidcClient"]

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""Never a MAC, whose key a client shares, and never `none`."""
_DISCOVERY_KEPT_S: Final = 3600.0
_KEYS_AGAIN_AFTER_S: Final = 30.0
"""An unknown key is looked for once in so long: a stranger's token must not make us ask without end."""
_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
_MOST_TOKEN_CHARS: Final = 65_536
_DISCOVERY: Final = "/.well-known/openid-configuration"
_SECURED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")

Claims = dict[str, Any]
"""Any: JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a provider says of itself."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    end_session_endpoint: str
    auth_methods: tuple[str, ...]
    read_at: float


class OidcClient:
    """Asks providers, and remembers for a while what they publish."""

    def __init__(self, clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` is for tests."""
        self._clock = clock
        self._transport = transport
        self._metadata: dict[str, Metadata] = {}
        self._keys: dict[str, tuple[KeySet, float]] = {}

    async def metadata(self, provider: OidcProvider) -> Metadata:
        """Return what the provider publishes. Raises OidcProviderAway."""
        known = self._metadata.get(provider.issuer)
        if known is not None and self._clock.now() < known.read_at + _DISCOVERY_KEPT_S:
            return known
        found = await self._json(provider, "GET", provider.issuer.rstrip("/") + _DISCOVERY)
        if found.get("issuer") != provider.issuer:
            raise OidcProviderAway(provider.name, "it says that its issuer is another than the one that was entered")
        for name in _SECURED:
            if found.get(name) and not is_secure(str(found[name])):
                raise OidcProviderAway(provider.name, f"its {name} is not https")
        try:
            metadata = Metadata(
                authorization_endpoint=str(found["authorization_endpoint"]),
                token_endpoint=str(found["token_endpoint"]),
                jwks_uri=str(found["jwks_uri"]),
                userinfo_endpoint=str(found.get("userinfo_endpoint", "")),
                end_session_endpoint=str(found.get("end_session_endpoint", "")),
                auth_methods=tuple(found.get("token_endpoint_auth_methods_supported", ("client_secret_basic",))),
                read_at=self._clock.now(),
            )
        except KeyError as error:
            raise OidcProviderAway(provider.name, f"its configuration lacks {error}") from error
        self._metadata[provider.issuer] = metadata
        return metadata

    async def look(self, provider: OidcProvider) -> tuple[Metadata, int]:
        """Return what the provider publishes now, whatever is remembered of it, and how many keys it signs with.

        Raises OidcProviderAway.
        """
        self._metadata.pop(provider.issuer, None)
        self._keys.pop(provider.issuer, None)
        return await self.metadata(provider), len((await self._key_set(provider)).keys)

    async def claims_for_code(
        self, provider: OidcProvider, secret: str, *, code: str, code_verifier: str, redirect_uri: str, nonce: str
    ) -> Claims:
        """Return what the provider says of who has logged in. Raises OidcRefused or OidcProviderAway."""
        metadata = await self.metadata(provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        given = await self._tokens(provider, metadata, secret, form)
        claims = await self.verified(provider, str(given.get("id_token", "")))
        if claims.get("nonce") != nonce:
            raise OidcRefused("nonce", "The identity provider answered for another login.")
        if metadata.userinfo_endpoint and provider.rules.groups_claim not in claims:
            headers = {"authorization": f"Bearer {given.get('access_token', '')}"}
            more = await self._json(provider, "GET", metadata.userinfo_endpoint, headers=headers)
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims

    async def verified(self, provider: OidcProvider, token: str, *, nonce_allowed: bool = True) -> Claims:
        """Return the claims of a token that the provider signed for us. Raises OidcRefused or OidcProviderAway."""
        if not token or len(token) > _MOST_TOKEN_CHARS:
            raise OidcRefused("id_token", "The identity provider sent no token, or one that is too long.")
        try:
            claims = await self._decoded(provider, token)
            self._registry(provider).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OidcRefused("id_token", f"The identity provider's token is not valid: {error}.") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != provider.client_id:
            raise OidcRefused("id_token", "The identity provider's token is for several clients, and not ours first.")
        if not nonce_allowed and "nonce" in claims:
            raise OidcRefused("logout_token", "A logout token has no nonce.")
        return claims

    async def _decoded(self, provider: OidcProvider, token: str) -> Claims:
        """Verify with the keys that are known, then with those that the provider has now."""
        try:
            return jwt.decode(token, await self._key_set(provider), algorithms=list(_ALGORITHMS)).claims
        except (JoseError, ValueError) as error:
            known = self._keys.get(provider.issuer)
            is_unknown = isinstance(error, InvalidKeyIdError | ValueError)
            if not is_unknown or known is None or self._clock.now() < known[1] + _KEYS_AGAIN_AFTER_S:
                raise
        del self._keys[provider.issuer]
        return jwt.decode(token, await self._key_set(provider), algorithms=list(_ALGORITHMS)).claims

    def _registry(self, provider: OidcProvider) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=int(provider.rules.clock_skew_s),
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )

    async def _key_set(self, provider: OidcProvider) -> KeySet:
        known = self._keys.get(provider.issuer)
        if known is not None:
            return known[0]
        metadata = await self.metadata(provider)
        found = await self._json(provider, "GET", metadata.jwks_uri)
        try:
            keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked by the import itself
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OidcProviderAway(provider.name, f"its keys cannot be read: {error}") from error
        self._keys[provider.issuer] = (keys, self._clock.now())
        return keys

    async def _tokens(self, provider: OidcProvider, metadata: Metadata, secret: str, form: Mapping[str, str]) -> Claims:
        if not secret:
            return await self._json(
                provider, "POST", metadata.token_endpoint, form={**form, "client_id": provider.client_id}
            )
        if "client_secret_basic" in metadata.auth_methods or "client_secret_post" not in metadata.auth_methods:
            auth = httpx.BasicAuth(provider.client_id, secret)
            return await self._json(provider, "POST", metadata.token_endpoint, form=form, auth=auth)
        body = {**form, "client_id": provider.client_id, "client_secret": secret}
        return await self._json(provider, "POST", metadata.token_endpoint, form=body)

    async def _json(
        self,
        provider: OidcProvider,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
    ) -> Claims:
        """Return the JSON object at an address of the provider; redirects are not followed."""
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, transport=self._transport) as http:
                answer = await http.request(method, url, data=form, headers=headers, auth=auth)
            found = json.loads(answer.content) if len(answer.content) <= _MOST_BYTES else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise OidcProviderAway(provider.name, str(error) or type(error).__name__) from error
        if answer.is_error and method == "POST":
            why = found.get("error") if isinstance(found, dict) else answer.status_code
            raise OidcRefused("code", f"The identity provider refused the login: {why}.")
        if answer.status_code != httpx.codes.OK or not isinstance(found, dict):
            raise OidcProviderAway(provider.name, f"it answered {answer.status_code} where a JSON object was expected")
        return found

"""Logs people in through identity providers: there, back, and with a code to the client that asked.

Everything is for one use: our state at the provider, bound to the browser by a cookie, and the code that the client
gets, bound to the client by PKCE. So neither a link nor an address bar that somebody else has seen logs anybody in.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from roundhouse_catalog.api.oidc_client import LOGOUT_EVENT, Metadata, OidcClient
from roundhouse_catalog.api.oidc_people import OidcPeople
from roundhouse_catalog.api.session_desk import Issued, SessionDesk
from roundhouse_catalog.domain.login_errors import OidcProviderNotFound, OidcRefused, RefreshRefused
from roundhouse_catalog.domain.oidc import person_of, redirect_fault
from roundhouse_catalog.domain.oidc_providers import OidcProvider
from roundhouse_catalog.domain.sessions import Client, EndReason, digest
from roundhouse_catalog.store import oidc as store
from roundhouse_catalog.store.oidc import OidcLogin
from roundhouse_catalog.store.sessions import find_session
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput, Unavailable
from roundhouse_common.http.trail import mark_told
from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_common.secret_box import SecretFile

__all__ = ["Begun", "OidcDesk", "method_of"]

_LOGIN_S = 600.0
"""How long somebody may take at the provider."""
_CODE_S = 60.0
"""How long a client may take to fetch its tokens."""
_CHALLENGE_CHARACTERS = 43
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where the browser goes, and what it is to bring back."""

    location: str
    cookie: str


class OidcDesk:
    """One for all providers."""

    def __init__(
        self,
        db: Database,
        client: OidcClient,
        people: OidcPeople,
        sessions: SessionDesk,
        *,
        sealing: SecretFile,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        public_url: Callable[[], str],
        redirects: Sequence[str],
    ) -> None:
        self._db = db
        self._client = client
        self._people = people
        self._sessions = sessions
        self._sealing = sealing
        self._clock = clock
        self._random_bytes = random_bytes
        self._public_url = public_url
        self._redirects = redirects

    async def look(self, provider: OidcProvider) -> tuple[Metadata, int]:
        """Return what a provider publishes, and the number of its keys. Raises OidcProviderAway."""
        return await self._client.look(provider)

    async def begin(self, name: str, *, redirect_uri: str, state: str, code_challenge: str) -> Begun:
        """Return where the browser logs in. Raises InvalidInput, OidcProviderNotFound or OidcProviderAway."""
        if (fault := redirect_fault(redirect_uri, self._redirects)) is not None:
            raise InvalidInput(f"redirect_uri: {fault}", FieldError("redirect_uri", fault))
        if len(code_challenge) != _CHALLENGE_CHARACTERS:
            fault = "it must be a SHA-256 in base64url (PKCE's S256), 43 characters"
            raise InvalidInput(f"code_challenge: {fault}", FieldError("code_challenge", fault))
        provider = await self._provider(name)
        metadata = await self._client.metadata(provider)
        ours, nonce, verifier, cookie = (self._secret() for _ in range(4))
        login = OidcLogin(
            state_sha256=digest(ours),
            provider_id=provider.provider_id,
            browser_sha256=digest(cookie),
            nonce=nonce,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            client_state=state,
            client_challenge=code_challenge,
            expires_at=UnixTime(self._clock.now() + _LOGIN_S),
        )
        async with self._db.write() as session:
            await store.forget_logins(session, before=self._clock.now())
            await store.insert_login(session, login)
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._callback(name),
            "scope": " ".join(provider.rules.scopes),
            "state": ours,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return Begun(location=_with_query(metadata.authorization_endpoint, query), cookie=cookie)

    async def answer(self, name: str, *, state: str, cookie: str, code: str, error: str) -> str:
        """Return where the browser goes after the provider has sent it back: to the client, with a code or an error.

        Raises OidcRefused when it cannot be told whose login this is.
        """
        mark_told(action="session.start", object_kind="identity-provider", object_name=name[:63])
        async with self._db.write() as session:
            login = await store.find_login_by_state(session, digest(state))
            if login is None or login.code_sha256 or login.expires_at <= self._clock.now():
                raise OidcRefused(
                    "state", "This login was not begun here, has been used, or took too long; begin again."
                )
            if digest(cookie) != login.browser_sha256:
                raise OidcRefused("browser", "This login was begun in another browser; begin again in this one.")
            await store.delete_login(session, login)
        try:
            if error or not code:
                raise OidcRefused("provider", f"The identity provider says: {error[:100] or 'nothing'}.")
            return await self._welcome(name, login, code)
        except (OidcRefused, Unavailable) as refusal:
            reason = refusal.reason if isinstance(refusal, OidcRefused) else refusal.code
            told = {"error": "access_denied", "error_description": f"{refusal} ({reason})", "state": login.client_state}
            return _with_query(login.redirect_uri, told)

    async def redeem(self, code: str, verifier: str, *, tenant: str, client: Client) -> Issued:
        """Return the tokens for the code that the client got. Raises RefreshRefused or NoTenant."""
        issued = None
        async with self._db.write() as session:
            login = await store.find_login_by_code(session, digest(code))
            if login is not None and await store.delete_login(session, login):
                provider = await store.find_provider(session, login.provider_id)
                is_theirs = _challenge(verifier) == login.client_challenge
                if provider is not None and is_theirs and self._clock.now() < login.expires_at:
                    issued = await self._sessions.begin(
                        session, login.user_id, tenant=tenant, method=method_of(provider), client=client
                    )
        if issued is None:
            raise RefreshRefused
        return issued

    async def logout_url(self, name: str, redirect_uri: str) -> str:
        """Return where a browser logs out at the provider too. Raises OidcRefused where that has no such address."""
        if redirect_uri and (fault := redirect_fault(redirect_uri, self._redirects)) is not None:
            raise InvalidInput(f"redirect_uri: {fault}", FieldError("redirect_uri", fault))
        provider = await self._provider(name)
        metadata = await self._client.metadata(provider)
        if not metadata.end_session_endpoint:
            raise OidcRefused("logout", "The identity provider has no address for logging out.")
        query = {"client_id": provider.client_id}
        if redirect_uri:
            query["post_logout_redirect_uri"] = redirect_uri
        return _with_query(metadata.end_session_endpoint, query)

    async def logged_out(self, name: str, token: str) -> int:
        """End the sessions of whom the provider says has logged out there (back-channel logout); return how many."""
        provider = await self._provider(name)
        claims = await self._client.verified(provider, token, nonce_allowed=False)
        events = claims.get("events")
        if not isinstance(events, Mapping) or LOGOUT_EVENT not in events:
            raise OidcRefused("logout_token", "That is no logout token.")
        async with self._db.write() as session:
            user_id = await store.find_identity(session, provider.provider_id, str(claims["sub"]))
            ids = [] if user_id is None else await store.sessions_through(session, user_id, method_of(provider))
            for session_id in ids:
                if (found := await find_session(session, session_id)) is not None:
                    await self._sessions.end(session, found, EndReason.PROVIDER)
        return len(ids)

    async def _welcome(self, name: str, login: OidcLogin, code: str) -> str:
        """Return where the browser takes the client its code. Raises OidcRefused or Unavailable."""
        provider = await self._provider(name)
        if provider.provider_id != login.provider_id:
            raise OidcRefused("state", "This login was begun at another identity provider.")
        secret = self._sealing.box().open(provider.sealed_secret) if provider.sealed_secret else ""
        claims = await self._client.claims_for_code(
            provider,
            secret,
            code=code,
            code_verifier=login.code_verifier,
            redirect_uri=self._callback(name),
            nonce=login.nonce,
        )
        person = person_of(claims, provider.rules)
        ours = self._secret()
        async with self._db.write() as session:
            user = await self._people.user_of(session, provider, person)
            expires_at = UnixTime(self._clock.now() + _CODE_S)
            welcomed = replace(login, code_sha256=digest(ours), user_id=user.user_id, expires_at=expires_at)
            await store.insert_login(session, welcomed)
        return _with_query(login.redirect_uri, {"code": ours, "state": login.client_state})

    async def _provider(self, name: str) -> OidcProvider:
        async with self._db.read() as session:
            provider = await store.find_provider_named(session, name)
        if provider is None:
            raise OidcProviderNotFound(name)
        return provider

    def _callback(self, name: str) -> str:
        return f"{self._public_url()}/api/v1/login/oidc/{name}/callback"

    def _secret(self) -> str:
        return _base64url(self._random_bytes(_SECRET_BYTES))


def method_of(provider: OidcProvider) -> str:
    """Return how a session says that it began at this provider."""
    return f"oidc:{provider.name}"


def _challenge(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode("utf-8", errors="replace")).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _with_query(url: str, query: Mapping[str, str]) -> str:
    """Return the address with these parameters beside those that it has."""
    parts = urlsplit(url)
    joined = "&".join(one for one in (parts.query, urlencode(query)) if one)
    return urlunsplit(parts._replace(query=joined))

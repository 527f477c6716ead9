"""The catalog's login endpoints, which need no access token."""

from typing import Final

import httpx

from roundhouse_console.clients.rest import Item, refusal
from roundhouse_console.domain.errors import Refused, SignedOut, Unreachable
from roundhouse_console.domain.session import Kept, PlaygroundKey
from roundhouse_console.domain.times import instant

__all__ = ["Logins"]

_OVER: Final = (400, 401, 403)
"""What the catalog answers to a refresh token of a session that is over."""


class Logins:
    """Raises Refused and Unreachable, whose text the login page shows."""

    def __init__(self, http: httpx.AsyncClient, catalog_url: str) -> None:
        self._http = http
        self._base = f"{catalog_url}/api/v1"

    async def options(self) -> Item:
        """Return how one can sign in: `password`, and `oidc` with names."""
        return await self._ask("GET", "/login")

    async def start(self, login_name: str, password: str, tenant: str, browser: httpx.Headers) -> Kept:
        body = {"login_name": login_name, "password": password, "tenant": tenant}
        return _kept(await self._ask("POST", "/sessions", body, browser))

    async def change_password(self, login_name: str, password: str, new: str, browser: httpx.Headers) -> None:
        body = {"login_name": login_name, "password": password, "new_password": new}
        await self._ask("POST", "/password:change", body, browser)

    async def redeem(self, code: str, verifier: str, browser: httpx.Headers) -> Kept:
        """Return the tokens of a login at an identity provider."""
        return _kept(await self._ask("POST", "/sessions:redeem", {"code": code, "code_verifier": verifier}, browser))

    async def refresh(self, kept: Kept, tenant: str = "") -> Kept:
        """Return newer tokens, for the same tenant or another. Raises SignedOut when the session is over."""
        try:
            found = await self._ask(
                "POST", "/sessions:refresh", {"refresh_token": kept.refresh_token, "tenant": tenant}
            )
        except Refused as error:
            if error.status in _OVER and not tenant:
                raise SignedOut from error
            raise
        return _kept(found, None if tenant else kept.playground_key)

    async def end(self, access_token: str) -> None:
        headers = httpx.Headers({"authorization": f"Bearer {access_token}"})
        await self._ask("DELETE", "/sessions/current", None, headers)

    async def _ask(
        self, method: str, path: str, body: Item | None = None, headers: httpx.Headers | None = None
    ) -> Item:
        try:
            answer = await self._http.request(method, self._base + path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable("catalog", str(error) or type(error).__name__) from error
        if answer.is_error:
            raise refusal("catalog", answer)
        found: Item = answer.json() if answer.content else {}
        return found


def _kept(found: Item, playground_key: PlaygroundKey | None = None) -> Kept:
    return Kept(
        access_token=found["access_token"],
        access_expires_at=instant(found["expires_at"]),
        refresh_token=found["refresh_token"],
        session_expires_at=instant(found["session_expires_at"]),
        user_id=found["user_id"],
        tenant_id=found["tenant_id"],
        playground_key=playground_key,
    )

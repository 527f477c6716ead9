"""The gate in front of every page, socket and file: who is signed in, whose request it is, what browsers may do."""

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, quote

from roundhouse_common.service.ops import ASGIApp
from roundhouse_console.api.assets import Assets
from roundhouse_console.clients.sessions import Sessions
from roundhouse_console.domain.security import COOKIE, headers, is_own_origin

__all__ = ["Gate"]

_OPEN: Final = ("/_nicegui/", "/static/", "/login", "/password", "/favicon.ico")
"""What people see before they are signed in."""
_SOCKET: Final = "/_nicegui_ws/"
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_NONCE_BYTES: Final = 16
Scope = MutableMapping[str, Any]


class Gate:
    """Puts `person`, `cookie` and `nonce` into the state of each request. `owns_page` ties a page to its session."""

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        assets: Assets,
        *,
        public_url: str,
        token_hex: Callable[[int], str],
        owns_page: Callable[[str, str], bool],
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._assets = assets
        self._public_url = public_url
        self._token_hex = token_hex
        self._owns_page = owns_page

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._assets.has(scope):
            is_https = self._is_https(scope)
            await self._assets.answer(scope, _guarded(send, headers("", is_https=is_https)))
            return
        sent = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = _cookie(sent.get("cookie", ""))
        person = await self._sessions.find(cookie)
        nonce = self._token_hex(_NONCE_BYTES)
        is_https = self._is_https(scope)
        scope["state"] = {
            **scope.get("state", {}),
            "person": person,
            "cookie": cookie,
            "nonce": nonce,
            "is_https": is_https,
        }
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, sent)
            return
        guarded = _guarded(send, headers(nonce, is_https=is_https))
        path = scope["path"]
        if scope["method"] not in _SAFE and not is_own_origin(sent, self._public_url):
            await _say(guarded, 403, "This request comes from another site. Open the console itself and try again.")
        elif path.startswith(_SOCKET):
            await _say(guarded, 400, "The console's pages talk over WebSockets only.")
        elif person is None and not path.startswith(_OPEN):
            await self._to_login(scope, guarded)
        else:
            await self._answered(scope, receive, guarded)

    def _is_https(self, scope: Scope) -> bool:
        return self._public_url.startswith("https://") or scope.get("scheme") in ("https", "wss")

    async def _answered(self, scope: Scope, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:
            # How Starlette's middleware in NiceGUI puts it that the browser left before it had an answer.
            if str(error) != "No response returned.":
                raise

    async def _socket(self, scope: Scope, receive: Any, send: Any, sent: dict[str, str]) -> None:
        person = scope["state"]["person"]
        page = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("client_id", [""])[0]
        is_ours = person is not None and self._owns_page(page, person.digest)
        if is_ours and is_own_origin(sent, self._public_url):
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4401})

    async def _to_login(self, scope: Scope, send: Any) -> None:
        if scope["method"] not in _SAFE or not scope["path"].startswith("/"):
            await _say(send, 401, "You are signed out. Sign in again.")
            return
        wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        location = "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}"
        await send({"type": "http.response.start", "status": 303, "headers": [(b"location", location.encode("ascii"))]})
        await send({"type": "http.response.body", "body": b""})


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _guarded(
    send: Callable[[Any], Awaitable[None]], added: list[tuple[bytes, bytes]]
) -> Callable[[Any], Awaitable[None]]:
    async def with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return with_headers


async def _say(send: Any, status: int, text: str) -> None:
    content = text.encode()
    sent = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(content)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": content})

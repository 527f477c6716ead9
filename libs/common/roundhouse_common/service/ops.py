"""The operator's endpoints as one plain ASGI app, in front of the service's own: /livez /readyz /metrics /version."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

__all__ = ["ASGIApp", "OpsApp", "Receive", "Scope", "Send", "guarded"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI 3 application. The arguments are Any because frameworks spell these types each in their own way."""

_JSON: Final = "application/json"


class OpsApp:
    """Answers the four paths and hands everything else on. Needs no credentials: it shows no secrets. `/metrics` has
    names of models, so `guarded` may stand before it."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Mapping[str, str]],
        registry: CollectorRegistry,
        version: Mapping[str, str],
        states: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._readiness = readiness
        self._registry = registry
        self._version = version
        self._states = states
        self.inner: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] == "http" and path in ("/livez", "/readyz", "/metrics", "/version"):
            await self._answer(path, scope, send)
        elif self.inner is not None:
            await self.inner(scope, receive, send)
        elif scope["type"] == "http":
            await _respond(
                send, 404, "text/plain; charset=utf-8", b"Not found. Try /livez, /readyz, /metrics, /version.\n"
            )
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, path: str, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, "text/plain; charset=utf-8", b"Only GET.\n")
        elif path == "/livez":
            await _respond(send, 200, "text/plain; charset=utf-8", b"ok\n")
        elif path == "/readyz":
            checks = dict(self._readiness())
            is_ready = all(state == "ok" for state in checks.values())
            content = {"checks": checks, **self._states()}
            await _respond(send, 200 if is_ready else 503, _JSON, msgspec.json.encode(content))
        elif path == "/version":
            await _respond(send, 200, _JSON, msgspec.json.encode(self._version))
        else:
            encode, content_type = choose_encoder(_header(scope, b"accept"))
            await _respond(send, 200, content_type, encode(self._registry))


def guarded(app: ASGIApp, token: str) -> ASGIApp:
    """Return the application with `/metrics` for those only who send this token as their bearer; empty: for all."""
    if not token:
        return app
    wanted = f"Bearer {token}".encode()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_kept = scope["type"] == "http" and scope.get("path") == "/metrics"
        if is_kept and not hmac.compare_digest(_header(scope, b"authorization").encode("latin-1"), wanted):
            told = b"Scrapes of /metrics need the token of this service as `Authorization: Bearer`.\n"
            await _respond(send, 401, "text/plain; charset=utf-8", told, (b"www-authenticate", b"Bearer"))
            return
        await app(scope, receive, send)

    return answer


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _respond(send: Send, status: int, content_type: str, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

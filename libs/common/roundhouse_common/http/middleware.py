"""Plain ASGI around every request: id, trace, log context, body limit, and the answer to the unexpected."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import structlog
from fastapi import HTTPException, Request
from opentelemetry.trace import StatusCode

from roundhouse_common import telemetry
from roundhouse_common.client_address import Proxies
from roundhouse_common.http.problems import problem_response
from roundhouse_common.http.trail import Trail, TrailEnd, follow, unfollow
from roundhouse_common.runtime import Ids

__all__ = ["RequestMiddleware"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_App = Callable[[Any, Any, Any], Awaitable[None]]

_WRITES: Final = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_REPLAYED: Final = (b"idempotent-replayed", b"true")
"""Of an answer to a write that happened before, and was entered then."""
MAX_BODY_BYTES: Final = 1024 * 1024
_TOO_LARGE: Final = f"The body is larger than {MAX_BODY_BYTES} bytes."
_log = structlog.get_logger(component=__name__)


class RequestMiddleware:
    """The outermost layer of a REST application.

    `is_streamed` says of a method and a path that its handler takes the body piece by piece and limits it itself.
    With an `audit`, refusals are entered into it, and writes that their handlers did not enter themselves, except
    those of the operations named in `unaudited`.
    """

    def __init__(
        self,
        app: _App,
        *,
        ids: Ids,
        is_streamed: Callable[[str, str], bool] | None = None,
        audit: TrailEnd | None = None,
        unaudited: frozenset[str] = frozenset(),
        proxies: Proxies = Proxies(),
    ) -> None:
        self._app = app
        self._ids = ids
        self._is_streamed = is_streamed or (lambda _method, _path: False)
        self._audit = audit
        self._unaudited = unaudited
        self._proxies = proxies

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids.new("req")
        scope.setdefault("state", {})["request_id"] = request_id
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            telemetry.span(
                scope["method"], kind=telemetry.SpanKind.SERVER, parent=headers, attributes=attributes
            ) as span,
        ):
            is_limited = not self._is_streamed(scope["method"], scope["path"])
            peer = (scope.get("client") or ("",))[0]
            address = self._proxies.client_of(peer, _joined(scope["headers"]))
            trail = Trail(scope=scope, request_id=request_id, client_address=address, end=self._audit)
            exchange = _Exchange(trail, receive, send, is_limited=is_limited, settled=self._settled)
            following = follow(trail)
            try:
                await self._run(exchange, headers)
            finally:
                unfollow(following)
            route = getattr(scope.get("route"), "path", None)
            if route:
                span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.response.status_code", exchange.status)
            if exchange.status >= 500:
                span.set_status(StatusCode.ERROR)

    async def _settled(self, trail: Trail, status: int) -> None:
        """Enter what is still to be entered, before the answer goes out: whoever has it can find the entry."""
        if self._audit is None:
            return
        is_write = trail.scope["method"] in _WRITES and trail.operation not in self._unaudited
        if status in (401, 403) or (is_write and status < 400):
            await self._audit.finish(trail, status)

    async def _run(self, exchange: "_Exchange", headers: dict[str, str]) -> None:
        length = headers.get("content-length", "")
        if exchange.is_limited and length.isdecimal() and int(length) > MAX_BODY_BYTES:
            await exchange.refuse_body()
            return
        if "\0" in exchange.scope["path"] or b"%00" in exchange.scope["query_string"]:
            await exchange.refuse_nul()
            return
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - the last resort: logged here, and the caller learns only the id
            _log.error("request_failed", path=exchange.scope["path"], error=repr(error), exc_info=error)
            await exchange.fail()


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name. One that came in several lines has all of them: each proxy may add a line of its
    own."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = b", ".join((found[name], value)) if name in found else value
    return found


class _BodyTooLarge(HTTPException):
    """Raised out of `receive`. It is an HTTPException because FastAPI turns any other one into a 400."""

    def __init__(self) -> None:
        super().__init__(413, _TOO_LARGE)


class _Exchange:
    """One request with its answer: counts the body, stamps the id, remembers the status."""

    def __init__(
        self,
        trail: Trail,
        receive: Receive,
        send: Send,
        *,
        is_limited: bool = True,
        settled: Callable[[Trail, int], Awaitable[None]],
    ) -> None:
        self.scope = trail.scope
        self.trail = trail
        self._settled = settled
        self.is_limited = is_limited
        self.status = 0
        self._receive = receive
        self._send = send
        self._request_id = trail.request_id.encode("ascii")
        self._received = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self.is_limited and self._received > MAX_BODY_BYTES:
            raise _BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if _REPLAYED not in message.get("headers", ()):
                await self._settled(self.trail, self.status)
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
        await self._send(message)

    async def refuse_body(self) -> None:
        await self._answer(413, "body_too_large", _TOO_LARGE)

    async def refuse_nul(self) -> None:
        """No id and no filter has it, and a database may not even take the question."""
        await self._answer(422, "invalid_input", "The address has a NUL character (%00); leave it out.")

    async def fail(self) -> None:
        """Answer 500 without internals; when the answer has begun already, cut it off instead."""
        if self.status:
            raise ConnectionAbortedError("the handler failed after its answer had begun")
        await self._answer(
            500, "internal", "Something failed here that should not. The log has the details under this request's id."
        )

    async def _answer(self, status: int, code: str, detail: str) -> None:
        response = problem_response(Request(self.scope), status, code, detail)
        await response(self.scope, self._receive, self.send)

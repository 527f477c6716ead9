"""An ASGI application in the data plane's listener: for what is not worth a fast path."""

from collections.abc import MutableMapping
from typing import Any, Final

from roundhouse_common.service.ops import ASGIApp
from roundhouse_router.wire.errors import ClientLeft
from roundhouse_router.wire.exchange import Exchange

__all__ = ["serve_asgi"]

_BODY_LIMIT: Final = 1024 * 1024
Message = MutableMapping[str, Any]  # Any: ASGI's messages are dictionaries with values of many types


async def serve_asgi(app: ASGIApp, exchange: Exchange) -> None:
    """Answer the exchange by the application. Its body is 1 MiB at most. Raises BodyTooLarge, ClientLeft."""
    body = await exchange.read_body(_BODY_LIMIT)
    bridge = _Bridge(exchange, body)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": exchange.method,
        "scheme": "http",
        "path": exchange.path,
        "raw_path": exchange.path.encode(),
        "query_string": exchange.query,
        "root_path": "",
        "headers": list(exchange.headers.items()),
        "client": (exchange.client, 0),
        "server": None,
    }
    async with exchange.guarded():
        await app(scope, bridge.receive, bridge.send)


class _Bridge:
    """Both channels of one request."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        self._exchange = exchange
        self._body: bytes | None = body
        self._status = 200
        self._headers: list[tuple[bytes, bytes]] = []

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            await self._exchange.left()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        exchange = self._exchange
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"content-length"]
            return
        body: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if not exchange.is_started:
            if is_last:
                exchange.answer(self._status, self._headers, body)
                return
            exchange.start(self._status, self._headers)
        if is_last:
            exchange.end(body)
            return
        exchange.write(body)
        if not exchange.is_writable:
            try:
                await exchange.drained()
            except ClientLeft:
                raise OSError("the client left") from None

"""One request to an ASGI application, without a client that would correct what is sent or hide what comes back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

__all__ = ["Answer", "asgi_call"]

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the application sent."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def splits(self) -> list[tuple[bytes, bytes]]:
        """Headers that a server would write as more than one line, or that no server may write."""
        return [one for one in self.headers if any(mark in part for part in one for mark in (b"\r", b"\n", b"\0"))]


# Any: the application is a callable of ASGI
async def asgi_call(
    app: Any, method: str, raw_path: bytes, *, query: bytes = b"", headers: Headers = (), body: bytes = b""
) -> Answer:
    """Send a request as uvicorn hands it over: the path decoded once, everything else as it came."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"h"), (b"content-length", b"%d" % len(body)), *headers],
        "client": ("192.0.2.1", 50_000),
        "server": ("h", 80),
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    never = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await never.wait()
        return waiting.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await app(scope, receive, send)
    first, *rest = sent
    content = b"".join(message.get("body", b"") for message in rest)
    return Answer(status=first["status"], headers=list(first["headers"]), body=content)

"""A receiver of webhooks on a port of this machine: answers what it is told, keeps what came, may be slow."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

__all__ = ["Post", "WebhookReceiver", "receiving"]


@dataclass(frozen=True)
class Post:
    """One POST that came."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:  # Any: CloudEvents in JSON
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]

    def verify(self, secret: str) -> None:
        """Raise WebhookVerificationError unless the signature is one by this secret, as the standard's own library
        sees it."""
        Verifier(secret).verify(self.body, self.headers)


@dataclass
class WebhookReceiver:
    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """What it answers, in turn; then 204."""
    posts: list[Post] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=finance"

    @property
    def ids(self) -> list[str]:
        """Ids of all events that came, in their order."""
        return [event["id"] for post in self.posts for event in post.events]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = [line.split(": ", 1) for line in head[1:] if line]
            headers = {name.lower(): value for name, value in pairs}
            self.posts.append(Post(headers, await reader.readexactly(int(headers["content-length"]))))
            await self.may_answer.wait()
            status = self.statuses.pop(0) if self.statuses else 204
            writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*statuses: int, is_slow: bool = False) -> AsyncIterator[WebhookReceiver]:
    """Listen. A slow one answers nothing until `may_answer` is set."""
    receiver = WebhookReceiver(statuses=list(statuses))
    if not is_slow:
        receiver.may_answer.set()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.close()

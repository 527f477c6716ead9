"""The client of the relay benchmark: one connection, one prepared request, no parsing beyond the end of an answer."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import cast

__all__ = ["Client", "Timing", "request"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from sending the request."""

    first_byte_s: float
    last_byte_s: float


def request(host: str, key: str, *, kilobytes: int = 1, **members: object) -> bytes:
    """Return the bytes of one chat request of about so many kilobytes; one is a short conversation."""
    text = "Tell me in one sentence what a locomotive depot is. " * (16 if kilobytes == 1 else 20 * kilobytes)
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"model": "tiny", "messages": messages, **members}, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
    return head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


class Client(asyncio.Protocol):
    """Answers end with the last chunk, or with as many bytes as announced."""

    def __init__(self) -> None:
        self._answer = b""
        self._first_at = 0.0
        self._done: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, port: int) -> "Client":
        _, protocol = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error or ConnectionError("closed in the middle of an answer"))

    def data_received(self, data: bytes) -> None:
        if not self._answer:
            self._first_at = time.perf_counter()
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(None)
        self._answer = (self._answer + data) if len(self._answer) < 4096 else self._answer[-64:] + data
        if self._is_complete() and self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def ask(self, content: bytes) -> Timing:
        """Send the request and wait for the whole answer. Raises RuntimeError when its status is not 200."""
        self._answer = b""
        self._done = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(content)
        await self._done
        ended = time.perf_counter()
        return Timing(self._first_at - began, ended - began)

    async def begin(self, content: bytes) -> None:
        """Send the request and wait for the first bytes of its answer only."""
        self._answer = b""
        self._begun = asyncio.get_running_loop().create_future()
        self._transport.write(content)
        await self._begun

    def close(self) -> None:
        self._done = None
        self._transport.close()

    def _is_complete(self) -> bool:
        if self._answer.endswith(b"0\r\n\r\n"):
            return True
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or not head.startswith(b"HTTP/1.1"):
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._answer.decode(errors="replace"))
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return bool(length) and len(body) >= int(length)

"""A scripted engine: an asyncio server that answers, or fails, exactly when and how the script says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

__all__ = ["DONE", "Engine", "Exchange", "Script", "answers", "chunk", "completion", "sse", "streams", "usage_chunk"]

DONE = b"data: [DONE]\n\n"


@dataclass
class Exchange:
    """One request as the engine sees it, and the means to answer it byte by byte."""

    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closed_at: float | None = None
    """Loop time at which the router closed the connection before the script had ended."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:  # Any: a JSON document
        return json.loads(self.body)

    async def head(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        """Send the status line and headers of a chunked answer."""
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", "transfer-encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        """Send one chunk."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def whole(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        """Send a complete answer with a length."""
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def hang_up(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()

    async def silence(self) -> None:
        """Say nothing until the router gives up."""
        await asyncio.Event().wait()


Script = Callable[[Exchange], Awaitable[None]]


def chunk(text: str, *, model: str = "tiny", **extra: Any) -> bytes:  # Any: JSON
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [delta], **extra}
    return sse(body)


def usage_chunk(prompt: int, completion: int, *, model: str = "tiny") -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return sse(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [], "usage": usage}
    )


def sse(body: object) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def answers(status: int = 200, body: object = None, **headers: str) -> Script:
    """Answer everything with one JSON document."""

    async def script(exchange: Exchange) -> None:
        document = completion() if body is None else body
        await exchange.whole(status, json.dumps(document).encode(), **headers)

    return script


def completion(text: str = "hello", *, model: str = "tiny", prompt: int = 7, output: int = 3) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output},
    }


def streams(*chunks: bytes) -> Script:
    """Stream the chunks, each written by itself, and end."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for data in chunks:
            await exchange.send(data)
        await exchange.end()

    return script


async def _gone(reader: asyncio.StreamReader) -> None:
    """Return when the router closed its side. Reads nothing: what comes next may be another request."""
    while not (reader.at_eof() or reader.exception()):
        await asyncio.sleep(0.002)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


class Engine:
    """Listens on a free port of loopback. Set `script` at any time; `exchanges` has everything it was asked."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or answers()
        self.exchanges: list[Exchange] = []
        self.connections = 0

    async def __aenter__(self) -> "Engine":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._open: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        await self._server.wait_closed()

    def stop(self) -> None:
        """Stop listening and drop every connection, as a killed engine does."""
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while (exchange := await self._read(reader, writer)) is not None:
                self.exchanges.append(exchange)
                if not await self._play(exchange):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _play(self, exchange: Exchange) -> bool:
        """Run the script beside a watch on the connection; return whether the connection still serves."""
        loop = asyncio.get_running_loop()
        script = asyncio.ensure_future(self.script(exchange))
        gone = asyncio.ensure_future(_gone(exchange.reader))
        try:
            await asyncio.wait((script, gone), return_when=asyncio.FIRST_COMPLETED)
            if script.done() and not isinstance(script.exception(), ConnectionError):
                script.result()
                return not exchange.writer.transport.is_closing()
            exchange.closed_at = loop.time()
            return False
        finally:
            exchange.ended.set()
            for task in (script, gone):
                task.cancel()
            await asyncio.gather(script, gone, return_exceptions=True)

    @staticmethod
    async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Exchange(first.split()[1], headers, body, reader, writer)

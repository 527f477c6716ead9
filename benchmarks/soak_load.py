"""What clients of the soak do: whole answers, streams, other APIs, kept answers, mistakes, and leaving anytime."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

__all__ = ["CACHED", "CLIENTS", "DEAD", "LIMITED", "Load"]

CLIENTS: Final = 64
CACHED: Final = "cached"
"""A route that keeps its answers."""
DEAD: Final = "dead"
"""A route whose only engine is not there."""
LIMITED: Final = "rh-" + "l" * 43
"""A key with a limit that is always reached."""
_HASTE_S: Final = 0.02
_PATIENCE_S: Final = 60.0
_NOTED_MOST: Final = 20
_TEXT: Final = "Tell me in one sentence what a locomotive depot is. "

Headers = dict[str, str]


class Asked(NamedTuple):
    """One request, and the statuses that it may be answered with."""

    body: bytes
    path: str = "/v1/chat/completions"
    headers: Headers = {}
    wanted: tuple[int, ...] = (200,)
    leaves: bool = False
    """Whether the client closes its connection before the end."""


class _Connection:
    """One connection of a client, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def ask(self, content: bytes) -> int:
        """Return the status, once the answer is here to its last byte."""
        reader, writer = await self.opened()
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            await _read_chunks(reader)
        else:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if b"connection: close" in head:
            self.close()
        return int(head[9:12])

    async def begin(self, content: bytes, wait_s: float) -> None:
        """Send a request, take what comes within so long, and leave."""
        reader, writer = await self.opened()
        writer.write(content)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while await reader.read(65_536):
                    pass
        self.close()


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


class Load:
    """So many clients that together send `rate` requests per second, each when its last one has ended."""

    def __init__(self, port: int, secret: str, rng: random.Random) -> None:
        self.rate = 300.0
        self.done: Counter[str] = Counter()
        self.strange: Counter[str] = Counter()
        """Answers that nobody wanted, by what was asked."""
        self.strange_at: list[tuple[float, str]] = []
        """The first of them, each with the seconds since the load began."""
        self._began = time.monotonic()
        self._port, self._secret, self._rng = port, secret, rng

    async def client(self) -> None:
        """Be one of them until cancelled."""
        connection = _Connection(self._port)
        try:
            while True:
                name = self._rng.choices(_NAMES, _WEIGHTS)[0]
                await self._one(connection, name)
                await asyncio.sleep(self._rng.expovariate(self.rate / CLIENTS))
        finally:
            connection.close()

    async def _one(self, connection: _Connection, name: str) -> None:
        asked = _KINDS[name][1](self._rng)
        content = self._content(asked)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if asked.leaves:
                    await connection.begin(content, self._rng.uniform(0, _HASTE_S))
                else:
                    status = await connection.ask(content)
                    if status not in asked.wanted:
                        self._note(f"{name}: {status}")
        except (OSError, EOFError, ValueError) as error:
            connection.close()
            if asked.wanted:
                self._note(f"{name}: {type(error).__name__}")
        self.done[name] += 1

    def _note(self, what: str) -> None:
        self.strange[what] += 1
        if len(self.strange_at) < _NOTED_MOST:
            self.strange_at.append((round(time.monotonic() - self._began, 1), what))

    def _content(self, asked: Asked) -> bytes:
        if not asked.path:
            return asked.body
        headers = {"authorization": f"Bearer {self._secret}", "content-type": "application/json", **asked.headers}
        lines = [f"POST {asked.path} HTTP/1.1", "host: router", *(f"{name}: {text}" for name, text in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\ncontent-length: %d\r\n\r\n" % len(asked.body) + asked.body


def _chat(rng: random.Random, *, text: str = "", **members: Any) -> bytes:  # Any: JSON
    said = text or f"{rng.getrandbits(64)} " + _TEXT * 16
    body = {"model": "tiny", "messages": [{"role": "user", "content": said}], **members}
    return json.dumps(body, separators=(",", ":")).encode()


def _stream(rng: random.Random, **members: Any) -> bytes:
    return _chat(rng, stream=True, max_tokens=rng.randint(1, 32), user=f"{rng.getrandbits(64)}", **members)


def _kept(rng: random.Random) -> Asked:
    """One of a few that come again and again, or one that never came and never comes again."""
    number = rng.randrange(200) if rng.random() < 0.5 else rng.getrandbits(64)
    return Asked(_chat(rng, text=f"{number} {_TEXT}", model=CACHED, temperature=0, stream=bool(number % 2)))


def _nonsense(rng: random.Random) -> Asked:
    return Asked(rng.randbytes(200).replace(b"\n", b"") + b"\r\n\r\n", "", wanted=(400, 431))


_RESPONSE: Final = json.dumps({"model": "tiny", "input": _TEXT, "stream": True, "max_output_tokens": 16}).encode()
_KINDS: Final[dict[str, tuple[int, Callable[[random.Random], Asked]]]] = {
    "whole": (26, lambda rng: Asked(_chat(rng))),
    "whole, 32 KB": (2, lambda rng: Asked(_chat(rng, text=_TEXT * 640))),
    "stream": (20, lambda rng: Asked(_stream(rng))),
    "stream with usage": (5, lambda rng: Asked(_stream(rng, stream_options={"include_usage": True}))),
    "kept answers": (10, _kept),
    "once by its key": (
        4,
        lambda rng: Asked(_chat(rng), headers={"idempotency-key": str(uuid.UUID(int=rng.getrandbits(128)))}),
    ),
    "Anthropic, whole": (4, lambda rng: Asked(_chat(rng, max_tokens=16), "/v1/messages")),
    "Anthropic, stream": (4, lambda rng: Asked(_stream(rng), "/v1/messages")),
    "Responses, stream": (4, lambda rng: Asked(_RESPONSE, "/v1/responses")),
    "Ollama, stream": (3, lambda rng: Asked(_chat(rng), "/api/chat")),
    "whole, left": (3, lambda rng: Asked(_chat(rng), leaves=True)),
    "stream, left": (7, lambda rng: Asked(_stream(rng, seed=10), leaves=True)),
    "unknown model": (1, lambda rng: Asked(_chat(rng, model=f"m{rng.getrandbits(64)}"), wanted=(404,))),
    "unknown key": (
        1,
        lambda rng: Asked(_chat(rng), headers={"authorization": f"Bearer rh-{rng.getrandbits(99)}"}, wanted=(401,)),
    ),
    "no JSON": (1, lambda rng: Asked(b'{"model":', wanted=(400,))),
    "no HTTP": (1, _nonsense),
    "no engine": (1, lambda rng: Asked(_chat(rng, model=DEAD), wanted=(502, 503))),
    "over its limit": (
        3,
        lambda rng: Asked(_chat(rng), headers={"authorization": f"Bearer {LIMITED}"}, wanted=(200, 429)),
    ),
}
_NAMES: Final = tuple(_KINDS)
_WEIGHTS: Final = tuple(weight for weight, _ in _KINDS.values())

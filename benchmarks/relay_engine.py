"""The engine of the relay benchmark: fixed bytes, written as cheaply as Python can.

`python -m benchmarks.relay_engine` prints its port and serves until its standard input closes. A request that holds
`"stream":true` is answered with as many chunks as its `max_tokens` says, one write each, as many milliseconds apart as
its `seed` says (2 without one); any other at once with one JSON document.
"""

import asyncio
import json
import re
import sys
from typing import cast

import uvloop

PAUSE_MS = 2
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_tokens":\s*(\d+)')
_PAUSE = re.compile(rb'"seed":\s*(\d+)')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def document(**members: object) -> dict[str, object]:
    return {"id": "chatcmpl-72TYiZIWZmKi811fcyWuMOa5G6xpDoDL", "created": 1, "model": "tiny", **members}


USAGE = {"prompt_tokens": 33, "completion_tokens": 5, "total_tokens": 38, "prompt_tokens_details": {"cached_tokens": 0}}
TIMINGS = {"cache_n": 0, "prompt_n": 33, "prompt_ms": 190.248, "predicted_n": 3, "predicted_ms": 21.877}
CHOICE = {"finish_reason": None, "index": 0, "delta": {"content": " word"}}
CHUNK = framed(event(document(object="chat.completion.chunk", choices=[CHOICE])))
CHUNK_WITH_TIMINGS = framed(event(document(object="chat.completion.chunk", choices=[CHOICE], timings=TIMINGS)))
LAST = (
    framed(event(document(object="chat.completion.chunk", choices=[], usage=USAGE)) + b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)
MESSAGE = {"role": "assistant", "content": "hello there, how are you?"}
BODY = json.dumps(document(object="chat.completion", choices=[{"index": 0, "message": MESSAGE}], usage=USAGE)).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class EngineProtocol(asyncio.Protocol):
    """One connection; requests one after the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = self._wanted = 0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return
        whole = b"".join(self._parts)
        head, separator, body = whole.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if not separator or len(body) < (length := int(found[1]) if found else 0):
            self._parts = [whole]
            self._wanted = len(head) + 4 + length if separator else 0
            return
        self._parts, self._size, self._wanted = [], 0, 0
        if re.search(rb'"stream":\s*true', body):
            limit, pause = _CHUNKS.search(body), _PAUSE.search(body)
            chunk = CHUNK_WITH_TIMINGS if b'"timings_per_token":true' in body else CHUNK
            self._task = asyncio.get_running_loop().create_task(
                self._stream(chunk, int(limit[1]) if limit else 16, (int(pause[1]) if pause else PAUSE_MS) / 1000)
            )
        else:
            self._transport.write(WHOLE)

    async def _stream(self, chunk: bytes, chunks: int, pause_s: float) -> None:
        self._transport.write(_HEAD)
        for _ in range(chunks):
            self._transport.write(chunk)
            await asyncio.sleep(pause_s)
        self._transport.write(LAST)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(EngineProtocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())

"""The wire's server and client, one behind the other, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from roundhouse_common.runtime import SystemClock
from roundhouse_router.wire.client import Client, Origin
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.server import WireServer

HEAD = b"POST /echo HTTP/1.1\r\nhost: upstream\r\n"


@asynccontextmanager
async def serving(handler: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[Origin]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        server = WireServer(handler, clock=SystemClock())
        await server.start([reserved])
        try:
            yield Origin("127.0.0.1", reserved.getsockname()[1], False)
        finally:
            await server.stop(1.0)


async def echo(exchange: Exchange) -> None:
    body = await exchange.read_body(1 << 20)
    exchange.answer(200, [(b"x-path", exchange.path.encode())], body)


async def test_a_body_comes_back() -> None:
    async with serving(echo) as origin, Client() as client:
        for body in (b"", b"hello", b"x" * 300_000):
            reply = await client.send(origin, HEAD, body, connect_s=1, first_byte_s=5)
            assert reply.status == 200
            assert reply.headers[b"x-path"] == b"/echo"
            assert await reply.read_all(1 << 20) == body


async def test_a_stream_is_pumped_to_its_end() -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [(b"content-type", b"text/event-stream")])
        for number in range(5):
            exchange.write(b"data: %d\n\n" % number)
            await asyncio.sleep(0)
        exchange.end(b"data: [DONE]\n\n")

    async with serving(stream) as origin, Client() as client:
        reply = await client.send(origin, HEAD, b"{}", connect_s=1, first_byte_s=5)
        got: list[bytes] = []
        await reply.pump(got.append)
    assert b"".join(got) == b"".join(b"data: %d\n\n" % number for number in range(5)) + b"data: [DONE]\n\n"

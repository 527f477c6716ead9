"""The router's data plane without sockets: transports that keep what is written, and bytes given by hand."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from roundhouse_common.runtime import Clock, SystemClock
from roundhouse_router.wire.client import Client, Origin
from roundhouse_router.wire.connection import Connection
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.limits import WireLimits
from roundhouse_router.wire.server import Taker, WireServer
from roundhouse_router.wire.upstream import UpstreamConnection

__all__ = ["KeptTransport", "Seen", "connected", "echo", "serving", "settle", "split_at", "upstream"]


class KeptTransport:
    """A transport that keeps what is written. A test takes the client's part by the protocol's own methods."""

    def __init__(self) -> None:
        self.written = b""
        self.untaken = 0
        """What `get_write_buffer_size` says."""
        self.is_closed = False
        self.was_aborted = False
        self.has_ended = False
        self.is_reading = True
        self.lost: Callable[[Exception | None], None] = lambda error: None

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "written after the close"
        self.written += data

    def write_eof(self) -> None:
        self.has_ended = True

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        """Lose the connection once everything is taken."""
        if not self.is_closed and not self.untaken:
            asyncio.get_running_loop().call_soon(self.lost, None)
        self.is_closed = True

    def abort(self) -> None:
        if not self.was_aborted and (self.untaken or not self.is_closed):
            asyncio.get_running_loop().call_soon(self.lost, None)
        self.is_closed = self.was_aborted = True

    def pause_reading(self) -> None:
        assert self.is_reading
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_reading
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return self.untaken

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.7", 50_000) if name == "peername" else None


class Seen:
    """What a handler saw of each request, in order."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes, dict[bytes, bytes], bytes]] = []

    async def handle(self, exchange: Exchange) -> None:
        body = await exchange.read_body(1 << 24)
        self.requests.append((exchange.method, exchange.path, exchange.query, dict(exchange.headers), body))
        exchange.answer(200, [], b"%d" % len(self.requests))


async def echo(exchange: Exchange) -> None:
    """Answer with the body."""
    body = await exchange.read_body(1 << 24)
    exchange.answer(200, [(b"x-path", exchange.path.encode())], body)


@asynccontextmanager
async def connected(
    handler: Callable[[Exchange], Awaitable[None]],
    *,
    clock: Clock | None = None,
    limits: WireLimits | None = None,
    taker: Taker | None = None,
) -> AsyncIterator[tuple[Connection, KeptTransport, WireServer]]:
    """One connection of a server that listens nowhere."""
    server = WireServer(handler, clock=clock or SystemClock(), limits=limits, taker=taker)
    await server.start([])
    connection, transport = Connection(server), KeptTransport()
    transport.lost = connection.connection_lost
    connection.connection_made(cast(asyncio.Transport, transport))
    try:
        yield connection, transport, server
    finally:
        transport.abort()
        await server.stop(0.0)
        await settle()


@asynccontextmanager
async def upstream(client: Client) -> AsyncIterator[tuple[UpstreamConnection, KeptTransport, Origin]]:
    """A connection in the client's pool: the next request to the origin goes there."""
    origin = Origin("upstream", 1, False)
    connection, transport = UpstreamConnection(client, origin), KeptTransport()
    transport.lost = connection.connection_lost
    connection.connection_made(cast(asyncio.Transport, transport))
    client.release(connection)
    yield connection, transport, origin
    transport.abort()
    await settle()


@asynccontextmanager
async def serving(
    handler: Callable[[Exchange], Awaitable[None]], *, limits: WireLimits | None = None, drain_s: float = 1.0
) -> AsyncIterator[tuple[Origin, WireServer]]:
    """A server on a socket."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        server = WireServer(handler, clock=SystemClock(), limits=limits)
        await server.start([reserved])
        try:
            yield Origin("127.0.0.1", reserved.getsockname()[1], False), server
        finally:
            await server.stop(drain_s)


async def settle(turns: int = 8) -> None:
    """Let what is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut the bytes at these places (modulo their length)."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places) if a != b]

"""The wire's server and client, one behind the other, on real sockets."""

import asyncio
import contextlib
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roundhouse_router.wire.client import Client, Origin
from roundhouse_router.wire.errors import ClientLeft, ConnectFailed, HungUp, Silent
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import request_head
from roundhouse_router.wire.server import WireServer
from tests.support.certificates import own_certificate
from tests.support.eventually import eventually
from tests.support.wire import echo, serving

HEAD = request_head(b"POST", b"/echo", b"upstream", [])
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
IDLE_BYTES_MOST = 24 * 1024
"""Of this process per idle connection, both ends included: about 9 KiB are measured."""


async def ask(client: Client, origin: Origin, body: bytes = b"{}", *, is_fresh: bool = False) -> bytes:
    reply = await client.send(origin, HEAD, body, is_fresh=is_fresh, connect_s=1, first_byte_s=5)
    return await reply.read_all(1 << 24)


async def test_bodies_of_all_sizes_come_back() -> None:
    async with serving(echo) as (origin, _), Client() as client:
        for size in (0, 1, 16_000, 16_384, 17_000, 65_536, 300_000, 5_000_000):
            body = os.urandom(size)
            assert await ask(client, origin, body) == body
        assert client.idle_count == 1


async def test_connections_are_used_again_the_last_one_first_and_fresh_ones_when_asked() -> None:
    ports: list[int] = []

    async def port(exchange: Exchange) -> None:
        ports.append(id(exchange._connection))
        exchange.answer(200, [], b"")

    async with serving(port) as (origin, _), Client() as client:
        await asyncio.gather(*(ask(client, origin) for _ in range(3)))
        assert client.idle_count == 3
        await ask(client, origin)
        await ask(client, origin)
        assert ports[3] == ports[4]
        await ask(client, origin, is_fresh=True)
        assert ports[5] not in ports[:5]


async def test_idle_connections_are_closed_before_the_engine_does() -> None:
    async with serving(echo) as (origin, server), Client(idle_s=0.2) as client:
        await ask(client, origin)
        assert client.idle_count == 1
        await eventually(lambda: client.idle_count == 0 and not server.connections)


async def test_a_stream_is_relayed_chunk_by_chunk_and_the_clients_leaving_closes_the_engines_connection() -> None:
    left = asyncio.Event()

    async def engine(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"data: 1\n\n")
        try:
            async with exchange.guarded():
                await asyncio.Event().wait()
        except ClientLeft:
            left.set()

    async with serving(engine) as (behind, _), Client() as client:

        async def relay(exchange: Exchange) -> None:
            reply = await client.send(behind, HEAD, b"", connect_s=1, first_byte_s=5)
            try:
                async with exchange.guarded():
                    exchange.start(200, [])
                    await reply.pump(exchange.write)
            finally:
                reply.close()

        async with serving(relay) as (front, _):
            reader, writer = await asyncio.open_connection(front.host, front.port)
            writer.write(GET)
            assert (await reader.readuntil(b"data: 1\n\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()
            await asyncio.wait_for(left.wait(), 20.0)


async def test_a_client_that_does_not_read_makes_the_engine_wait() -> None:
    sent = 0

    async def engine(exchange: Exchange) -> None:
        nonlocal sent
        exchange.start(200, [])
        async with exchange.guarded():
            while sent < 64 << 20:
                exchange.write(b"x" * 65_536)
                sent += 65_536
                await exchange.drained()
        exchange.end()

    async with serving(engine, drain_s=0.0) as (behind, _), Client() as client:

        async def relay(exchange: Exchange) -> None:
            reply = await client.send(behind, HEAD, b"", connect_s=1, first_byte_s=5)
            exchange.on_paused, exchange.on_drained = reply.pause, reply.resume
            async with exchange.guarded():
                exchange.start(200, [])
                await reply.pump(exchange.write)
                exchange.end()

        async with serving(relay, drain_s=0.0) as (front, _):
            reader, writer = await asyncio.open_connection(front.host, front.port)
            writer.write(GET)
            stood: list[int] = []

            def stands() -> bool:
                stood.append(sent)
                return len(stood) > 20 and stood[-20] == sent

            await eventually(stands)
            assert 0 < sent < 32 << 20
            got = 0
            with contextlib.suppress(asyncio.IncompleteReadError):
                while got < 64 << 20:
                    got += len(await reader.read(1 << 20))
            assert sent == 64 << 20
            writer.close()


async def test_an_upload_is_relayed_as_a_stream() -> None:
    async with serving(echo) as (behind, _), Client() as client:

        async def relay(exchange: Exchange) -> None:
            chunks = exchange.body_chunks(1 << 30)
            reply = await client.send_stream(behind, HEAD, chunks, connect_s=1, first_byte_s=5)
            exchange.answer(reply.status, [], await reply.read_all(1 << 24))

        async with serving(relay) as (front, _), Client() as caller:
            body = os.urandom(3_000_000)
            assert await ask(caller, front, body) == body


async def test_an_upload_whose_engine_hangs_up_or_answers_early() -> None:
    more = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        await more.wait()
        yield b"y"

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"x\r\n")
        writer.close()
        await writer.wait_closed()
        more.set()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"x\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with Client() as client, await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
        with pytest.raises(HungUp):
            await client.send_stream(origin, HEAD, chunks(), connect_s=1, first_byte_s=5)
    more.clear()
    async with Client() as client, await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
        reply = await client.send_stream(origin, HEAD, chunks(), connect_s=1, first_byte_s=5)
        assert (reply.status, await reply.read_all(10)) == (413, b"no")
        assert client.idle_count == 0, "half a request is on it"


async def test_an_engine_that_is_not_there_or_hangs_up_or_is_silent() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with Client() as client:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectFailed):
                await ask(client, Origin("127.0.0.1", nobody.getsockname()[1], False))
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            with pytest.raises(HungUp):
                await ask(client, Origin("127.0.0.1", server.sockets[0].getsockname()[1], False))
        async with await asyncio.start_server(stay_silent, "127.0.0.1", 0) as server:
            origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
            with pytest.raises(Silent):
                await client.send(origin, HEAD, b"", connect_s=1, first_byte_s=0.1)


async def test_providers_are_asked_over_tls_and_only_if_their_certificate_is_good(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    serving_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving_context.load_cert_chain(certificate)
    async with tls_server(serving_context) as port:
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with Client(tls=trusting) as client:
            assert await ask(client, Origin("127.0.0.1", port, True)) == b"secret"
        async with Client() as client:
            with pytest.raises(ConnectFailed, match="certificate"):
                await ask(client, Origin("127.0.0.1", port, True))


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.contract("D17")
async def test_idle_connections_cost_little_memory() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 9_000 if soft >= 19_000 else min(2_000, (soft - 200) // 2)
    async with serving(echo, drain_s=0.0) as (origin, server):
        clients: list[socket.socket] = []
        before = resident_bytes()
        try:
            for at in range(0, count, 100):
                for _ in range(min(100, count - at)):
                    one = socket.create_connection((origin.host, origin.port))
                    one.sendall(GET)
                    clients.append(one)
                await eventually(lambda: len(server.connections) == len(clients))
            for one in clients:
                one.setblocking(False)
            await eventually(lambda: all(map(has_answer, clients)), within_s=30.0)
            assert (resident_bytes() - before) / count < IDLE_BYTES_MOST
            assert await asyncio.wait_for(one_more(origin), 20.0)
        finally:
            for one in clients:
                one.close()
        await eventually(lambda: len(server.connections) <= 1)


def has_answer(one: socket.socket) -> bool:
    try:
        return one.recv(16, socket.MSG_PEEK) == b"HTTP/1.1 200 OK\r"
    except BlockingIOError:
        return False


async def one_more(origin: Origin) -> bytes:
    async with Client() as client:
        return await ask(client, origin, b"x")


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


async def test_a_server_that_stops_cuts_off_what_does_not_end() -> None:
    ended: list[type] = []

    async def endless(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"x")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            ended.append(type(error))
            raise

    servers: list[WireServer] = []
    async with serving(endless, drain_s=0.05) as (origin, server):
        servers.append(server)
        reader, writer = await asyncio.open_connection(origin.host, origin.port)
        writer.write(GET)
        await reader.readuntil(b"x")
    assert ended == [asyncio.CancelledError]
    assert not (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()
    assert not servers[0].connections

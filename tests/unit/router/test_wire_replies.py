"""Answers of upstreams out of bytes: however they are cut, and when they break off."""

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.wire.client import Client
from roundhouse_router.wire.errors import Broken, HungUp, Silent, TooLarge, WireError
from roundhouse_router.wire.heads import request_head
from roundhouse_router.wire.reply import Reply
from roundhouse_router.wire.upstream import UpstreamConnection
from tests.support.wire import settle, split_at, upstream

HEAD = request_head(b"POST", b"/v1/x", b"upstream", [(b"a", b"b")])
_CUTS = st.lists(st.integers(0, 3000), max_size=10)


class Asked:
    """One request under way."""

    def __init__(self, client: Client, connection: UpstreamConnection) -> None:
        self.task = asyncio.create_task(
            client.send(connection.origin, HEAD, b"{}", connect_s=20.0, first_byte_s=20.0), name="send"
        )

    async def reply(self) -> Reply:
        return await asyncio.wait_for(self.task, 20.0)


def framed(body: bytes, framing: str) -> tuple[bytes, bool]:
    """Return the answer, and whether its end is the end of the connection."""
    head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n"
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % len(body) + body, False
    if framing == "close":
        return head + b"\r\n" + body, True
    pieces = [body[at : at + 70] for at in range(0, len(body), 70)]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: t\r\n\r\n", False


@given(
    st.binary(max_size=500),
    st.sampled_from(["length", "chunked", "close"]),
    st.sampled_from(["read_all", "read", "pump"]),
    st.booleans(),
    _CUTS,
)
async def test_an_answer_is_the_same_however_it_is_cut(
    body: bytes, framing: str, way: str, is_early: bool, cuts: list[int]
) -> None:
    data, ends_by_close = framed(body, framing)
    if is_early:
        data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + data
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        for piece in split_at(data, cuts):
            connection.data_received(piece)
        if ends_by_close:
            transport.close()
        reply = await asked.reply()
        assert (reply.status, reply.headers[b"x-a"]) == (200, b"1, 2")
        assert await _read(reply, way) == body
        assert transport.is_closed == ends_by_close
        assert b"x-trailer" not in reply.headers


async def _read(reply: Reply, way: str) -> bytes:
    if way == "read_all":
        return await reply.read_all(1 << 20)
    got: list[bytes] = []
    if way == "pump":
        await reply.pump(got.append)
        return b"".join(got)
    while piece := await reply.read():
        got.append(piece)
    return b"".join(got)


@given(st.lists(st.binary(max_size=100), max_size=6))
async def test_no_bytes_of_an_upstream_bring_a_connection_down(pieces: list[bytes]) -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        for piece in pieces:
            if not transport.is_closed:
                connection.data_received(piece)
        transport.close()
        with pytest.raises(WireError):
            await (await asked.reply()).read_all(1 << 20)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", HungUp),
        (b"H", Broken),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Broken),
        (b"HTTP/1.1 200 OK\r\ncontent-le", Broken),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", Broken),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", Broken),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", Broken),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Broken),
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", Broken),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Broken),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, Broken),
    ],
)
@pytest.mark.parametrize("width", [1, 100_000])
async def test_what_breaks_off_is_told_from_what_never_came(data: bytes, error: type[Exception], width: int) -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        for at in range(0, len(data), width):
            if not transport.is_closed:
                connection.data_received(data[at : at + width])
        transport.close()
        with pytest.raises(error):
            await (await asked.reply()).read_all(1 << 20)


async def test_what_comes_before_a_mistake_is_passed_on() -> None:
    async with Client() as client, upstream(client) as (connection, _, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        got: list[bytes] = []
        pumped = (await asked.reply()).pump(got.append)
        connection.data_received(b"5\r\nhello\r\nzz\r\n")
        with pytest.raises(Broken):
            await pumped
        assert got == [b"hello"]


async def test_a_reset_in_an_answer_without_a_length_is_no_end() -> None:
    async with Client() as client, upstream(client) as (connection, _, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        connection.connection_lost(ConnectionResetError())
        with pytest.raises(Broken):
            await (await asked.reply()).read_all(1 << 20)


async def test_a_whole_answer_gives_the_connection_back_and_its_reply_lets_go() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        for _ in range(3):
            asked = Asked(client, connection)
            await settle()
            connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            reply = await asked.reply()
            reply.close()
            assert await reply.read_all(10) == b"ok"
        assert not transport.is_closed
        assert (
            transport.written.count(b"POST /v1/x HTTP/1.1\r\nhost: upstream\r\na: b\r\ncontent-length: 2\r\n\r\n{}")
            == 3
        )


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=["says close", "HTTP/1.0", "says too much"],
)
async def test_a_connection_that_may_not_be_used_again_is_closed(data: bytes) -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(data)
        assert await (await asked.reply()).read_all(10) == b"ok"
        assert transport.is_closed


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert transport.is_closed
        await settle()
        assert client.idle_count == 0


async def test_an_answer_beyond_the_limit_is_given_up() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 1500)
        with pytest.raises(TooLarge):
            await (await asked.reply()).read_all(1000)
        assert transport.was_aborted


async def test_silence_before_and_in_an_answer_is_given_up() -> None:
    for data in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"):
        async with Client() as client, upstream(client) as (connection, transport, _):
            asked = Asked(client, connection)
            await settle()
            if data:
                connection.data_received(data)
            connection.expire()
            with pytest.raises(Silent):
                await (await asked.reply()).read_all(1 << 20)
            assert transport.was_aborted


async def test_a_caller_that_is_cancelled_closes_the_connection_at_once() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        asked.task.cancel()
        await settle(2)
        assert transport.was_aborted


async def test_a_caller_that_is_cancelled_late_does_not_close_what_another_request_uses_by_now() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        first = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1")
        second = client.send(connection.origin, HEAD, b"{}", connect_s=20.0, first_byte_s=20.0)
        asked = asyncio.create_task(second, name="second")
        first.task.cancel()
        await settle()
        assert first.task.cancelled()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2")
        assert await (await asked).read_all(1) == b"2"
        assert not transport.is_closed


async def test_who_pauses_makes_the_upstream_wait_and_is_not_taken_for_its_silence() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        reply = await asked.reply()
        got: list[bytes] = []
        pumped = reply.pump(got.append)
        reply.idle_timeout(1.0)
        reply.pause()
        paused = (transport.is_reading, connection.deadline == float("inf"))
        reply.resume()
        resumed = (transport.is_reading, connection.deadline == float("inf"))
        assert (paused, resumed) == ((False, True), (True, False))
        connection.data_received(b"world")
        await pumped
        assert b"".join(got) == b"helloworld"


async def test_what_nobody_reads_makes_the_upstream_wait() -> None:
    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b"x" * 10)
        reply = await asked.reply()
        for _ in range(14):
            if transport.is_reading:
                connection.data_received(b"x" * 60_000)
        assert not transport.is_reading
        assert len(await reply.read()) < 400_000
        await settle()
        reading = asyncio.create_task(reply.read(), name="read")
        await settle()
        assert cast(bool, transport.is_reading)
        reading.cancel()


async def test_a_sink_that_fails_ends_the_answer_with_its_own_error() -> None:
    def fail(data: bytes) -> None:
        raise ValueError(data)

    async with Client() as client, upstream(client) as (connection, transport, _):
        asked = Asked(client, connection)
        await settle()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        pumped = (await asked.reply()).pump(fail)
        connection.data_received(b"hello")
        with pytest.raises(ValueError, match="hello"):
            await pumped
        assert transport.was_aborted


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"])
def test_no_value_begins_a_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        request_head(b"GET", b"/", b"h", [(b"a", value)])
    with pytest.raises(ValueError, match=r"line break|space"):
        request_head(b"GET", b"/" + value, b"h", [])


def test_a_path_with_a_space_is_no_request_line() -> None:
    with pytest.raises(ValueError, match="space"):
        request_head(b"GET", b"/ HTTP/1.1", b"h", [])

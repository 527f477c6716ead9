"""Chunks of an upstream that go to the client as they are framed: told from all that only looks like one."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundhouse_router.wire.client import Client
from roundhouse_router.wire.errors import Broken
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import chunk_begin, framed, request_head
from roundhouse_router.wire.reply import ChunkSink, Reply
from roundhouse_router.wire.upstream import UpstreamConnection
from tests.support.wire import connected, settle, split_at, upstream

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\nX-Trailer: t\r\n\r\n"
PLAIN = b"%x\r\n%b\r\n"
FRAMINGS = [PLAIN, b"%X\r\n%b\r\n", b"%04x\r\n%b\r\n", b"%x;ext=1\r\n%b\r\n"]
DATA = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n", b"\n", b"x" * 15, b"x" * 16, b"x" * 255, b"x" * 256]),
)


class Kept(ChunkSink):
    """Keeps what it is given, and how often it was a chunk."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.chunks: list[bytes] = []

    def take(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def take_chunk(self, chunk: bytes, begin: int) -> None:
        self.chunks.append(chunk)
        self.pieces.append(chunk[begin:-2])


async def ask(client: Client, connection: UpstreamConnection) -> "asyncio.Future[Reply]":
    head = request_head(b"POST", b"/v1/x", b"upstream", [])
    sending = asyncio.ensure_future(client.send(connection.origin, head, b"{}", connect_s=20.0, first_byte_s=20.0))
    await settle()
    return sending


async def asked(client: Client, connection: UpstreamConnection) -> Reply:
    """Return the beginning of a chunked answer."""
    sending = await ask(client, connection)
    connection.data_received(HEAD)
    return await asyncio.wait_for(sending, 20.0)


def chunk_of(data: bytes, framing: bytes = PLAIN) -> bytes:
    return framing % (len(data), data)


@given(
    st.lists(st.tuples(DATA, st.sampled_from(FRAMINGS)), max_size=8),
    st.one_of(st.none(), st.lists(st.integers(0, 400), max_size=12)),
)
@example([(b"one", PLAIN), (b"two\n5\r\nhello\r\nend", PLAIN)], [8, 16, 26])  # it is data of another chunk
@example([(b"one", PLAIN), (b"hello\r\nand a long end", PLAIN)], [8, 9, 19])  # its size is 15: the 1 came before
async def test_an_answer_in_chunks_is_the_same_however_it_is_framed_and_cut(
    answer: list[tuple[bytes, bytes]], cuts: list[int] | None
) -> None:
    """Without cuts every chunk comes by itself."""
    chunks = [chunk_of(data, framing) for data, framing in answer] + [END]
    kept = Kept()
    async with Client() as client, upstream(client) as (connection, transport, _):
        reply = await asked(client, connection)
        pumped = reply.pump(kept.take, kept)
        for piece in chunks if cuts is None else split_at(b"".join(chunks), cuts):
            connection.data_received(piece)
        await asyncio.wait_for(pumped, 20.0)
        assert b"".join(kept.pieces) == b"".join(data for data, _ in answer)
        assert not transport.is_closed
        assert client.idle_count == 1
        if cuts is None:
            plain = [chunk for chunk, (data, _) in zip(chunks, answer, strict=False) if chunk == chunk_of(data)]
            before = chunks[0] if answer else b""  # what comes after the head is not known to begin a chunk
            assert kept.chunks == plain[1 if before in plain[:1] else 0 :]


async def test_the_next_answer_on_the_connection_begins_anew() -> None:
    """What looks like a chunk there is none: an answer has a head."""
    async with Client() as client, upstream(client) as (connection, transport, _):
        for _ in range(2):
            reply, kept = await asked(client, connection), Kept()
            pumped = reply.pump(kept.take, kept)
            for chunk in (chunk_of(b"one"), chunk_of(b"two"), END):
                connection.data_received(chunk)
            await pumped
            assert (kept.pieces, kept.chunks) == ([b"one", b"two"], [chunk_of(b"two")])
        sending = await ask(client, connection)
        connection.data_received(chunk_of(b"three"))
        with pytest.raises(Broken):
            await sending
        assert transport.was_aborted


async def test_who_takes_no_chunks_gets_their_data() -> None:
    async with Client() as client, upstream(client) as (connection, _, _):
        reply, got = await asked(client, connection), list[bytes]()
        connection.data_received(chunk_of(b"one"))
        connection.data_received(chunk_of(b"two"))
        pumped = reply.pump(got.append)
        connection.data_received(chunk_of(b"three"))
        connection.data_received(END)
        await pumped
        assert got == [b"onetwo", b"three"]


async def test_what_a_sink_of_chunks_raises_ends_the_answer() -> None:
    class Refusing(ChunkSink):
        def take_chunk(self, chunk: bytes, begin: int) -> None:
            raise LookupError("no more")

    async with Client() as client, upstream(client) as (connection, transport, _):
        reply = await asked(client, connection)
        pumped = reply.pump(lambda piece: None, Refusing())
        for _ in range(3):
            if not transport.is_closed:
                connection.data_received(chunk_of(b"one"))
        with pytest.raises(LookupError, match="no more"):
            await pumped
        assert transport.was_aborted


async def test_an_upstream_that_sends_chunks_is_not_silent() -> None:
    async with Client() as client, upstream(client) as (connection, _, _):
        reply, kept = await asked(client, connection), Kept()
        pumped = reply.pump(kept.take, kept)
        connection.data_received(chunk_of(b"one"))
        connection.deadline = 0.0
        connection.data_received(chunk_of(b"two"))
        assert kept.chunks == [chunk_of(b"two")]
        client.sweep()
        assert not pumped.done()
        connection.deadline = 0.0
        client.sweep()
        with pytest.raises(Exception, match="silent"):
            await pumped


@pytest.mark.parametrize("size", [1, 15, 16, 255, 256, 4095, 4096, 8000])
def test_how_a_chunk_begins_is_known_by_its_length(size: int) -> None:
    whole = framed(b"", b"x" * size, b"\r\n")
    assert whole.startswith(chunk_begin(len(whole)))
    assert chunk_begin(len(whole)) == b"%x\r\n" % size


def test_a_length_that_no_chunk_has_begins_with_nothing() -> None:
    """0 bytes of data would be the last chunk; a digit more of the size leaves lengths out."""
    assert [length for length in range(300) if not chunk_begin(length)] == [0, 1, 2, 3, 4, 5, 21, 262]
    assert chunk_begin(1 << 20) == b""


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (GET, b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"),
        (GET.replace(b"1.1", b"1.0"), b"onetwothree"),
        (GET.replace(b"GET", b"HEAD"), b""),
    ],
)
async def test_chunks_go_out_as_they_are_where_the_client_takes_chunks(request_: bytes, body: bytes) -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write_chunk(chunk_of(b"one"), 3)  # behind the head
        exchange.write_chunk(chunk_of(b"two"), 3)
        exchange.end(b"three")
        exchange.write_chunk(chunk_of(b"four"), 3)  # too late

    async with connected(stream) as (connection, transport, _):
        connection.data_received(request_)
        await settle(20)
        assert transport.written.partition(b"\r\n\r\n")[2] == body


async def test_nothing_is_written_to_a_client_that_has_left() -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"one")
        await exchange.left()
        exchange.write_chunk(chunk_of(b"two"), 3)

    async with connected(stream) as (connection, transport, _):
        connection.data_received(GET)
        await settle()
        written = transport.written
        connection.connection_lost(None)
        await settle()
        assert transport.written == written

"""Bodies that come apart from their heads, for who answers without a task."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.wire.errors import CLIENT_LEFT
from roundhouse_router.wire.exchange import Exchange
from tests.support.hand_clock import HandClock
from tests.support.wire import Seen, connected, settle, split_at

pytestmark = pytest.mark.contract("D05")


class Echo:
    """Takes requests to /taken, and answers with their bodies."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.left: list[str] = []
        self.is_slow = False

    def awaits(self, exchange: Exchange) -> bool:
        return exchange.path == "/taken"

    def take(self, exchange: Exchange) -> bool:
        if exchange.path != "/taken":
            return False
        self.taken.append(exchange.whole)
        exchange.on_left = self.left.append
        if not self.is_slow:
            asyncio.get_running_loop().call_soon(exchange.answer, 200, [], exchange.whole[-5:])
        return True


def post(path: str, body: bytes, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: h", f"content-length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@given(
    st.lists(st.tuples(st.sampled_from(["/taken", "/other"]), st.integers(0, 70_000)), min_size=1, max_size=4),
    st.lists(st.integers(0, 200_000), max_size=8),
)
async def test_bodies_are_the_same_however_they_are_cut(asked: list[tuple[str, int]], cuts: list[int]) -> None:
    bodies = [(path, b"%05d" % size * (size // 5)) for path, size in asked]
    data = b"".join(post(path, body) for path, body in bodies)
    seen, echo = Seen(), Echo()
    async with connected(seen.handle, taker=echo) as (connection, transport, _):
        for piece in split_at(data, cuts):
            while not transport.is_reading:
                await asyncio.sleep(0)
            connection.data_received(piece)
            await settle(2)
        await settle(20)
        assert echo.taken == [body for path, body in bodies if path == "/taken"]
        assert [request[4] for request in seen.requests] == [body for path, body in bodies if path == "/other"]
        assert transport.written.count(b"HTTP/1.1 200 OK") == len(bodies)


async def test_nobody_is_asked_before_the_body_is_whole_and_a_client_that_leaves_is_forgotten() -> None:
    seen, echo = Seen(), Echo()
    data = post("/taken", b"x" * 50_000)
    async with connected(seen.handle, taker=echo) as (connection, transport, server):
        connection.data_received(data[:30_000])
        await settle()
        assert server.is_busy
        transport.abort()
        await settle()
        assert (echo.taken, seen.requests, server.is_busy) == ([], [], False)


async def test_who_took_it_hears_that_the_client_left() -> None:
    echo = Echo()
    echo.is_slow = True
    async with connected(Seen().handle, taker=echo) as (connection, transport, _):
        connection.data_received(post("/taken", b"x" * 50_000))
        transport.abort()
        await settle()
        assert echo.left == [CLIENT_LEFT]


async def test_a_body_in_drops_is_refused_also_where_it_is_gathered() -> None:
    clock, echo = HandClock(), Echo()
    async with connected(Seen().handle, clock=clock, taker=echo) as (connection, transport, server):
        connection.data_received(post("/taken", b"x" * 50_000)[:300])
        for _ in range(130):
            clock.at += 1
            server.sweep()
        assert transport.written.startswith(b"HTTP/1.1 408 ")
        assert echo.taken == []


@pytest.mark.parametrize(
    "data",
    [
        post("/taken", b"x" * 2_000_000),
        post("/taken", b"x" * 50_000, "expect: 100-continue"),
        b"POST /taken HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5000\r\n"
        + b"x" * 20480
        + b"\r\n0\r\n\r\n",
    ],
    ids=["large", "expect", "chunked"],
)
async def test_what_is_not_gathered_is_the_handlers(data: bytes) -> None:
    seen, echo = Seen(), Echo()
    async with connected(seen.handle, taker=echo) as (connection, _transport, _):
        head = data.index(b"\r\n\r\n") + 4
        connection.data_received(data[:head])
        await settle()
        for at in range(head, len(data), 65536):
            connection.data_received(data[at : at + 65536])
            await settle(2)
        assert (len(seen.requests), echo.taken) == (1, [])

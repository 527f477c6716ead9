"""Answers go to the socket past the event loop: in order, as far as it takes them, and never to somebody else's."""

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_router.wire.connection import Connection
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.server import WireServer
from roundhouse_router.wire.sockets import send_now
from tests.support.wire import KeptTransport, serving, settle

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(20)
    with ours, theirs:
        yield ours, theirs


def fill(ours: socket.socket) -> int:
    """Send until nothing more is taken; return how much was."""
    taken = 0
    while (sent := send_now(ours.fileno(), b"x" * 65_536)) > 0:
        taken += sent
    assert sent == -1
    return taken


def read(theirs: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += theirs.recv(size - len(data))
    return data


def test_what_a_socket_takes_is_counted_and_the_rest_is_left(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    assert send_now(ours.fileno(), b"a\0b") == 3
    assert read(theirs, 3) == b"a\0b"
    assert send_now(ours.fileno(), b"") == 0
    taken = fill(ours)
    assert read(theirs, taken) == b"x" * taken
    assert send_now(ours.fileno(), b"again") == 5


def test_every_error_is_the_same_to_who_has_a_transport_to_ask(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    assert send_now(ours.fileno(), b"to nobody") == -1  # and no signal ends the process
    number = os.dup(ours.fileno())
    os.close(number)
    assert send_now(number, b"to no socket") == -1


class SocketTransport(KeptTransport):
    """Has a socket, as a real one, and keeps what it is given to write."""

    def __init__(self, one: socket.socket) -> None:
        super().__init__()
        self._one = one

    def get_extra_info(self, name: str) -> object:
        return self._one if name == "socket" else super().get_extra_info(name)


class Held:
    """A connection that is being answered, on a socket."""

    def __init__(self, ours: socket.socket) -> None:
        self.transport = SocketTransport(ours)
        self.connection = Connection(WireServer(self._unused, clock=SystemClock()))
        self.transport.lost = self.connection.connection_lost
        self.connection.connection_made(cast(asyncio.Transport, self.transport))

    async def _unused(self, exchange: Exchange) -> None:
        raise AssertionError("nothing is asked")


async def test_what_a_socket_does_not_take_goes_by_the_transport_in_order(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    held = Held(ours)
    held.connection.write(b"one")
    assert held.transport.written == b""
    taken = fill(ours)
    held.connection.write(b"two")
    held.transport.untaken = 3  # the transport waits until the socket takes it
    assert read(theirs, 3 + taken) == b"one" + b"x" * taken
    held.connection.write(b"three")  # the socket would take it: before what came first
    assert held.transport.written == b"twothree"
    held.transport.untaken = 0
    held.connection.write(b"four")
    assert held.transport.written == b"twothree"
    assert read(theirs, 4) == b"four"


async def test_a_part_that_the_socket_took_is_not_sent_again(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    held = Held(ours)
    data = os.urandom(1 << 20)
    held.connection.write(data)
    left = held.transport.written
    assert 0 < len(left) < len(data)
    assert read(theirs, len(data) - len(left)) + left == data


@pytest.mark.parametrize("end", ["connection_lost", "abort", "close"])
async def test_nothing_goes_to_a_socket_that_may_be_somebody_elses_by_now(
    end: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    """The kernel gives the number of a closed socket to the next connection."""
    ours, theirs = pair
    held = Held(ours)
    held.connection.write(b"mine")
    assert read(theirs, 4) == b"mine"
    if end == "connection_lost":
        held.connection.connection_lost(None)
    elif end == "abort":
        held.connection.abort()
        held.transport.is_closed = False  # it would take more
    else:
        held.connection._close()
        held.transport.is_closed = False
    held.connection.write(b"somebody else's")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    await settle()


async def test_a_slow_client_gets_every_piece_once_and_in_order() -> None:
    pieces = [b"%d;" % number * 50 for number in range(40_000)]

    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        for number, piece in enumerate(pieces):
            exchange.write(piece)
            if number % 1000 == 0:
                await exchange.drained()
        exchange.end()

    async with serving(stream) as (origin, _):
        reader, writer = await asyncio.open_connection(origin.host, origin.port, limit=1 << 16)
        writer.write(GET.replace(b"1.1", b"1.0"))
        data = b""
        async with asyncio.timeout(60):
            while piece := await reader.read(100_000):
                data += piece
        writer.close()
        assert data.partition(b"\r\n\r\n")[2] == b"".join(pieces)

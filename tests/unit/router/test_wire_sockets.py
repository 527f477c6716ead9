"""Answers go to the socket past the event loop: in order, as far as it takes them, and never to somebody else's."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_router.wire.connection import Connection
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.server import WireServer
from roundhouse_router.wire.sockets import send_now
from tests.support.wire import KeptTransport, settle


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
    """Has a socket, as a real one, keeps what it is given to write, and throws it away once it closes."""

    def __init__(self, one: socket.socket, *, is_tls: bool) -> None:
        super().__init__()
        self._one = one
        self._tls = object() if is_tls else None

    def write(self, data: bytes) -> None:
        if not self.is_closed:
            self.written += data

    def get_extra_info(self, name: str) -> object:
        known = {"socket": self._one, "sslcontext": self._tls}
        return known[name] if name in known else super().get_extra_info(name)


class Held:
    """A connection that is being answered, on a socket."""

    def __init__(self, ours: socket.socket, *, is_tls: bool = False) -> None:
        self.transport = SocketTransport(ours, is_tls=is_tls)
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


def assert_nothing_came(theirs: socket.socket) -> None:
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


ENDS: dict[str, Callable[[Connection], None]] = {
    "lost": lambda connection: connection.connection_lost(None),
    "aborted": lambda connection: connection.abort(),
    "closed": lambda connection: connection._close(),
    "half closed by the client": lambda connection: connection.eof_received(),
}


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_goes_to_a_socket_that_may_be_somebody_elses_by_now(
    end: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    """The kernel gives the number of a closed socket to the next connection."""
    ours, theirs = pair
    held = Held(ours)
    held.connection.write(b"mine")
    assert read(theirs, 4) == b"mine"
    ENDS[end](held.connection)
    held.connection.write(b"somebody else's")
    assert_nothing_came(theirs)
    await settle()


async def test_nothing_follows_what_a_transport_threw_away(pair: tuple[socket.socket, socket.socket]) -> None:
    """One that closes does, before anybody hears that the connection is lost: what comes behind it is no answer."""
    ours, theirs = pair
    held = Held(ours)
    taken = fill(ours)
    held.transport.is_closed = True
    held.connection.write(b"thrown away")
    assert len(read(theirs, taken)) == taken
    held.connection.write(b"behind it")
    assert_nothing_came(theirs)


async def test_what_is_to_be_encrypted_goes_by_the_transport(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    held = Held(ours, is_tls=True)
    held.connection.write(b"secret")
    assert held.transport.written == b"secret"
    assert_nothing_came(theirs)

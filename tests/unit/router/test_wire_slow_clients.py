"""Clients that are slow, stall or leave: on a clock that goes by hand."""

import asyncio

import pytest

from roundhouse_router.wire.errors import CLIENT_LEFT, CLIENT_STALLED, ClientLeft
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.server import WireServer
from tests.support.hand_clock import HandClock
from tests.support.wire import Seen, connected, echo, settle

HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def later(clock: HandClock, server: WireServer, seconds: float) -> None:
    """Let time pass as the server's ticks see it."""
    for _ in range(int(seconds)):
        clock.at += 1
        server.sweep()


async def test_a_connection_without_a_request_is_closed() -> None:
    clock = HandClock()
    async with connected(echo, clock=clock) as (_, transport, server):
        later(clock, server, 74)
        closed_early = transport.is_closed
        later(clock, server, 3)
        assert (closed_early, transport.is_closed, transport.written) == (False, True, b"")


async def test_a_kept_connection_is_closed_when_it_idles() -> None:
    clock = HandClock()
    async with connected(echo, clock=clock) as (connection, transport, server):
        later(clock, server, 70)
        connection.data_received(GET)
        await settle()
        later(clock, server, 74)
        assert not transport.is_closed
        later(clock, server, 3)
        assert transport.is_closed


async def test_a_head_in_drops_is_refused_though_every_drop_comes_in_time() -> None:
    clock = HandClock()
    async with connected(echo, clock=clock) as (connection, transport, server):
        for at in range(32):
            connection.data_received(b"GET / HTTP/1.1\r\nHost: h\r\nA: bcdefghijklmnopq"[at : at + 1])
            later(clock, server, 1)
            if transport.written:
                break
        assert transport.written.startswith(b"HTTP/1.1 408 ")
        assert at >= 29


async def test_a_body_in_drops_is_refused() -> None:
    clock = HandClock()
    left: list[str] = []

    async def read(exchange: Exchange) -> None:
        try:
            await exchange.read_body(1 << 20)
        except ClientLeft as error:
            left.append(str(error))
            raise

    async with connected(read, clock=clock) as (connection, transport, server):
        connection.data_received(HEAD)
        await settle()
        for _ in range(70):
            if not transport.written:
                connection.data_received(b"x")
            later(clock, server, 1)
        await settle()
        assert transport.written.startswith(b"HTTP/1.1 408 ")
        assert left == [CLIENT_LEFT]


async def test_a_slow_body_that_goes_on_is_taken() -> None:
    clock, seen = HandClock(), Seen()
    async with connected(seen.handle, clock=clock) as (connection, _, server):
        connection.data_received(HEAD)
        for _ in range(100):
            connection.data_received(b"x" * 1000)
            later(clock, server, 20)
            await settle(2)
        await settle()
        assert len(seen.requests) == 1


async def test_a_long_answer_is_waited_for_as_long_as_it_takes() -> None:
    clock = HandClock()
    done = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await done.wait()
        exchange.answer(200, [], b"")

    async with connected(slow, clock=clock) as (connection, transport, server):
        connection.data_received(GET)
        await settle()
        later(clock, server, 1000)
        assert not transport.is_closed
        done.set()
        await settle()
        assert transport.written.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_takes_nothing_has_left() -> None:
    clock = HandClock()
    left: list[str] = []

    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"x" * 100_000)
        try:
            async with exchange.guarded():
                await asyncio.Event().wait()
        except ClientLeft as error:
            left.append(str(error))

    async with connected(stream, clock=clock) as (connection, transport, server):
        connection.data_received(GET)
        await settle()
        transport.untaken = 100_000
        connection.pause_writing()
        later(clock, server, 59)
        transport.untaken = 90_000
        later(clock, server, 59)
        assert not transport.is_closed, "it took something"
        later(clock, server, 70)
        await settle()
        assert transport.was_aborted
        assert left == [CLIENT_STALLED]


async def test_who_waits_for_a_stalled_client_is_told() -> None:
    clock = HandClock()
    left: list[str] = []

    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        try:
            while True:
                exchange.write(b"x")
                await asyncio.sleep(0)
                await exchange.drained()
        except ClientLeft as error:
            left.append(str(error))

    async with connected(stream, clock=clock) as (connection, transport, server):
        connection.data_received(GET)
        await settle()
        transport.untaken = 1
        connection.pause_writing()
        await settle()
        later(clock, server, 62)
        await settle()
        assert left == [CLIENT_STALLED]


async def test_an_answer_that_is_not_taken_does_not_hold_a_closing_connection() -> None:
    clock = HandClock()
    async with connected(echo, clock=clock) as (connection, transport, server):
        connection.data_received(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        transport.untaken = 10
        connection.pause_writing()
        await settle()
        later(clock, server, 64)
        assert transport.was_aborted


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_a_client_that_leaves_cancels_the_handler(is_guarded: bool) -> None:
    ends: list[str] = []

    async def wait(exchange: Exchange) -> None:
        try:
            if is_guarded:
                async with exchange.guarded():
                    await asyncio.Event().wait()
            await asyncio.Event().wait()
        except ClientLeft as error:
            assert exchange.has_left
            await asyncio.sleep(0)  # cleaning up is not cancelled
            ends.append(str(error))
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with connected(wait) as (connection, transport, server):
        connection.data_received(GET)
        await settle()
        transport.close()
        await settle()
        assert ends == [CLIENT_LEFT if is_guarded else "cancelled"]
        assert not server.is_busy


async def test_a_client_that_leaves_before_the_handler_began_leaves_nothing_behind() -> None:
    seen = Seen()
    async with connected(seen.handle) as (connection, _, server):
        connection.data_received(GET)
        connection.connection_lost(None)
        await settle()
        assert seen.requests == []
        assert not server.is_busy


async def test_somebody_elses_cancellation_passes_the_guard() -> None:
    ends: list[type] = []

    async def wait(exchange: Exchange) -> None:
        try:
            async with exchange.guarded():
                await asyncio.Event().wait()
        except BaseException as error:
            ends.append(type(error))
            raise

    async with connected(wait) as (connection, _, server):
        connection.data_received(GET)
        await settle()
        await server.stop(0.0)
        assert ends == [asyncio.CancelledError]


async def test_writes_to_a_client_that_left_go_nowhere() -> None:
    async def late(exchange: Exchange) -> None:
        exchange.start(200, [])
        try:
            async with exchange.guarded():
                await asyncio.Event().wait()
        except ClientLeft:
            exchange.write(b"x")
            exchange.end(b"y")

    async with connected(late) as (connection, transport, _):
        connection.data_received(GET)
        await settle()
        transport.close()
        await settle()
        assert transport.written == b""


async def test_the_body_of_a_client_that_left_is_no_body() -> None:
    ends: list[str] = []

    async def read(exchange: Exchange) -> None:
        try:
            await exchange.read_body(1 << 20)
        except ClientLeft as error:
            ends.append(str(error))

    async with connected(read) as (connection, transport, _):
        connection.data_received(HEAD + b"part")
        await settle()
        transport.close()
        await settle()
        assert ends == [CLIENT_LEFT]


async def test_what_a_refused_client_still_sends_is_thrown_away_for_a_moment() -> None:
    clock = HandClock()
    async with connected(echo, clock=clock) as (connection, transport, server):
        connection.data_received(b"nonsense\r\n\r\n")
        assert transport.has_ended
        assert not transport.is_closed
        connection.data_received(b"x" * 100_000)
        later(clock, server, 70)
        assert transport.was_aborted

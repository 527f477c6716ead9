"""What a handler sends, as bytes."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from roundhouse_router.domain.errors import NoReadyReplica
from roundhouse_router.wire.asgi import serve_asgi
from roundhouse_router.wire.exchange import Exchange
from tests.support.hand_clock import HandClock
from tests.support.wire import connected, settle

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
DATE = b"date: Fri, 15 Jan 2027 08:16:40 GMT\r\n"
Handler = Callable[[Exchange], Awaitable[None]]


async def answered(handler: Handler, request: bytes = GET) -> tuple[bytes, bool]:
    """Return what was written, and whether the connection is closed then."""
    async with connected(handler, clock=HandClock()) as (connection, transport, _):
        connection.data_received(request)
        await settle(20)
        return transport.written, transport.is_closed or transport.has_ended


async def whole(exchange: Exchange) -> None:
    exchange.answer(200, [(b"a", b"b")], b"hello")


async def stream(exchange: Exchange) -> None:
    exchange.start(200, [(b"a", b"b")])
    exchange.write(b"hello")
    exchange.write(b"")
    exchange.end(b"w" * 16)


async def test_a_whole_answer() -> None:
    assert await answered(whole) == (
        b"HTTP/1.1 200 OK\r\na: b\r\n" + DATE + b"content-length: 5\r\n\r\nhello",
        False,
    )


async def test_a_stream_is_chunked() -> None:
    written, is_closed = await answered(stream)
    head, _, body = written.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"5\r\nhello\r\n10\r\n" + b"w" * 16 + b"\r\n0\r\n\r\n"
    assert not is_closed


async def test_the_head_of_a_stream_goes_out_with_its_first_piece_or_alone_when_asked() -> None:
    steps: list[int] = []

    async with connected(lambda exchange: look(exchange)) as (connection, transport, _):

        async def look(exchange: Exchange) -> None:
            exchange.start(200, [])
            steps.append(len(transport.written))
            exchange.write(b"")
            steps.append(len(transport.written))
            exchange.end()

        connection.data_received(GET)
        await settle()
    assert steps[0] == 0
    assert steps[1] > 0


@pytest.mark.parametrize("handler", [whole, stream])
async def test_head_requests_get_the_head_only(handler: Handler) -> None:
    written, is_closed = await answered(handler, GET.replace(b"GET", b"HEAD"))
    assert written.endswith(b"\r\n\r\n")
    assert written.count(b"\r\n\r\n") == 1
    assert not is_closed


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_have_no_framing(status: int) -> None:
    async def empty(exchange: Exchange) -> None:
        exchange.answer(status, [], b"")

    written, _ = await answered(empty)
    assert b"content-length" not in written
    assert b"transfer-encoding" not in written


@pytest.mark.parametrize(("keep", "is_kept"), [(b"", False), (b"Connection: keep-alive\r\n", True)])
async def test_old_clients_are_answered_without_chunks(keep: bytes, is_kept: bool) -> None:
    old = b"GET / HTTP/1.0\r\n" + keep + b"\r\n"
    written, is_closed = await answered(whole, old)
    assert (b"connection: close" in written) == is_closed == (not is_kept)
    assert (b"connection: keep-alive" in written) == is_kept
    written, is_closed = await answered(stream, old)
    assert written.endswith(b"\r\n\r\nhello" + b"w" * 16)
    assert is_closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0"])
async def test_a_value_with_a_line_break_is_a_defect_and_never_sent(value: bytes) -> None:
    async def defect(exchange: Exchange) -> None:
        exchange.answer(200, [(b"a", value)], b"")

    written, _ = await answered(defect)
    assert written.startswith(b"HTTP/1.1 500 ")
    assert b"internal_error" in written


async def test_an_error_of_the_router_is_answered_in_openais_shape() -> None:
    async def refuse(exchange: Exchange) -> None:
        raise NoReadyReplica("none")

    written, is_closed = await answered(refuse)
    assert written.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"no_ready_replica"' in written
    assert not is_closed


async def test_a_handler_that_fails_in_its_answer_breaks_the_connection() -> None:
    async def fail(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"half")
        raise ValueError

    written, is_closed = await answered(fail)
    assert not written.endswith(b"0\r\n\r\n")
    assert is_closed


async def test_a_handler_that_answers_nothing_breaks_the_connection() -> None:
    async def nothing(exchange: Exchange) -> None:
        return

    assert await answered(nothing) == (b"", True)


async def test_a_body_that_nobody_read_ends_the_connection_unless_little_is_left() -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.answer(401, [], b"")

    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    assert (await answered(refuse, head % 9_000_000 + b"x"))[1]
    assert (await answered(refuse, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"))[1]
    async with connected(refuse) as (connection, transport, _):
        connection.data_received(head % 2000 + b"x")
        await settle()
        connection.data_received(b"x" * 1999 + GET)
        await settle()
        assert transport.written.count(b"HTTP/1.1 401") == 2
        assert not transport.is_closed


async def test_a_client_that_expects_to_be_asked_is_asked_when_its_body_is_read() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    async def read(exchange: Exchange) -> None:
        exchange.answer(200, [], await exchange.read_body(10))

    async def refuse(exchange: Exchange) -> None:
        exchange.answer(401, [], b"")

    async with connected(read) as (connection, transport, _):
        connection.data_received(head)
        await settle()
        assert transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.data_received(b"hello")
        await settle()
        assert transport.written.endswith(b"\r\n\r\nhello")
    written, is_closed = await answered(refuse, head)
    assert written.startswith(b"HTTP/1.1 401 ")
    assert is_closed


async def test_a_body_is_streamed_at_the_pace_of_its_reader() -> None:
    got: list[bytes] = []
    more = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        async for chunk in exchange.body_chunks(1 << 30):
            got.append(chunk)
            await more.wait()
        exchange.answer(200, [], b"")

    async with connected(slow) as (connection, transport, _):
        connection.data_received(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        sent = 0
        while sent < 1_000_000:
            await settle(3)
            if not transport.is_reading:
                more.set()
                continue
            connection.data_received(b"x" * 50_000)
            sent += 50_000
        await settle()
        assert sum(map(len, got)) == 1_000_000
        assert transport.written.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("framing", [b"Content-Length: 2000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"])
async def test_a_body_beyond_the_limit_is_refused(framing: bytes) -> None:
    async def read(exchange: Exchange) -> None:
        await exchange.read_body(1000)

    written, _ = await answered(read, b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"x" * 1500)
    assert written.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in written


async def test_an_asgi_app_answers_whole_and_in_pieces() -> None:
    async def app(scope: dict[str, object], receive: Callable[[], Awaitable[object]], send: Handler) -> None:
        assert (scope["path"], scope["query_string"], scope["method"]) == ("/a", b"q=1", "POST")
        request = await receive()
        assert request == {"type": "http.request", "body": b"hello", "more_body": False}
        await send({"type": "http.response.start", "status": 201, "headers": [(b"Content-Length", b"99")]})  # type: ignore[arg-type]  # a message
        await send({"type": "http.response.body", "body": b"a", "more_body": True})  # type: ignore[arg-type]  # a message
        await send({"type": "http.response.body", "body": b"b"})  # type: ignore[arg-type]  # a message
        assert await receive() == {"type": "http.disconnect"}

    written, _ = await answered(
        lambda exchange: serve_asgi(app, exchange), b"POST /a?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert written.startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"ontent-" not in written
    assert written.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_while_the_server_stops_every_answer_is_the_connections_last() -> None:
    done = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await done.wait()
        exchange.answer(200, [], b"late")

    async with connected(slow) as (connection, transport, server):
        connection.data_received(GET)
        await settle()
        stopping = asyncio.create_task(server.stop(5.0), name="stop")
        await settle()
        done.set()
        await stopping
        assert b"connection: close\r\n" in transport.written
        assert transport.written.endswith(b"late")
        assert transport.is_closed


@pytest.mark.parametrize("handler", [whole, stream])
async def test_a_request_leaves_nothing_for_the_collector(handler: Handler) -> None:
    async with connected(handler) as (connection, transport, _):

        async def ask(times: int) -> None:
            for _ in range(times):
                connection.data_received(GET)
                await settle(3)
                transport.written = b""

        await ask(10)
        gc.collect()
        gc.disable()
        try:
            await ask(200)
            assert gc.collect() < 100
        finally:
            gc.enable()

"""One client's connection: requests in, one after the other; answers out."""

import asyncio
import urllib.parse
from typing import TYPE_CHECKING, Final, cast

import httptools

from roundhouse_router.wire.errors import CLIENT_LEFT, CLIENT_STALLED
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import DateLine, answer_head, error_body
from roundhouse_router.wire.incoming import Incoming

if TYPE_CHECKING:
    from roundhouse_router.wire.server import WireServer

__all__ = ["Connection"]

_SLICE: Final = 16 * 1024
"""Heads are parsed in pieces of this, so that one segment cannot hold thousands of requests."""
_NEVER: Final = float("inf")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON: Final = (b"content-type", b"application/json")
_JOINED: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"authorization"))
"""Headers that a request has once."""


class _Refused(Exception):
    """The parser is made to stop."""


class Connection(asyncio.Protocol):
    """What follows a request that is being answered is not parsed before the answer has ended."""

    __slots__ = (
        "_ahead",
        "_exchange",
        "_head_bytes",
        "_header_count",
        "_headers",
        "_incoming",
        "_is_lingering",
        "_is_paused",
        "_is_upgrade",
        "_parser",
        "_queue",
        "_refusal",
        "_server",
        "_transport",
        "_url",
        "_waiter",
        "_watched",
        "client",
        "date",
        "deadline",
        "is_writable",
        "write",
    )

    def __init__(self, server: "WireServer") -> None:
        self._server = server
        self.date: DateLine = server.date
        self._parser = httptools.HttpRequestParser(self)
        self._exchange: Exchange | None = None
        self._incoming: Exchange | None = None
        self._queue: list[Exchange] | None = None
        self._ahead: bytes = b""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._head_bytes = 0
        self._refusal: tuple[int, str, str] | None = None
        self._is_upgrade = False
        self._is_lingering = False
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._watched = 0
        self.is_writable = True
        self.deadline = _NEVER

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        self.write = self._transport.write
        peer = transport.get_extra_info("peername")
        self.client: str = peer[0] if peer else ""
        self._server.connections.add(self)
        self.deadline = self._server.now + self._server.limits.idle_s

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._lose(CLIENT_LEFT)
        del self._parser  # they hold each other

    def pause_writing(self) -> None:
        self.is_writable = False
        self._watched = self._transport.get_write_buffer_size()
        self.deadline = self._server.now + self._server.limits.stall_s
        exchange = self._exchange
        if exchange is not None and exchange.on_paused is not None:
            exchange.on_paused()

    def resume_writing(self) -> None:
        self.is_writable = True
        self._arm()
        self._wake()
        exchange = self._exchange
        if exchange is not None and exchange.on_drained is not None:
            exchange.on_drained()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering or self._refusal is not None:
            return
        if self._exchange is not None and self._incoming is None:
            self._keep_ahead(data)
        elif len(data) <= _SLICE:
            self._feed(data)
        else:
            self._feed_slices(data)

    # The parser's side

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._server.limits.url_bytes:
            self._stop(414, f"The URL is longer than {self._server.limits.url_bytes} bytes.", "uri_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > self._server.limits.header_count:
            self._stop(431, f"More than {self._server.limits.header_count} headers.", "headers_too_large")
        if self._incoming is not None:
            return  # a trailer, which nothing needs
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name in _JOINED:
                self._stop(400, f"The header {name.decode()} came twice.", "bad_request")
            value = headers[name] + b", " + value
        headers[name] = value.rstrip(b" \t") if value.endswith((b" ", b"\t")) else value

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, {}
        url, self._url = self._url, b""
        self._header_count = self._head_bytes = 0
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._stop(505, f"HTTP/{version[:8]} is not spoken here; use HTTP/1.1.", "http_version_not_supported")
        if parser.should_upgrade():
            self._stop(400, "Upgrades and CONNECT are not supported here.", "upgrade_not_supported")
        if version == "1.1" and b"host" not in headers:
            self._stop(400, "The header host is missing.", "bad_request")
        announced: int | None = 0
        if b"transfer-encoding" in headers:
            if headers[b"transfer-encoding"].lower() != b"chunked" or version == "1.0":
                self._stop(400, "The only transfer-encoding that is taken is chunked, in HTTP/1.1.", "bad_request")
            announced = None
        elif b"content-length" in headers:
            announced = int(headers[b"content-length"])
        path, query = _split(url)
        exchange = Exchange(
            self,
            parser.get_method().decode("ascii"),
            path,
            query,
            headers,
            Incoming(announced, self._awaited),
            is_kept=parser.should_keep_alive(),
            is_old=version == "1.0",
        )
        self._incoming = exchange
        if self._exchange is None:
            self._exchange = exchange
        elif self._queue is None:
            self._queue = [exchange]
        else:
            self._queue.append(exchange)

    def on_body(self, data: bytes) -> None:
        assert self._incoming is not None
        self._incoming.body.feed(data)

    def on_message_complete(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.body.is_complete = True
            incoming.body.wake()

    # Feeding

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._stopped(error)
        exchange = self._exchange
        if exchange is None:
            if self._refusal is not None:
                self._refuse()
            elif self._incoming is None:
                self._count_head(len(data))
            return
        if exchange.task is None:
            self._server.run(exchange)
        incoming = self._incoming
        if incoming is not None:
            self._wait_for_body(incoming)
        else:
            self._head_bytes = 0
            if self.is_writable:
                self.deadline = _NEVER

    def _feed_slices(self, data: bytes) -> None:
        view = memoryview(data)
        at = 0
        while at < len(data):
            if self._refusal is not None or self._is_lingering:
                return
            if self._exchange is not None and self._incoming is None:
                self._keep_ahead(bytes(view[at:]))
                return
            # A body is taken in one go: it is no longer than announced, and nothing in it makes objects.
            size = len(data) if self._incoming is not None and self._is_long(len(data) - at) else _SLICE
            self._feed(view[at : at + size])
            at += size

    def _is_long(self, size: int) -> bool:
        assert self._incoming is not None
        body = self._incoming.body
        return body.announced is not None and body.announced - body.size >= size

    def _keep_ahead(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > self._server.limits.requests_ahead_bytes:
            self._pause()

    def _count_head(self, size: int) -> None:
        """Nothing but a part of a head is here."""
        limits = self._server.limits
        if self._head_bytes == 0:
            self.deadline = self._server.now + limits.head_s
        self._head_bytes += size
        if self._head_bytes > limits.head_bytes:
            self._refusal = (431, f"The headers are larger than {limits.head_bytes} bytes.", "headers_too_large")
            self._refuse()

    def _wait_for_body(self, incoming: Exchange) -> None:
        body = incoming.body
        body.wake()
        if self.deadline == _NEVER or self._watched == 0:
            self._watch_body(body)
        if body.held > self._server.limits.body_ahead_bytes and body.waiter is None:
            self._pause()
            self.deadline = _NEVER

    def _awaited(self) -> None:
        """Somebody waits for more of a body."""
        incoming = self._incoming
        if incoming is None:
            return
        if incoming.body.size == 0 and not incoming.is_started and incoming.headers.get(b"expect"):
            self.write(_CONTINUE)
        self._resume()
        self._watch_body(incoming.body)

    def _watch_body(self, body: Incoming) -> None:
        self._watched = body.size
        self.deadline = self._server.now + self._server.limits.body_s

    # The end of an answer

    @property
    def is_draining(self) -> bool:
        """Whether the server stops: this answer is the connection's last."""
        return self._server.is_draining

    def may_skip(self, body: Incoming) -> bool:
        """Whether the rest of an unread body is small enough to be thrown away."""
        incoming = self._incoming
        if incoming is None or body.announced is None or (body.size == 0 and incoming.headers.get(b"expect")):
            return False
        return body.announced - body.size <= self._server.limits.skip_bytes

    def ended(self, exchange: Exchange) -> None:
        """The answer is written: go on with what came meanwhile, or close."""
        if self._incoming is exchange:
            exchange.body.discard()
        if not exchange.is_kept or self._server.is_draining:
            self._close()
            return
        self._exchange = None
        self._resume()
        queue = self._queue
        if queue:
            self._exchange = queue.pop(0)
            self._server.run(self._exchange)
        elif self._refusal is not None:
            self._refuse()
        elif self._ahead:
            data, self._ahead = self._ahead, b""
            self._arm()
            self.data_received(data)
        else:
            self._arm()

    def _close(self) -> None:
        """Close once everything is sent. A client that still sends is listened to for a moment, see `linger_s`."""
        self._queue = None
        self._ahead = b""
        if self._transport.is_closing():
            return
        self.deadline = self._server.now + self._server.limits.linger_s
        if self._incoming is None and self._refusal is None:
            self._transport.close()
            return
        self._is_lingering = True
        self._resume()
        self._transport.write_eof()

    # Errors

    def _stop(self, status: int, message: str, code: str) -> None:
        self._refusal = (status, message, code)
        raise _Refused

    def _stopped(self, error: httptools.HttpParserError) -> None:
        if self._refusal is None:
            last = self._queue[-1] if self._queue else self._exchange
            if last is not None and self._incoming is None and not last.is_kept:
                return  # something behind the last request: it will never be looked at
            self._refusal = (400, f"This is no HTTP request that can be read: {error}.", "bad_request")
        incoming, self._incoming = self._incoming, None
        if incoming is not None and (incoming.task is not None or incoming.body.size):
            self._break(incoming)
        elif incoming is not None:
            self._forget(incoming)

    def _forget(self, incoming: Exchange) -> None:
        """Its head was wrong: no handler sees it."""
        if self._exchange is incoming:
            self._exchange = None
        elif self._queue:
            self._queue.remove(incoming)

    def _break(self, incoming: Exchange) -> None:
        """Its body is no HTTP: whoever answers it is stopped."""
        if self._exchange is not incoming:
            self._forget(incoming)
            return
        is_started = incoming.is_started
        incoming.leave(CLIENT_LEFT)
        self._exchange = None
        if is_started:
            self._transport.abort()

    def _refuse(self) -> None:
        assert self._refusal is not None
        status, message, code = self._refusal
        body = error_body(message, "invalid_request_error", code)
        framing = b"content-length: %d\r\nconnection: close\r\n" % len(body) + self.date.line
        self.write(answer_head(status, (_JSON,), framing) + body)
        self._server.refused(code)
        self._close()

    def expire(self) -> None:
        """The deadline has passed. For the server's sweeper."""
        now, limits = self._server.now, self._server.limits
        if self._transport.is_closing() or self._is_lingering:
            self._transport.abort()
        elif not self.is_writable:
            size = self._transport.get_write_buffer_size()
            if size < self._watched:
                self._watched, self.deadline = size, now + limits.stall_s
            else:
                self._lose(CLIENT_STALLED)
                self._transport.abort()
        elif self._incoming is not None:
            self._expire_body(self._incoming)
        elif self._exchange is None and self._head_bytes:
            self._refusal = (408, f"The request's head was not complete after {limits.head_s:g} s.", "request_timeout")
            self._refuse()
        elif self._exchange is None:
            self._transport.close()
            self.deadline = now + limits.linger_s
        else:
            self.deadline = _NEVER

    def _expire_body(self, incoming: Exchange) -> None:
        limits = self._server.limits
        if incoming.body.size - self._watched >= limits.body_least_bytes:
            self._watch_body(incoming.body)
            return
        message = f"Less than {limits.body_least_bytes} bytes of the body came in {limits.body_s:g} s."
        self._refusal = (408, message, "request_timeout")
        self._incoming = None
        self._break(incoming)
        if not self._transport.is_closing():
            self._refuse()

    # Waiting and leaving

    async def drained(self) -> None:
        """Return once the client takes more, or has left."""
        if self.is_writable:
            return
        if self._waiter is not None:
            raise RuntimeError("two tasks wait for one client to take more")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def begin_drain(self) -> None:
        """The server stops: close when nothing is being answered."""
        if self._exchange is None and not self._is_lingering:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _lose(self, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        self._incoming, self._queue = None, None
        if exchange is not None:
            exchange.leave(reason)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self) -> None:
        """Nothing is being answered, or the client takes its answer again."""
        if self._exchange is None:
            self.deadline = self._server.now + self._server.limits.idle_s
        elif self._incoming is not None:
            self._watch_body(self._incoming.body)
        else:
            self.deadline = _NEVER

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()


def _split(url: bytes) -> tuple[str, bytes]:
    """Return the decoded path and the query."""
    if not url.startswith(b"/"):
        parsed = httptools.parse_url(url) if url != b"*" else None
        path, query = (b"*", b"") if parsed is None else (parsed.path or b"/", parsed.query or b"")
    else:
        path, _, query = url.partition(b"#")[0].partition(b"?")
    text = path.decode("ascii")
    return (urllib.parse.unquote(text) if "%" in text else text), query

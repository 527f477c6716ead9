"""One client's connection: requests in, answered one after the other, and how long each step may take."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from roundhouse_router.wire.errors import CLIENT_LEFT, CLIENT_STALLED
from roundhouse_router.wire.exchange import Channel, Exchange
from roundhouse_router.wire.heads import answer_head, error_body, head_end
from roundhouse_router.wire.limits import WireLimits
from roundhouse_router.wire.reader import Reader, Refusal
from roundhouse_router.wire.sockets import send_now

if TYPE_CHECKING:
    from roundhouse_router.wire.server import WireServer

__all__ = ["Connection", "Host"]

_SLICE: Final = 16 * 1024
"""More is parsed in pieces of this, so that one segment cannot hold thousands of requests."""
_NEVER: Final = float("inf")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON: Final = (b"content-type", b"application/json")


class Host:
    """What a connection asks of its server for every request. A base class, so that compiled code calls without a
    lookup."""

    def begin(self, exchange: Exchange) -> None:
        """Have the request answered."""
        raise NotImplementedError


class Connection(Channel):
    """What comes behind a whole request is not parsed before its answer has ended.

    An `asyncio.Protocol` in all but name: extension types have no base that is none.

    `deadline` is when the server's sweeper looks here again; what has become of the connection is judged then.
    """

    __slots__ = (
        "_ahead",
        "_fd",
        "_idle_s",
        "_is_behind",
        "_is_lingering",
        "_is_paused",
        "_reader",
        "_transport",
        "_waiter",
        "_watched",
        "answering",
        "deadline",
        "limits",
        "server",
    )

    def __init__(self, server: "WireServer") -> None:
        self.server = server
        self.limits: WireLimits = server.limits
        self.moment = server.moment
        self._idle_s = server.limits.idle_s
        self.answering: Exchange | None = None
        """What is being answered."""
        self._reader = Reader(self)
        self._ahead = b""
        self._fd = -1
        """The socket, as long as it may be written to past the transport."""
        self._is_behind = False
        """The transport has got something to send that may not be sent yet."""
        self._is_lingering = False
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._watched = 0
        """What `deadline` compares with: bytes of the body that had come, or bytes that the client had not taken."""
        self.is_writable = True
        self.deadline = _NEVER

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        one = transport.get_extra_info("socket")
        if one is not None and transport.get_extra_info("sslcontext") is None:
            self._fd = one.fileno()
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if peer else ""
        self.server.connections.add(self)
        self._arm()

    def connection_lost(self, error: Exception | None) -> None:
        self._fd = -1  # the number is another connection's soon
        self.server.connections.discard(self)
        self._lose(CLIENT_LEFT)
        self._reader.close()

    def data_received(self, data: bytes) -> None:
        if self.answering is not None and self._reader.incoming is None:
            self._keep_ahead(data)
        elif self._is_lingering or self._reader.refusal is not None:
            return
        elif len(data) <= _SLICE:
            self._receive(data)
        else:
            self._receive_slices(data)

    def eof_received(self) -> None:
        """The transport closes itself, and takes nothing from here on."""
        self._fd = -1

    def pause_writing(self) -> None:
        self.is_writable = False
        self._arm()
        exchange = self.answering
        if exchange is not None and exchange.on_paused is not None:
            exchange.on_paused()

    def resume_writing(self) -> None:
        self.is_writable = True
        self._arm()
        self._wake()
        exchange = self.answering
        if exchange is not None and exchange.on_drained is not None:
            exchange.on_drained()

    def write(self, data: bytes) -> None:
        """Send. What the socket does not take at once, and whatever is wrong with it, is the transport's."""
        if self._fd >= 0:
            if self._is_behind:  # where it closes it has nothing, for it throws away: nothing may follow
                self._is_behind = self._transport.get_write_buffer_size() > 0 or self._transport.is_closing()
            if not self._is_behind:
                sent = send_now(self._fd, data)
                if sent == len(data):
                    return
                self._is_behind = True
                if sent > 0:
                    data = data[sent:]
        self._transport.write(data)

    # Requests

    def _receive(self, data: bytes | memoryview) -> None:
        reader = self._reader
        had_head = reader.head_bytes
        reader.feed(data)
        exchange = self.answering
        if exchange is None:
            if reader.ready:
                self.answering = exchange = reader.next()
                if reader.refusal is None or reader.incoming is not exchange:
                    self.server.begin(exchange)
        elif exchange.is_gathered and reader.incoming is not exchange:
            exchange.gathered()
            self.server.begin(exchange)
        if reader.refusal is not None:
            self._stop(reader.refusal)
        elif reader.incoming is not None:
            self._wait_for_body(reader.incoming)
        elif self.answering is None and not had_head:
            self._arm()

    def _receive_slices(self, data: bytes) -> None:
        view = memoryview(data)
        at = 0
        while at < len(data) and self._reader.refusal is None and not self._is_lingering:
            incoming = self._reader.incoming
            if incoming is None and self.answering is not None:
                self._keep_ahead(bytes(view[at:]))
                return
            size = _SLICE
            if incoming is None:  # the head alone, so that a body behind it stays in one piece
                size = data.find(b"\r\n\r\n", at, at + _SLICE) + 4 - at
                size = size if size > 0 else _SLICE
            elif incoming.incoming is not None and incoming.incoming.lacks(len(data) - at):
                size = len(data)
            self._receive(view[at : at + size])
            at += size

    def _keep_ahead(self, data: bytes) -> None:
        if self._is_lingering:
            return
        self._ahead += data
        if len(self._ahead) > self.limits.requests_ahead_bytes:
            self._pause()

    def _wait_for_body(self, exchange: Exchange) -> None:
        body = exchange.incoming
        assert body is not None
        if body.held > self.limits.body_ahead_bytes and not (body.is_awaited or exchange.is_gathered):
            self._pause()
            self._arm()
        elif not exchange.is_watched:
            exchange.is_watched = True
            self._arm()

    def awaited(self) -> None:
        """Somebody waits for more of the body that comes in."""
        exchange = self._reader.incoming
        if exchange is None or exchange.incoming is None:
            return
        if b"expect" in exchange.headers and not exchange.incoming.size and not exchange.is_started:
            self.write(_CONTINUE)
        self._resume()

    # The end of an answer

    def may_skip(self, exchange: Exchange) -> bool:
        body = exchange.incoming
        if body is None or body.is_complete:
            return True
        if body.announced is None or (b"expect" in exchange.headers and not body.size):
            return False
        return body.announced - body.size <= self.limits.skip_bytes

    def ended(self, exchange: Exchange) -> None:
        if exchange.incoming is not None:
            exchange.incoming.discard()
        if not exchange.is_kept or self.moment.is_draining:
            self._close()
            return
        self.answering = None
        self.deadline = self.moment.now + self._idle_s
        reader = self._reader
        if self._is_paused:
            self._resume()
        if reader.ready:
            self.answering = reader.next()
            self.server.begin(self.answering)
        elif reader.refusal is not None:
            self._stop(reader.refusal)
        elif self._ahead:
            data, self._ahead = self._ahead, b""
            self.data_received(data)
        elif reader.incoming is not None or not self.is_writable:
            self._arm()

    def _close(self) -> None:
        """Close once everything is sent. A client that still sends is listened to for a moment, see `linger_s`."""
        self._fd = -1
        self._ahead = b""
        self.answering = None
        if self._transport.is_closing():
            return
        if self._reader.incoming is None and self._reader.refusal is None:
            self._transport.close()
        else:
            self._is_lingering = True
            self._resume()
            self._transport.write_eof()
        self._arm()

    # Mistakes, and clients that are too slow

    def _stop(self, refusal: Refusal) -> None:
        """What comes in is no HTTP: answer what came before, then say so."""
        exchange, reader = self.answering, self._reader
        if reader.incoming is not None and reader.incoming.is_ended:
            self.abort()  # it has its answer; what came behind was only thrown away
            return
        if exchange is not None and reader.incoming is exchange:
            self.answering = None
            exchange.leave(CLIENT_LEFT)
            if exchange.is_started:
                self.abort()
                return
        elif exchange is not None:
            if reader.ready and reader.incoming is reader.ready[-1]:
                reader.ready.pop()
            return
        body = error_body(refusal.message, "invalid_request_error", refusal.code)
        framing = b"connection: close\r\n" + self.moment.date_line
        self.write(answer_head(refusal.status, (_JSON,), framing, head_end(len(body)), body))
        self.server.refused(refusal.code)
        self._close()

    def expire(self) -> None:
        """The deadline has passed. For the server's sweeper."""
        exchange, limits = self.answering, self.limits
        if not self.is_writable:
            self._expire_writing()
        elif self._is_lingering or self._transport.is_closing():
            self.abort()
        elif self._reader.incoming is not None and not self._is_paused:
            self._expire_body(self._reader.incoming)
        elif exchange is not None:
            self.deadline = _NEVER
        elif self._reader.head_bytes:
            self._refuse(f"The request's head was not complete after {limits.head_s:g} s.")
        else:
            self._transport.close()

    def _expire_writing(self) -> None:
        left = self._transport.get_write_buffer_size()
        if left < self._watched:
            self._arm()
        else:
            self._lose(CLIENT_STALLED)
            self.abort()

    def _expire_body(self, exchange: Exchange) -> None:
        body, limits = exchange.incoming, self.limits
        if body is not None and body.size - self._watched >= limits.body_least_bytes:
            self._arm()
        else:
            self._refuse(f"Less than {limits.body_least_bytes} bytes of the body came in {limits.body_s:g} s.")

    def _refuse(self, message: str) -> None:
        self._reader.refusal = Refusal(408, message, "request_timeout")
        self._stop(self._reader.refusal)

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
        if self.answering is None and not self._is_lingering:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._fd = -1
        self._transport.abort()

    def forget(self, task: asyncio.Task[None]) -> None:
        """For exchanges."""
        self.server.forget(task)

    def _lose(self, reason: str) -> None:
        exchange, self.answering = self.answering, None
        self._reader.ready.clear()
        if exchange is not None:
            exchange.leave(reason)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self) -> None:
        """Set when to look again, by what is awaited of the client."""
        now, limits = self.moment.now, self.limits
        incoming = self._reader.incoming
        if not self.is_writable:
            self._watched = self._transport.get_write_buffer_size()
            self.deadline = now + limits.stall_s
        elif self._is_lingering:
            self.deadline = now + limits.linger_s
        elif self._transport.is_closing():
            self.deadline = now + limits.stall_s
        elif incoming is not None:
            self._watched = 0 if incoming.incoming is None else incoming.incoming.size
            self.deadline = _NEVER if self._is_paused else now + limits.body_s
        elif self.answering is not None:
            self.deadline = _NEVER
        else:
            self.deadline = now + (limits.head_s if self._reader.head_bytes else limits.idle_s)

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._arm()
            if not self._transport.is_closing():
                self._transport.resume_reading()

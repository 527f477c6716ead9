"""`Exchange`: one request and its answer, as the handler sees them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

from roundhouse_router.wire.errors import CLIENT_LEFT, CUT_OFF, ClientLeft
from roundhouse_router.wire.heads import Headers, Moment, answer_head, framed, head_end
from roundhouse_router.wire.incoming import Incoming, too_large

if TYPE_CHECKING:
    from roundhouse_router.wire.connection import Connection

__all__ = ["Channel", "Exchange", "Handler"]

_ONE_WRITE: Final = 64 * 1024
"""A larger body is not copied behind its head."""
_CLOSE: Final = b"connection: close\r\n"
_KEEP: Final = b"connection: keep-alive\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n\r\n"
_CHUNK_END: Final = b"\r\n"
_LAST_END: Final = b"\r\n0\r\n\r\n"


class Channel:
    """What an exchange has of its connection. A base class, so that compiled code calls without a lookup."""

    __slots__ = ("client", "is_writable", "moment")
    client: str
    """The client's address."""
    is_writable: bool
    """Whether the client takes what is sent."""
    moment: Moment

    def write(self, data: bytes) -> None:
        """Send; what the client does not take is kept."""
        raise NotImplementedError

    def may_skip(self, exchange: "Exchange") -> bool:
        """Whether the rest of an unread body is so small that it is thrown away, to keep the connection."""
        raise NotImplementedError

    def ended(self, exchange: "Exchange") -> None:
        """The answer is written: go on with what came meanwhile, or close."""
        raise NotImplementedError


class Exchange:
    """Made by the server when the head of a request is there; the server runs the handler on it as one task.

    When the client leaves before the answer has ended, `has_left` is set and the task is cancelled; inside
    `async with exchange.guarded()` that is a ClientLeft instead. Writes to a client that has left go nowhere.

    Who answers without a task (`WireServer.take`) sets `on_left` instead, which is called with the reason.
    """

    __slots__ = (
        "_connection",
        "_head",
        "_is_bare",
        "_is_chunked",
        "_leave_reason",
        "_over",
        "client",
        "has_left",
        "headers",
        "incoming",
        "is_ended",
        "is_gathered",
        "is_kept",
        "is_old",
        "is_running",
        "is_started",
        "is_watched",
        "method",
        "on_drained",
        "on_left",
        "on_paused",
        "path",
        "query",
        "received",
        "task",
        "whole",
    )

    def __init__(
        self,
        connection: "Connection",
        method: str,
        path: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        is_kept: bool,
        is_old: bool,
    ) -> None:
        self._connection = connection
        self.method = method
        self.path = path
        """Percent-decoded once."""
        self.query = query
        self.headers = headers
        """Names in lower case; the values of one that came several times joined by `, `."""
        self.is_kept = is_kept
        """Whether the client may use the connection again."""
        self.is_old = is_old
        """HTTP/1.0: no chunks."""
        self.client = self._connection.client
        """The client's address."""
        self.whole = b""
        self.incoming: Incoming | None = None
        """The body, if it does not come together with the head; else `whole` is."""
        self.is_gathered = False
        """Nobody reads the body before it is whole."""
        self.received = 0.0
        """The monotonic clock when the head was there, where the body was gathered."""
        self.is_watched = False
        self.is_running = False
        self.is_started = False
        self.is_ended = False
        self.has_left = False
        self.on_drained: Callable[[], None] | None = None
        self.on_paused: Callable[[], None] | None = None
        self.on_left: Callable[[str], None] | None = None
        self.task: asyncio.Task[None] | None = None
        self._head = b""
        self._is_bare = method == "HEAD"
        self._is_chunked = False
        self._leave_reason = CLIENT_LEFT
        self._over: asyncio.Future[None] | None = None

    def gathered(self) -> None:
        """The body that was gathered is whole: from here on it is as if it had come with the head. For connections."""
        self.is_gathered = False
        body, self.incoming = self.incoming, None
        if body is not None:
            self.whole = body.take(body.size)

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body. Does not suspend when it is here. Raises BodyTooLarge, ClientLeft."""
        incoming = self.incoming
        if incoming is None:
            if len(self.whole) > limit:
                raise too_large(limit)
            return self.whole
        if incoming.is_complete:
            return incoming.take(limit)
        async with self.guarded():
            return await incoming.read(limit)

    async def body_chunks(self, limit: int) -> AsyncIterator[bytes]:
        """Stream the body, at the pace of the caller. Raises BodyTooLarge, ClientLeft."""
        incoming = self.incoming
        if incoming is None:
            if whole := await self.read_body(limit):
                yield whole
            return
        async with self.guarded():
            async for chunk in incoming.chunks(limit):
                yield chunk

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer in one write. The server adds content-length, date and connection."""
        framing = self._begin(status)
        end = b"\r\n" if _has_no_body(status) else head_end(len(body))
        if self._is_bare:
            body = b""
        if len(body) < _ONE_WRITE:
            head, body = answer_head(status, headers, framing, end, body), b""
        else:
            head = answer_head(status, headers, framing, end)
        self.is_started = True
        self._finish(head, body)

    def continue_by(self, handler: "Handler") -> None:
        """Let a task go on with what was begun without one; until its first step `on_left` is who hears."""
        self._connection.server.run(self, handler)

    def cut_off(self) -> None:
        """The server stops: tell who answers without a task."""
        on_left, self.on_left = self.on_left, None
        if on_left is not None:
            on_left(CUT_OFF)

    def start(self, status: int, headers: Headers) -> None:
        """Begin an answer that comes in pieces. Its head goes out with the first one; `write(b"")` sends it alone."""
        self._is_chunked = not self.is_old and not _has_no_body(status)
        if self.is_old:
            self.is_kept = False  # its end is the end of the connection
        framing = self._begin(status)
        self._head = answer_head(status, headers, framing, _CHUNKED if self._is_chunked else b"\r\n")
        self.is_started = True

    def write(self, data: bytes) -> None:
        """Send one piece. See `is_writable` and `drained`: what the client does not take is kept in memory."""
        if self.is_ended or self.has_left:
            return
        head = self._head
        if head:
            self._head = b""
        if not data or self._is_bare:
            data = head
        elif self._is_chunked:
            data = framed(head, data, _CHUNK_END)
        elif head:
            data = head + data
        if data:
            self._connection.write(data)

    def write_chunk(self, chunk: bytes, begin: int) -> None:
        """Send one piece, `chunk[begin:-2]`, that is framed as a chunk already."""
        if self._is_chunked and not (self._head or self._is_bare or self.is_ended or self.has_left):
            self._connection.write(chunk)
        else:
            self.write(chunk[begin:-2])

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and the end in one write."""
        if self._is_bare:
            data = b""
        elif self._is_chunked:
            data = framed(b"", data, _LAST_END) if data else b"0\r\n\r\n"
        head, self._head = self._head, b""
        self._finish(head, data)

    @property
    def is_writable(self) -> bool:
        """Whether the client takes what is sent: its buffer is below the high-water mark."""
        return self._connection.is_writable

    async def drained(self) -> None:
        """Return once the client takes more. Raises ClientLeft: it closed, or took nothing for too long."""
        async with self.guarded():
            if not self.has_left:
                await self._connection.drained()
            if self.has_left:
                raise ClientLeft(self._leave_reason)

    def guarded(self) -> "_Guard":
        """Return a context in which the client's leaving is a ClientLeft instead of a cancellation."""
        return _Guard(self)

    async def left(self) -> None:
        """Return when the exchange is over: the client left, or has its answer."""
        if self.has_left or self.is_ended:
            return
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._over)

    def give_up(self) -> None:
        """The handler came to an end without ending its answer: the client must not take what it has for all."""
        if not self.is_ended:
            self.is_ended = True
            self._connection.abort()

    def leave(self, reason: str) -> None:
        """The client is gone: tell the handler. For the connection."""
        if self.has_left or self.is_ended:
            return
        self.has_left = True
        self._leave_reason = reason
        if self.incoming is not None:
            self.incoming.fail(ClientLeft(reason))
        self._tell_over()
        on_left, self.on_left = self.on_left, None
        if on_left is not None:
            on_left(reason)
        if self.task is not None:
            self.task.cancel()
            if not self.is_running:  # it never will be
                self._connection.forget(self.task)

    def _tell_over(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _begin(self, status: int) -> bytes:
        """Return the header lines that say the time, and whether the connection goes on."""
        if self.is_started:
            raise RuntimeError("the answer was started before")
        if _has_no_body(status):
            self._is_bare = True
        connection = self._connection
        moment = connection.moment
        if self.incoming is not None and not connection.may_skip(self):
            self.is_kept = False  # what is left of the body would pass for the next request
        if self.is_kept and not moment.is_draining:
            return moment.date_line + _KEEP if self.is_old else moment.date_line
        return moment.date_line + _CLOSE

    def _finish(self, head: bytes, data: bytes) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        if self._over is not None:
            self._tell_over()
        if self.has_left:
            return
        connection = self._connection
        if len(data) < _ONE_WRITE:
            connection.write(head + data)  # copies nothing where one of them is empty
        else:
            connection.write(head)
            connection.write(data)
        connection.ended(self)


def _has_no_body(status: int) -> bool:
    return status == 204 or status == 304


Handler = Callable[[Exchange], Awaitable[None]]


class _Guard:
    """As in asyncio.timeout: our own cancellation becomes ClientLeft, somebody else's passes on."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange = self._exchange
        if kind is asyncio.CancelledError and exchange.has_left:
            task = exchange.task
            if task is asyncio.current_task() and task is not None and task.uncancel() == 0:
                raise ClientLeft(exchange._leave_reason) from error

"""A connection to an upstream: one request at a time, and when its answer is whole, broken or silent."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

import httptools

from roundhouse_router.wire.errors import Broken, HungUp, Silent, WireError
from roundhouse_router.wire.heads import LOWERED, chunk_begin
from roundhouse_router.wire.reply import Reply

if TYPE_CHECKING:
    from roundhouse_router.wire.client import Client, Origin

__all__ = ["Awaited", "Listener", "Pool", "UpstreamConnection"]

_NEVER: Final = float("inf")
_HEAD_BYTES: Final = 64 * 1024
_LOWERED: Final = LOWERED


class Listener:
    """Who asked. Hears one of the two, once, in the turn of the event loop in which it is known.

    This and `Pool` are base classes, so that compiled code calls without a lookup.
    """

    __slots__ = ()

    def answered(self, reply: Reply) -> None:
        """The head is there, possibly with the whole body."""
        raise NotImplementedError

    def failed(self, error: WireError) -> None:
        """There will be no answer."""
        raise NotImplementedError


class Pool:
    """What a connection needs of the client that keeps it."""

    __slots__ = ("now",)
    now: float
    """The event loop's time when the next sweep is due: what deadlines are counted from, so that none is early."""

    def release(self, connection: "UpstreamConnection") -> None:
        """Keep a connection whose answer is whole."""
        raise NotImplementedError


class Awaited(Listener):
    """A listener for who awaits."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Reply] = loop.create_future()

    def answered(self, reply: Reply) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def failed(self, error: WireError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class UpstreamConnection:
    """One request at a time. It goes back to its pool by itself once the answer is whole.

    An `asyncio.Protocol` in all but name: extension types have no base that is none.
    """

    __slots__ = (
        "_client",
        "_framed",
        "_head_bytes",
        "_headers",
        "_is_between",
        "_is_complete",
        "_is_reusable",
        "_is_sending",
        "_listener",
        "_parser",
        "_pieces",
        "_transport",
        "_writable",
        "deadline",
        "idle_until",
        "is_paused",
        "on_body",
        "origin",
        "reply",
        "silence_s",
    )

    def __init__(self, client: "Client", origin: "Origin") -> None:
        self._client = client
        self.origin = origin
        self._listener: Listener | None = None
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._is_between = False
        """What comes next begins a chunk."""
        self._is_complete = False
        self._is_reusable = False
        self._is_sending = False
        self._framed = True
        self._writable: asyncio.Future[None] | None = None
        self.reply: Reply | None = None
        self.is_paused = False
        self.silence_s = 0.0
        self.deadline = _NEVER
        self.idle_until = 0.0
        self.on_body = self._pieces.append  # spares a call per piece

    # The caller's side

    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def begin(self, listener: Listener, silence_s: float) -> None:
        """Expect an answer."""
        self._listener = listener
        self._is_between = False
        self._is_complete = False
        self.silence_s = silence_s
        self.deadline = self._client.now + silence_s

    def give_up(self) -> None:
        """Close: nobody waits for the answer any more, and nobody is told."""
        self._listener = None
        self.abort()

    def ask(self, listener: Listener, silence_s: float, request: bytes) -> None:
        """Send a request on a connection that was just found open, and expect an answer."""
        self.begin(listener, silence_s)
        self._transport.write(request)

    def write(self, data: bytes) -> None:
        """Send bytes of the request."""
        if not self._transport.is_closing():  # uvloop's transport raises then; whoever waits for the answer is told
            self._transport.write(data)

    async def room(self) -> None:
        """Return once the upstream takes more of the request."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def sending(self, is_sending: bool) -> None:
        """Tell whether more of the request is to come: an answer that is whole before that ends the connection."""
        self._is_sending = is_sending

    def touch(self) -> None:
        """Count the silence from now on."""
        self.deadline = self._client.now + self.silence_s

    def pause(self) -> None:
        if not self.is_paused and not self._transport.is_closing():
            self.is_paused = True
            self.deadline = _NEVER  # it is not the upstream that is silent
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.is_paused:
            self.is_paused = False
            self.touch()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self.deadline = _NEVER
        self._transport.abort()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        self._parser = httptools.HttpResponseParser(self)  # not before: where nobody listens nothing would part the two
        self._client.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.closed(self)
        self.resume_writing()
        if not self._framed and error is None and self.reply is not None:
            self._is_complete = True  # its end is the end of the connection
            self._finish(b"")
        elif self._head_bytes or self._headers or self.reply is not None:
            self.fail(Broken("the upstream broke off in the middle of its answer"))
        else:
            self.fail(HungUp("the upstream closed the connection without an answer"))
        del self._parser, self.on_body  # they hold each other

    def eof_received(self) -> None:
        """The transport closes itself."""

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._listener is None and self.reply is None:
            self.abort()  # nobody asked: what comes next would be taken for another request's answer
            return
        if self._is_between:
            begin = chunk_begin(len(data))
            if begin and data.startswith(begin) and data.endswith(b"\r\n"):
                self._take_chunk(data, len(begin))
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_complete:
                if self.reply is not None and self._pieces:  # what came before the mistake is good
                    self.reply.feed(b"".join(self._pieces))
                self.fail(Broken(f"the upstream's answer is no HTTP that can be read: {error}"))
                self.abort()
                return
            self._is_reusable = False
        if self._is_between:
            self._is_between = data.endswith(b"\n")  # else the line that begins the next one is here in part
        reply = self.reply
        if reply is None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self.fail(Broken(f"the upstream's headers are larger than {_HEAD_BYTES} bytes"))
                self.abort()
            return
        pieces = self._pieces
        piece = b""
        if pieces:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
        if self._is_complete:
            self._finish(piece)
        else:
            if piece:
                reply.feed(piece)
            if not self.is_paused:
                self.deadline = self._client.now + self.silence_s
        listener = self._listener
        if listener is not None:
            self._listener = None
            listener.answered(reply)

    def _take_chunk(self, chunk: bytes, begin: int) -> None:
        """Take one whole chunk, of which the parser then need not know: it stands between two."""
        reply = self.reply
        if reply is not None:
            reply.feed_chunk(chunk, begin)
            if not self.is_paused:
                self.touch()

    # The parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.reply is not None:
            return  # a trailer
        name = _LOWERED.get(name) or name.lower()
        headers = self._headers
        if name in headers:
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, {}
        if status < 200:
            self._head_bytes = 1  # something came: a connection that closes now did not hang up without a word
            return
        if self.reply is not None or self._listener is None:
            raise Broken("two answers to one request")
        self._is_reusable = self._parser.should_keep_alive()
        if b"content-length" in headers or status in (204, 304):
            self._framed = True
        else:
            self._framed = headers.get(b"transfer-encoding", b"").lower().rstrip().endswith(b"chunked")
        self.reply = Reply(self, status, headers)

    def on_chunk_header(self) -> None:
        self._is_between = False

    def on_chunk_complete(self) -> None:
        self._is_between = True

    def on_message_complete(self) -> None:
        if self.reply is not None:
            self._is_complete = True

    # Ends

    def fail(self, error: WireError) -> None:
        """Tell whoever waits. Nothing more comes."""
        self.deadline = _NEVER
        listener, self._listener = self._listener, None
        reply, self.reply = self.reply, None
        if listener is not None:
            listener.failed(error)
        if reply is not None:
            reply.fail(error)

    def _finish(self, last: bytes) -> None:
        """The answer is whole: `last` is the rest of its body."""
        reply, self.reply = self.reply, None
        self.deadline = _NEVER
        self._head_bytes = 0
        if self.is_paused:
            self.is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        if self._is_reusable and self._framed and not self._is_sending and not self._transport.is_closing():
            self._client.release(self)
        else:
            self._transport.abort()
        if reply is not None:
            reply.finish(last)

    def expire(self) -> None:
        """Nothing came for too long. For the pool's sweeper."""
        self.fail(Silent(f"the upstream was silent for {self.silence_s:g} s"))
        self.abort()

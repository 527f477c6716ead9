"""An upstream's answer: read whole, in pieces, or pumped."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from roundhouse_router.wire.errors import Broken, TooLarge

if TYPE_CHECKING:
    from roundhouse_router.wire.upstream import UpstreamConnection

__all__ = ["ChunkSink", "Reply"]

_HIGH_WATER: Final = 256 * 1024
"""What is kept of an answer that nobody reads; beyond, the upstream is made to wait."""
Sink = Callable[[bytes], None]
End = Callable[[Exception | None], None]


class ChunkSink:
    """Takes chunks as they came over the wire, so that who only passes them on need not take them apart.

    A base class, so that compiled code calls without a lookup.
    """

    __slots__ = ()

    def take_chunk(self, chunk: bytes, begin: int) -> None:
        """Take one whole chunk: its data is `chunk[begin:-2]`, around which is how it was framed."""
        raise NotImplementedError


class Reply:
    """An answer, from when its head is there. Read it by `read_all`, by `read`, or have it poured; one of the three."""

    __slots__ = (
        "_chunks",
        "_connection",
        "_error",
        "_held",
        "_is_whole",
        "_on_end",
        "_pieces",
        "_sink",
        "_waiter",
        "headers",
        "status",
    )

    def __init__(self, connection: "UpstreamConnection", status: int, headers: Mapping[bytes, bytes]) -> None:
        self.status = status
        self.headers = headers
        """Names in lower case; the values of one that came several times joined by `, `."""
        self._connection: UpstreamConnection | None = connection
        self._pieces: list[bytes] = []
        self._held = 0
        self._is_whole = False
        self._error: Exception | None = None
        self._sink: Sink | None = None
        self._chunks: ChunkSink | None = None
        self._on_end: End | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def whole(self) -> bytes | None:
        """The body, if all of it came with the head in one piece and nobody has read it. None: wait for it."""
        return self._pieces[0] if self._is_whole and len(self._pieces) == 1 else None

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body. Raises Broken, Silent, TooLarge."""
        if self._is_whole and self._held <= limit and len(self._pieces) == 1:
            return self._pieces.pop()
        parts: list[bytes] = []
        size = 0
        while True:
            pieces, self._pieces = self._pieces, []
            parts += pieces
            size += self._held
            self._held = 0
            if size > limit:
                self.close()
                raise TooLarge(f"the answer is larger than {limit} bytes")
            if self._is_whole:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            await self._more()

    async def read(self) -> bytes:
        """Return what came since the last call, waiting for something; b"" at the end. Raises Broken, Silent."""
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._more()
        pieces, self._pieces = self._pieces, []
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pump(self, sink: Sink, chunks: ChunkSink | None = None) -> "asyncio.Future[None]":
        """Give each piece to `sink` as it comes, what is here already at once. The future ends with the answer.

        Pieces that came as one chunk each may go to `chunks` instead, as they came.

        An exception of `sink` ends the future with it, and closes the connection.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pour(sink, partial(_end, future), chunks)
        return future

    def pour(self, sink: Sink, on_end: End, chunks: ChunkSink | None = None) -> None:
        """The same for who cannot await: `on_end` is called once, with what went wrong, or None."""
        self._on_end = on_end
        self._sink = sink
        self._chunks = chunks
        pieces, self._pieces = self._pieces, []
        self._held = 0
        if self._connection is not None:
            self._connection.resume()
        if pieces:
            self._pour(b"".join(pieces))
        if self._error is not None:
            self._settle(self._error)
        elif self._is_whole:
            self._settle(None)

    def take_back(self, pieces: list[bytes]) -> None:
        """Undo `pour`: these, which it has given, are to be read by `read_all` or `read`, and what follows them."""
        self._sink = self._on_end = self._chunks = None
        self._pieces = pieces
        self._held = sum(map(len, pieces))

    def pause(self) -> None:
        """Make the upstream wait: nobody takes what it sends."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._connection is not None:
            self._connection.resume()

    def idle_timeout(self, seconds: float) -> None:
        """From now on it may be silent for so long between two pieces; until then it is `first_byte_s`."""
        connection = self._connection
        if connection is not None:
            connection.silence_s = seconds
            if not connection.is_paused:
                connection.touch()

    def close(self) -> None:
        """Give up the rest at once: the upstream sees its connection close. Nothing happens after the end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.reply = None
            connection.abort()
            self.fail(Broken("the answer was given up"))

    def feed(self, data: bytes) -> None:
        """Take a piece. For the connection."""
        sink = self._sink
        if sink is not None:
            try:
                sink(data)
            except Exception as error:  # noqa: BLE001 - as in `_pour`
                self._refused(error)
            return
        self._pieces.append(data)
        self._held += len(data)
        if self._waiter is not None:
            self._wake()
        elif self._held > _HIGH_WATER and self._connection is not None:
            self._connection.pause()

    def feed_chunk(self, chunk: bytes, begin: int) -> None:
        """Take a piece as the chunk that it came as, see `ChunkSink`. For the connection."""
        chunks = self._chunks
        if chunks is None:
            self.feed(chunk[begin:-2])
            return
        try:
            chunks.take_chunk(chunk, begin)
        except Exception as error:  # noqa: BLE001 - as in `_pour`
            self._refused(error)

    def finish(self, last: bytes) -> None:
        """The answer is whole, with this piece as its last. For the connection."""
        self._connection = None
        self._is_whole = True
        if self._sink is not None:
            if last:
                self._pour(last)
            self._settle(None)
            return
        if last:
            self._pieces.append(last)
            self._held += len(last)
        if self._waiter is not None:
            self._wake()

    def fail(self, error: Exception) -> None:
        """The answer breaks off. For the connection."""
        self._connection = None
        if not self._is_whole and self._error is None:
            self._error = error
            self._settle(error)
            self._wake()

    def _pour(self, data: bytes) -> None:
        assert self._sink is not None
        try:
            self._sink(data)
        except Exception as error:  # noqa: BLE001 - it is the caller's own, who gets it from the future
            self._refused(error)

    def _refused(self, error: Exception) -> None:
        self._settle(error)
        self.close()

    def _settle(self, error: Exception | None) -> None:
        self._sink = self._chunks = None  # they hold this answer, and the request: what ends here is freed at once
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(error)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _more(self) -> None:
        self._check()
        if self._connection is not None:
            self._connection.resume()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        if not self._pieces:
            self._check()

    def _check(self) -> None:
        error = self._error
        if error is not None:
            self._error = type(error)(*error.args)  # one that was raised holds the frames that it passed
            try:
                raise error
            finally:
                del error


def _end(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)

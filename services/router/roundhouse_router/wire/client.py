"""`Client`: the pool of connections to engines and providers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, NamedTuple, cast

from roundhouse_router.wire.errors import ConnectFailed
from roundhouse_router.wire.heads import head_end
from roundhouse_router.wire.reply import Reply
from roundhouse_router.wire.upstream import Awaited, Listener, Pool, UpstreamConnection

__all__ = ["Client", "Origin"]

_ONE_WRITE: Final = 64 * 1024
_TICK_S: Final = 0.25


class Origin(NamedTuple):
    """Where an upstream listens."""

    host: str
    port: int
    is_tls: bool


class Client(Pool):
    """As many connections as there are requests. Idle ones are used again, the last used first."""

    def __init__(self, *, idle_s: float = 4.0, tls: ssl.SSLContext | None = None) -> None:
        self.now = 0.0
        self._idle_s = idle_s
        self._tls = tls
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self._all: set[UpstreamConnection] = set()
        self._ticking: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "Client":
        self.loop = asyncio.get_running_loop()
        self._tick()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the transports close

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: bytes,
        *,
        is_fresh: bool = False,
        connect_s: float,
        first_byte_s: float,
    ) -> Reply:
        """Send a request and return its answer once the head is there.

        `head` is the request line and the headers, each ended by CRLF, without content-length and the empty line.
        `is_fresh` asks for a connection that nobody has used. Raises ConnectFailed, HungUp, Silent, Broken.
        """
        connection = None if is_fresh else self._take(origin)
        if connection is None:
            connection = await self._connect(origin, connect_s)
        answered = self._send(connection, head, body, first_byte_s)
        try:
            return await answered
        except asyncio.CancelledError:
            _give_up(connection, answered)
            raise
        finally:
            del answered  # its error holds this frame

    def send_at_once(
        self, origin: Origin, head: bytes, body: bytes, listener: Listener, first_byte_s: float
    ) -> UpstreamConnection | None:
        """Send on a connection that is idle; return it. None: there is none, and nothing was sent. For who cannot
        await: the listener hears what becomes of it, and never before this returns."""
        connection = self._take(origin)
        if connection is not None:
            end = head_end(len(body))
            if len(body) < _ONE_WRITE:
                connection.ask(listener, first_byte_s, b"".join((head, end, body)))
            else:
                connection.ask(listener, first_byte_s, head + end)
                connection.write(body)
        return connection

    async def send_stream(
        self,
        origin: Origin,
        head: bytes,
        chunks: AsyncIterator[bytes],
        *,
        is_fresh: bool = False,
        connect_s: float,
        first_byte_s: float,
    ) -> Reply:
        """Send a request whose body comes in pieces, at the pace of the upstream. Otherwise as `send`.

        An answer that comes before the body is sent ends the sending. What `chunks` raises is raised here.
        """
        connection = None if is_fresh else self._take(origin)
        if connection is None:
            connection = await self._connect(origin, connect_s)
        awaited = Awaited(self.loop)
        answered = awaited.future
        connection.begin(awaited, first_byte_s)
        connection.sending(True)
        connection.write(head + b"transfer-encoding: chunked\r\n\r\n")
        sending = self.loop.create_task(_send_body(connection, chunks), name="send body")
        try:
            await asyncio.wait((answered, sending), return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                sending.result()
            return await answered
        except BaseException:
            _give_up(connection, answered)
            raise
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    @property
    def idle_count(self) -> int:
        """Connections that wait to be used again."""
        return sum(map(len, self._idle.values()))

    @property
    def open_count(self) -> int:
        """All connections."""
        return len(self._all)

    def opened(self, connection: UpstreamConnection) -> None:
        """For connections."""
        self._all.add(connection)

    def closed(self, connection: UpstreamConnection) -> None:
        """For connections."""
        self._all.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)
            if not idle:
                del self._idle[connection.origin]

    def release(self, connection: UpstreamConnection) -> None:
        connection.idle_until = self.now - _TICK_S + self._idle_s
        idle = self._idle.get(connection.origin)
        if idle is None:
            self._idle[connection.origin] = [connection]
        else:
            idle.append(connection)

    def sweep(self) -> None:
        """Give up what was silent or idle for too long."""
        now = self.loop.time()
        self.now = now + _TICK_S
        for connection in [one for one in self._all if one.deadline < now]:
            connection.expire()
        for idle in list(self._idle.values()):
            for connection in [one for one in idle if one.idle_until < now]:
                connection.abort()

    def _tick(self) -> None:
        self._ticking = self.loop.call_later(_TICK_S, self._tick)
        self.sweep()

    def _send(
        self, connection: UpstreamConnection, head: bytes, body: bytes, first_byte_s: float
    ) -> "asyncio.Future[Reply]":
        awaited = Awaited(self.loop)
        connection.begin(awaited, first_byte_s)
        _write(connection, head, body)
        return awaited.future

    def _take(self, origin: Origin) -> UpstreamConnection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.idle_until >= self.now - _TICK_S and connection.is_open():
                return connection
        return None

    async def _connect(self, origin: Origin, connect_s: float) -> UpstreamConnection:
        connection, is_made = UpstreamConnection(self, origin), False
        try:
            async with asyncio.timeout(connect_s):
                await self.loop.create_connection(
                    lambda: cast(asyncio.Protocol, connection),
                    origin.host,
                    origin.port,
                    ssl=self._context() if origin.is_tls else None,
                )
            is_made = True
        except TimeoutError:
            raise ConnectFailed(f"no connection to {origin.host}:{origin.port} within {connect_s:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise ConnectFailed(f"no connection to {origin.host}:{origin.port}: {error}") from error
        finally:
            if not is_made:  # uvloop tells no connection_lost when who waits for a connection is cancelled just then
                self.closed(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _write(connection: UpstreamConnection, head: bytes, body: bytes) -> None:
    end = head_end(len(body))
    if len(body) < _ONE_WRITE:
        connection.write(b"".join((head, end, body)))
    else:
        connection.write(head + end)
        connection.write(body)


async def _send_body(connection: UpstreamConnection, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        if chunk:
            connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.touch()
            await connection.room()
    connection.sending(False)
    connection.write(b"0\r\n\r\n")


def _give_up(connection: UpstreamConnection, answered: "asyncio.Future[Reply]") -> None:
    """Close the connection, unless its answer is whole: then it is the pool's, and may be another request's by now."""
    if answered.done() and not answered.cancelled() and answered.exception() is None:
        answered.result().close()
    else:
        answered.cancel()
        connection.abort()

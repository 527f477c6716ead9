"""`WireServer`: the listener of the data plane, and `WireListener`, which serves a service's operator endpoints too."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, cast

from prometheus_client import CollectorRegistry

from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_common.service.listener import PortInUse
from roundhouse_common.service.ops import ASGIApp
from roundhouse_router.domain.errors import ApiError, Internal
from roundhouse_router.wire.asgi import serve_asgi
from roundhouse_router.wire.connection import Connection, Host
from roundhouse_router.wire.errors import ClientLeft
from roundhouse_router.wire.exchange import Exchange, Handler
from roundhouse_router.wire.figures import WireFigures
from roundhouse_router.wire.heads import Moment
from roundhouse_router.wire.limits import WireLimits

__all__ = ["Taker", "WireListener", "WireServer"]

_BACKLOG: Final = 2048
_LONGEST_TICK_S: Final = 1.0
_CUT_OFF_TIMEOUT_S: Final = 1.0
"""How long requests that were cancelled when the drain timeout passed may take to clean up."""

_GATHERED_MOST: Final = 1024 * 1024
"""Larger bodies are read by the handler."""


class Taker(Protocol):
    """Answers requests without a task, where it can."""

    def take(self, exchange: Exchange) -> bool:
        """Take a request whose body is `whole`. Who returns true ends the exchange, in a later turn of the event loop,
        and hears by `on_left` that nobody waits. False: nothing has happened."""

    def awaits(self, exchange: Exchange) -> bool:
        """Whether the request might be taken once its body is whole: it is gathered then, up to 1 MiB."""


_log = get_logger(__name__)


class WireServer(Host):
    """Runs the handler as one task per request, but for those that the taker answers without one.

    Time is looked at by one sweeper, not by timers of connections.
    """

    def __init__(
        self, handler: Handler, *, clock: Clock, limits: WireLimits | None = None, taker: Taker | None = None
    ) -> None:
        """`taker` is asked before the handler."""
        self.limits = limits or WireLimits()
        self.connections: set[Connection] = set()
        self.moment = Moment()
        self.moment.update(clock.monotonic(), clock.now())
        self.refusals: dict[str, int] = {}
        """Requests that no handler saw, by code."""
        self._handler = handler
        self._taker = taker
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None
        shortest = min(self.limits.idle_s, self.limits.head_s, self.limits.body_s, self.limits.stall_s)
        self._tick_s = min(_LONGEST_TICK_S, shortest / 4)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        for one in sockets:
            listen = loop.create_unix_server if one.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await listen(self._connection, sock=one, backlog=_BACKLOG))
        self._tick()

    async def stop(self, drain_timeout_s: float) -> None:
        """Stop accepting, close idle connections, let requests in flight finish within this time; then cut them off."""
        self.moment.is_draining = True
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.begin_drain()
        deadline = self._loop.time() + drain_timeout_s
        while (self._tasks or self.connections) and (left := deadline - self._loop.time()) > 0:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=left)
            else:
                await asyncio.sleep(min(0.01, left))  # what was written goes out
        for connection in list(self.connections):
            if connection.answering is not None:
                connection.answering.cut_off()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CUT_OFF_TIMEOUT_S)
        for connection in list(self.connections):
            connection.abort()
        if self._ticking is not None:
            self._ticking.cancel()

    @property
    def is_busy(self) -> bool:
        """Whether something is being answered."""
        return bool(self._tasks) or any(connection.answering is not None for connection in self.connections)

    def begin(self, exchange: Exchange) -> None:
        taker, body = self._taker, exchange.incoming
        if taker is None:
            self.run(exchange)
        elif body is None:
            if not taker.take(exchange):
                self.run(exchange)
        elif not _may_gather(exchange, body.announced or 0) or not taker.awaits(exchange):
            self.run(exchange)
        elif body.is_complete:
            exchange.gathered()
            self.begin(exchange)
        else:
            exchange.is_gathered = True

    def run(self, exchange: Exchange, handler: Handler | None = None) -> None:
        """Start a task that answers: by the server's handler, or this one. For connections and exchanges."""
        task = self._loop.create_task(self._run(exchange, handler or self._handler), name="request")
        exchange.task = task
        self._tasks.add(task)

    def refused(self, code: str) -> None:
        """Count a request that no handler saw. For connections."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def sweep(self) -> None:
        """Look at every connection's deadline."""
        now = self._clock.monotonic()
        self.moment.update(now, self._clock.now())
        late = [connection for connection in self.connections if connection.deadline < now]
        for connection in late:
            connection.expire()

    def _connection(self) -> asyncio.Protocol:
        return cast(asyncio.Protocol, Connection(self))

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(self._tick_s, self._tick)
        self.sweep()

    def forget(self, task: asyncio.Task[None]) -> None:
        """Let go of a task that was cancelled before its first step. For exchanges."""
        self._tasks.discard(task)

    async def _run(self, exchange: Exchange, handler: Handler) -> None:
        exchange.is_running = True
        exchange.on_left = None
        try:
            await handler(exchange)
        except ClientLeft:
            return
        except ApiError as error:
            _fail(exchange, error)
        except Exception as error:  # noqa: BLE001 - a defect in one request must not end the connection without an answer
            _log.error("request_failed", path=exchange.path[:200], error=repr(error), exc_info=error)
            _fail(exchange, Internal("The router failed. Its log says why."))
        finally:
            assert exchange.task is not None
            self._tasks.discard(exchange.task)
            if not exchange.is_ended:
                exchange.give_up()


def _may_gather(exchange: Exchange, size: int) -> bool:
    return 0 < size <= _GATHERED_MOST and b"expect" not in exchange.headers


def _fail(exchange: Exchange, error: ApiError) -> None:
    if not exchange.is_started:
        exchange.answer(error.status, [(b"content-type", b"application/json")], error.body())


class WireListener:
    """A service's HTTP listener on the data plane. `handler` returns None for what it leaves to the operator's app."""

    def __init__(
        self,
        handler: Callable[[Exchange], Awaitable[None] | None],
        ops: ASGIApp,
        reserved: socket.socket,
        *,
        drain_timeout_s: float,
        clock: Clock,
        limits: WireLimits | None = None,
        registry: CollectorRegistry | None = None,
        taker: Taker | None = None,
    ) -> None:
        self._handler = handler
        self._ops = ops
        self._reserved = reserved
        self._drain_timeout_s = drain_timeout_s
        self.server = WireServer(self._answer, clock=clock, limits=limits, taker=taker)
        if registry is not None:
            registry.register(WireFigures(self.server))
        self._is_started = False

    async def start(self) -> None:
        """Listen. Raises PortInUse when somebody else began to listen since `bind`."""
        try:
            await self.server.start([self._reserved])
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse from error
            raise
        self._is_started = True

    async def stop(self) -> None:
        """Stop accepting, close idle connections, and let requests in flight finish within the drain timeout.

        Does nothing before `start` and when repeated.
        """
        if self._is_started:
            self._is_started = False
            await self.server.stop(self._drain_timeout_s)

    def _answer(self, exchange: Exchange) -> Awaitable[None]:
        return self._handler(exchange) or serve_asgi(self._ops, exchange)

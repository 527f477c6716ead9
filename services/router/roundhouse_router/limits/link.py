"""One connection to Redis that all requests of a process share: commands go out together, replies come in order.

A request waits for its reply a short time only; who waits too long is told `RedisLost`, and until Redis is heard again
everybody is told so at once. Who comes before the first connection was tried waits for it: else every start of a router
would be a moment without limits that are shared. What is sent is sent once: whether a command whose connection broke
was carried out, nobody knows.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from redis.asyncio.connection import Connection, ConnectionPool
from redis.exceptions import NoScriptError, RedisError

from roundhouse_router.limits.scripts import SCRIPTS, Argument

__all__ = ["RedisLink", "RedisLost"]

Command = tuple[Argument, ...]

_TICKS: Final = 5
"""A reply is late after so many ticks. Ticks, not time: a loop that stood still has not waited for Redis."""
_SILENT_S: Final = 1.0
"""A connection that is silent this long is given up; it may be gone without a word."""
_RECONNECT_S: Final = (0.05, 1.0)
"""The pause before a new attempt: it doubles from the first to the second."""
_OUTBOX_MOST: Final = 10_000
"""Commands nobody waits for that are kept while Redis is away. The oldest are dropped."""


class RedisLost(Exception):
    """Redis did not answer in time, refused, or is away."""


class _Sent:
    """A command on its way, or waiting to go."""

    __slots__ = ("again", "command", "on_late", "reply", "since")

    def __init__(
        self,
        command: Command,
        reply: "asyncio.Future[Any] | None" = None,
        on_late: Callable[[Any], None] | None = None,
        again: Command | None = None,
    ) -> None:
        self.command = command
        self.reply = reply
        self.on_late = on_late
        self.again = again
        self.since = 0
        """The tick at which it went out."""

    def answer(self, reply: Any) -> None:  # what Redis says has no type of its own
        if self.reply is not None and not self.reply.done():
            self.reply.set_result(reply)
        elif self.on_late is not None:
            self.on_late(reply)

    def fail(self, why: str) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(RedisLost(why))


class RedisLink:
    """Owned by its `run`, which connects, watches and connects again until it is cancelled."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        on_up: Callable[[], None] = lambda: None,
        on_lost: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`on_up` is called when Redis is heard again, `on_lost` with the reason when it is not any more."""
        self._pool = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, socket_connect_timeout=1.0, client_name="roundhouse-router"
        )
        self._tick_s = timeout_s / _TICKS
        self._silent_ticks = max(_TICKS + 1, math.ceil(_SILENT_S / self._tick_s))
        self._on_up = on_up
        self._on_lost = on_lost
        self._outbox: deque[_Sent] = deque()
        self._sent: deque[_Sent] = deque()
        self._has_work = asyncio.Event()
        self._is_connected = False
        self._tick: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._broken: asyncio.Future[str] | None = None
        self._has_told = False
        self._tried = asyncio.Event()
        self.is_up = False
        """Whether it is worth asking."""

    @property
    def was_tried(self) -> bool:
        """Whether the first connection was made, or was found impossible."""
        return self._tried.is_set()

    async def ask(self, command: Command, *, on_late: Callable[[Any], None] | None = None) -> Any:
        """Return the reply. Raises RedisLost, at once while Redis is away, once it was tried.

        `on_late` gets a reply that comes when nobody waits for it any more, also after a cancellation.
        """
        if not self._tried.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), 2 * _SILENT_S)
        if not self.is_up:
            raise RedisLost("Redis is away")
        sent = _Sent(command, asyncio.get_running_loop().create_future(), on_late)
        self._put(sent)
        assert sent.reply is not None
        try:
            return await sent.reply
        except asyncio.CancelledError:
            reply = sent.reply
            if on_late is not None and reply.done() and not reply.cancelled() and reply.exception() is None:
                on_late(reply.result())  # it came in the turn in which the caller was cancelled
            raise

    def tell(self, command: Command, *, again: Command | None = None) -> None:
        """Send without waiting, after everything that was said before. While Redis is away it is kept.

        `again`: what to say on the next connection if this one breaks before the reply; it must do no harm twice.
        """
        if not self._is_connected:
            while len(self._outbox) >= _OUTBOX_MOST:
                self._outbox.popleft()
        self._put(_Sent(command, None, None, again))

    def _put(self, sent: _Sent) -> None:
        self._outbox.append(sent)
        self._has_work.set()

    async def flush(self, within_s: float) -> None:
        """Wait until all that was said is answered, at most so long."""
        with suppress(TimeoutError, RedisLost):
            async with asyncio.timeout(within_s):
                await self.ask(("PING",))

    async def run(self) -> None:
        """Keep one connection for ever."""
        pause_s = _RECONNECT_S[0]
        while True:
            connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py has no type here
            why = ""
            try:
                await self._open(connection)
                pause_s = _RECONNECT_S[0]
                why = await self._serve(connection)
            except (OSError, RedisError) as error:
                why = str(error) or type(error).__name__
            finally:
                self._lose(why)
                self._tried.set()
                with suppress(OSError, RedisError):
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RECONNECT_S[1])

    async def _open(self, connection: Connection) -> None:
        """Connect, and prove that scripts can be loaded and keys written: a replica or a full server cannot."""
        async with asyncio.timeout(2 * _SILENT_S):
            await connection.connect()  # type: ignore[no-untyped-call]  # nor here
            for script in SCRIPTS:
                await self._call(connection, ("SCRIPT", "LOAD", script.text))
            await self._call(connection, ("SET", "{roundhouse-limits}:probe", "1", "PX", 1000))
        self._is_connected = True
        self._hear()
        self._tried.set()
        if self._outbox:
            self._has_work.set()

    @staticmethod
    async def _call(connection: Connection, command: Command) -> None:
        await connection.send_packed_command(connection.pack_command(*command), check_health=False)
        await connection.read_response()

    async def _serve(self, connection: Connection) -> str:
        """Work until the connection breaks, and return why."""
        self._broken = asyncio.get_running_loop().create_future()
        tasks: list[asyncio.Future[Any]] = [
            asyncio.create_task(self._write(connection), name="limits: write to Redis"),
            asyncio.create_task(self._read(connection), name="limits: read from Redis"),
        ]
        try:
            await asyncio.wait([self._broken, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                return self._broken.result()
            for task in tasks:
                if task.done():
                    task.result()
            return "the connection was closed"
        finally:
            self._broken = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, connection: Connection) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            going = list(self._outbox)
            self._outbox.clear()
            for sent in going:
                sent.since = self._ticks
            self._sent.extend(going)
            if self._tick is None and self._sent:
                self._arm()
            packed = [part for sent in going for part in connection.pack_command(*sent.command)]
            await connection.send_packed_command(packed, check_health=False)

    async def _read(self, connection: Connection) -> None:
        while True:
            try:
                reply = await connection.read_response(timeout=math.inf)
            except NoScriptError:  # somebody flushed the scripts: say it in full, which loads it again
                self._put(self._in_full(self._sent.popleft()))
                continue
            except RedisError as error:
                if self._sent and connection.is_connected:
                    self._sent.popleft().fail(str(error))
                raise
            self._sent.popleft().answer(reply)
            if not self.is_up:
                self._hear()

    @staticmethod
    def _in_full(sent: _Sent) -> _Sent:
        sha1 = sent.command[1]
        script = next(script for script in SCRIPTS if script.sha1 == sha1)
        sent.command = ("EVAL", script.text, *sent.command[2:])
        return sent

    def _arm(self) -> None:
        self._tick = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        """Look at the oldest command without a reply: no other has waited longer."""
        self._tick = None
        if not self._sent:
            return
        self._arm()
        self._ticks += 1
        waited = self._ticks - self._sent[0].since
        if waited == _TICKS or (waited > _TICKS and self.is_up):
            self._doubt("Redis does not answer in time")
        if waited >= self._silent_ticks and self._broken is not None and not self._broken.done():
            self._broken.set_result("Redis is silent")

    def _hear(self) -> None:
        if not self.is_up:
            self.is_up = True
            self._has_told = False
            self._on_up()

    def _doubt(self, why: str) -> None:
        """Let everybody go who waits. The connection stays: a late reply is the sign that Redis is back."""
        for sent in (*self._sent, *self._outbox):
            sent.fail(why)
        self._outbox = deque(sent for sent in self._outbox if sent.reply is None)
        if self.is_up or not self._has_told:
            self.is_up = False
            self._has_told = True
            if why:  # not at our own end
                self._on_lost(why)

    def _lose(self, why: str) -> None:
        self._is_connected = False
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        self._doubt(why)
        repeated = [_Sent(sent.again, again=sent.again) for sent in self._sent if sent.again is not None]
        self._sent.clear()
        self._outbox.extendleft(reversed(repeated))

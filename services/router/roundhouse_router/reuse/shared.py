"""One answer on its way to several clients."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from roundhouse_router.domain.errors import ApiError, UpstreamFailed
from roundhouse_router.reuse.sink import Headers, Sink
from roundhouse_router.wire.errors import CLIENT_LEFT, ClientLeft

__all__ = ["Passenger", "Shared"]

L = TypeVar("L")


class Shared(Generic[L]):
    """A sink whose chunks go to every passenger at its own pace.

    Up to `buffer_bytes` everything is held, so that who comes late gets what has passed. Beyond that nobody may join,
    and what all have is let go. The fastest passenger sets the pace of the work: while none has taken everything,
    `is_writable` is false. Who is a whole buffer behind the fastest is given up.
    """

    def __init__(self, *, buffer_bytes: int, on_closed: Callable[["Shared[L]"], None]) -> None:
        self._buffer_bytes = buffer_bytes
        self._on_closed = on_closed
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self.first = 0
        """The number of the first chunk that is still held."""
        self.head: tuple[int, Headers] | None = None
        self.is_whole = False
        self.is_ended = False
        self.is_joinable = True
        self.has_left = False
        self.error: ApiError | None = None
        self.passengers: list[Passenger[L]] = []
        self.task: asyncio.Task[None] | None = None
        self.leader: L | None = None
        self.on_drained: Callable[[], None] | None = None
        self.on_paused: Callable[[], None] | None = None
        self._drained: asyncio.Event | None = None

    # As a sink, for the work.

    @property
    def is_started(self) -> bool:
        return self.head is not None

    @property
    def is_writable(self) -> bool:
        count = self.count
        return any(passenger.at >= count for passenger in self.passengers) or not self.passengers

    def start(self, status: int, headers: Headers) -> None:
        self.head = (status, tuple(headers))
        for passenger in self.passengers:
            passenger.pull()

    def write(self, data: bytes) -> None:
        if not data or self.is_ended:
            return
        self._append(data)
        if self.on_paused is not None and not self.is_writable:
            self.on_paused()

    def end(self, data: bytes = b"") -> None:
        if self.is_ended:
            return
        assert self.head is not None, "an answer starts before it ends"
        self.is_ended = True
        self._close()
        self._append(data)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.is_whole = True
        self.head = (status, tuple(headers))
        self.end(body)

    def give_up(self) -> None:
        """The answer cannot be ended properly; the passengers' answers are not either."""
        self.fail(UpstreamFailed("The engine broke off its answer."))

    async def drained(self) -> None:
        """Return when a passenger has taken everything. A client that stalls is its own exchange's business."""
        while not self.is_writable:
            self._drained = asyncio.Event()
            await self._drained.wait()

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[None]:
        """Turn the cancellation that follows the last passenger's leaving into what an exchange raises then."""
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.has_left and task is not None and task.uncancel() == 0:
                raise ClientLeft(CLIENT_LEFT) from None
            raise

    # For the passengers.

    @property
    def count(self) -> int:
        """How many chunks there were so far."""
        return self.first + len(self._chunks)

    def chunk(self, number: int) -> bytes:
        return self._chunks[number - self.first]

    def caught_up(self) -> None:
        """A passenger that lagged has everything now."""
        if self._drained is not None:
            self._drained.set()
            self._drained = None
        if self.on_drained is not None:
            self.on_drained()

    def leave(self, passenger: "Passenger[L]") -> None:
        """A client goes. With the last one the work is cancelled."""
        if passenger not in self.passengers:
            return
        self.passengers.remove(passenger)
        if not self.passengers and not self.is_ended and self.error is None:
            self.has_left = True
            self._close()
            if self.task is not None:
                self.task.cancel()

    def fail(self, error: ApiError) -> None:
        """The work is over. Passengers whose answer has no end get the error."""
        self._close()
        if self.is_ended:
            return
        self.error = error
        for passenger in list(self.passengers):
            passenger.pull()

    def _append(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held_bytes += len(data)
        for passenger in list(self.passengers):
            passenger.pull()
        if self._held_bytes > self._buffer_bytes and not self.is_ended:
            self._close()
            self._let_go()

    def _let_go(self) -> None:
        """Forget chunks that all have, and give up the passengers for whom too much is held."""
        while self.passengers:
            slowest = min(passenger.at for passenger in self.passengers)
            passed = slowest - self.first
            self._held_bytes -= sum(map(len, self._chunks[:passed]))
            del self._chunks[:passed]
            self.first = slowest
            if self._held_bytes <= self._buffer_bytes or all(one.at == slowest for one in self.passengers):
                return
            for passenger in [one for one in self.passengers if one.at == slowest]:
                self.passengers.remove(passenger)
                passenger.give_up()

    def _close(self) -> None:
        self.is_joinable = False
        self._on_closed(self)


class Passenger(Generic[L]):
    """One client of a shared answer, and how far it is."""

    def __init__(self, shared: Shared[L]) -> None:
        self._shared = shared
        self._sink: Sink | None = None
        self._headers: Headers = ()
        self._on_start: Callable[[], None] | None = None
        self._on_end: Callable[[L], None] | None = None
        self._is_lagging = False
        self.at = 0
        """The number of the next chunk for it."""
        self.arrived: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """True at the end, False when it was given up; or the error of the work."""

    def board(
        self,
        sink: Sink,
        headers: Headers,
        on_start: Callable[[], None] | None,
        on_end: Callable[[L], None] | None,
    ) -> None:
        """Begin to pass on to this client."""
        self._sink, self._headers, self._on_start, self._on_end = sink, headers, on_start, on_end
        sink.on_drained = self.pull
        self.pull()

    def alight(self) -> None:
        """Write nothing any more."""
        if self._sink is not None:
            self._sink.on_drained = None
            self._sink = None

    def pull(self) -> None:
        """Pass on what the client takes now."""
        sink, shared = self._sink, self._shared
        if sink is None or self.arrived.done():
            return
        if shared.head is not None and (not shared.is_whole or shared.is_ended):
            self._pass_on(sink)
        if self.arrived.done() or shared.error is None or self.at < shared.count:
            return
        self.arrived.set_exception(shared.error)

    def give_up(self) -> None:
        """It is too far behind; what it still needs is let go."""
        if not self.arrived.done():
            self.arrived.set_result(False)

    def _pass_on(self, sink: Sink) -> None:
        shared = self._shared
        assert shared.head is not None
        if shared.is_whole:
            self._finish(sink)
            return
        if not sink.is_started:
            if self._on_start is not None:
                self._on_start()
            status, headers = shared.head
            sink.start(status, [*self._headers, *headers])
        last = shared.count - 1 if shared.is_ended else shared.count
        while self.at < last and sink.is_writable:
            data = shared.chunk(self.at)
            self.at += 1
            sink.write(data)
        if self.at < last:
            self._is_lagging = True
        elif shared.is_ended:
            self._finish(sink)
        elif self._is_lagging:
            self._is_lagging = False
            shared.caught_up()

    def _finish(self, sink: Sink) -> None:
        """Settle, then send the last bytes."""
        shared = self._shared
        if self._on_end is not None and shared.leader is not None:
            self._on_end(shared.leader)
        data = shared.chunk(self.at)
        self.at += 1
        if shared.is_whole:
            assert shared.head is not None
            status, headers = shared.head
            sink.answer(status, [*self._headers, *headers], data)
        else:
            sink.end(data)
        self.arrived.set_result(True)

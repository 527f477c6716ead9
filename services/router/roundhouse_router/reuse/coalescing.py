"""Equal requests in flight share one call of an engine.

The work runs in a task of its own, which belongs to no client: whoever asks takes a `Seat`, and the work ends early
only when the last seat is given back. It writes to a `Shared`, a sink like a client's; every seat passes that on to its
own client as fast as that client takes it.

    async def work(shared: Shared[Flight]) -> None:     # the ordinary relay, with `shared` in place of the exchange
        async with shared.guarded():
            await relay(flight, shared, ...)            # settles `flight` before its last bytes

    with coalescer.seat(key) as seat:                   # the tenant is a part of the key
        if seat.is_first:
            seat.begin(work, leader=flight)             # the record of this flight has the engine's work
            await seat.relay(exchange, headers)
        else:
            await seat.relay(exchange, headers, on_end=lambda leader: settle_as_coalesced(flight, leader))
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Final, Generic, TypeVar

from roundhouse_router.domain.errors import ApiError, Internal, RouterStopping, UpstreamTimeout
from roundhouse_router.domain.reuse_key import ReuseKey
from roundhouse_router.reuse.metrics import ReuseMetrics
from roundhouse_router.reuse.shared import Passenger, Shared
from roundhouse_router.reuse.sink import Headers, Sink

__all__ = ["Coalescer", "Seat"]

L = TypeVar("L")
_TOO_SLOW: Final = "This client read its shared answer so much slower than others that the rest was given up."


class Coalescer(Generic[L]):
    """One per router process. `L`: what the first request tells the others about itself, its flight."""

    def __init__(self, *, buffer_bytes: int, metrics: ReuseMetrics) -> None:
        """`buffer_bytes`: of one answer, for those who come late or read slowly."""
        self._buffer_bytes = buffer_bytes
        self._metrics = metrics
        self._open: dict[ReuseKey, Shared[L]] = {}

    def __len__(self) -> int:
        """How many pieces of work others may join."""
        return len(self._open)

    def seat(self, key: ReuseKey) -> "Seat[L]":
        """Return a seat at the work for this key: the first one must `begin` it."""
        shared = self._open.get(key)
        if shared is not None and shared.is_joinable:
            self._metrics.coalesced.inc()
            return Seat(shared, is_first=False)
        shared = Shared(buffer_bytes=self._buffer_bytes, on_closed=partial(self._close, key))
        self._open[key] = shared
        return Seat(shared, is_first=True)

    async def stop(self) -> None:
        """End all work; the seats raise RouterStopping."""
        tasks = [shared.task for shared in self._open.values() if shared.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _close(self, key: ReuseKey, shared: Shared[L]) -> None:
        """Nobody may join this work any more; other work for the key may have begun."""
        if self._open.get(key) is shared:
            del self._open[key]


class Seat(Generic[L]):
    """One request at shared work. Use it in a `with`: leaving gives it back."""

    def __init__(self, shared: Shared[L], *, is_first: bool) -> None:
        self._shared = shared
        self.is_first = is_first
        self._passenger: Passenger[L] = Passenger(shared)
        shared.passengers.append(self._passenger)

    def __enter__(self) -> "Seat[L]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shared.leave(self._passenger)

    def begin(self, work: Callable[[Shared[L]], Awaitable[None]], *, leader: L) -> None:
        """Start the work. Only for the first seat, before anything is awaited."""
        shared = self._shared
        shared.leader = leader
        shared.task = asyncio.create_task(_run(shared, work), name="shared work")
        shared.task.add_done_callback(partial(_ended, shared))

    async def relay(
        self,
        sink: Sink,
        headers: Headers,
        *,
        on_start: Callable[[], None] | None = None,
        on_end: Callable[[L], None] | None = None,
    ) -> None:
        """Pass the whole answer on to one client, beginning with what has passed already. `headers` are this client's
        own. `on_start` is called before the first bytes, `on_end` before the last ones.

        Raises the ApiError with which the work failed if nothing was sent yet, and UpstreamTimeout for a client that
        is too slow for the others.
        """
        passenger = self._passenger
        passenger.board(sink, headers, on_start, on_end)
        try:
            if await passenger.arrived:
                return
            raise UpstreamTimeout(_TOO_SLOW, code="client_too_slow")
        finally:
            passenger.alight()


async def _run(shared: Shared[L], work: Callable[[Shared[L]], Awaitable[None]]) -> None:
    """Run the work, and tell the seats how it failed."""
    error: ApiError = Internal("The router failed. Its log says why.")
    try:
        await work(shared)
    except ApiError as refusal:
        error = refusal
    except asyncio.CancelledError:
        error = RouterStopping("The router stops. Try again; another one will answer.")
        if not shared.has_left:
            raise
    finally:
        shared.fail(error)


def _ended(shared: Shared[L], task: "asyncio.Task[None]") -> None:
    """Have a defect logged; the exception that tells of a client's leaving is none."""
    if not task.cancelled() and (defect := task.exception()) is not None and not shared.has_left:
        task.get_loop().call_exception_handler({"message": "shared work failed", "exception": defect, "task": task})

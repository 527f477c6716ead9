"""A stream that begins before there is anything to say: comment lines, which clients of server-sent events skip."""

import asyncio
from collections.abc import Collection
from typing import Final

from roundhouse_common.contracts.usage import Outcome
from roundhouse_router.api.flight import Flight
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.reuse.sink import Sink
from roundhouse_router.wire.heads import extended

__all__ = ["Early", "Headers", "stream_headers"]

_COMMENT: Final = b": waiting for the model\n\n"
_NO_CACHE: Final = (b"cache-control", b"no-cache")
Headers = list[tuple[bytes, bytes]]
AnyHeaders = Collection[tuple[bytes, bytes]]
"""These, or the fast path's, which are lines already."""


def stream_headers(flight: Flight, headers: AnyHeaders, kind: bytes | None = None) -> AnyHeaders:
    """Return the headers of a stream's head; without a content type it is that of the client's API."""
    dialect = flight.interface.dialect
    if kind is None:
        kind = b"text/event-stream; charset=utf-8" if dialect is None else dialect.stream_type
    return extended(headers, ((b"content-type", kind), _NO_CACHE))


class Early:
    """Nothing of an engine has been sent yet, so another endpoint may still be tried; but the status is: what fails
    from now on is told inside the stream."""

    __slots__ = ("_every_s", "_exchange", "_flight", "_headers", "_timer")

    def __init__(self, flight: Flight, exchange: Sink, headers: Headers, *, every_s: float) -> None:
        self._flight = flight
        self._exchange = exchange
        self._headers = headers
        self._every_s = every_s
        self._timer = asyncio.get_running_loop().call_later(every_s, self._tick) if every_s else None

    def say(self) -> None:
        """Send the head of the answer the first time, and a comment each time."""
        if not self._exchange.is_started:
            self._flight.status_sent = 200
            self._exchange.start(200, stream_headers(self._flight, self._headers))
        dialect = self._flight.interface.dialect
        has_comments = dialect is None or dialect.stream_type.startswith(b"text/event-stream")
        self._exchange.write(_COMMENT if has_comments else b"")

    def stop(self) -> None:
        """The engine speaks from now on."""
        if self._timer is not None:
            self._timer.cancel()

    def fail(self, error: ApiError, body: bytes) -> None:
        """Settle, and end the stream with an error event."""
        self._flight.settle(Outcome.FAILED, self._flight.status_sent, error.error_code)
        self._exchange.end(body)

    def _tick(self) -> None:
        self.say()
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._tick)

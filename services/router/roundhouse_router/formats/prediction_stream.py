"""The stream of a prediction, with the prediction itself as its last event: the stream tells no figures."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final

from roundhouse_router.domain.event_lines import EventSplitter
from roundhouse_router.formats.replicate_answer import PREDICTION_EVENT
from roundhouse_router.formats.reply import UpstreamReply
from roundhouse_router.wire.errors import TooLarge

__all__ = ["PredictionStream", "prediction_event"]

_DONE: Final = b"done"


def prediction_event(told: bytes) -> bytes:
    """Return a prediction as an event; empty for none."""
    if not told:
        return b""
    data = b"".join(b"data: " + line + b"\n" for line in told.splitlines())
    return b"event: " + PREDICTION_EVENT + b"\n" + data + b"\n"


class PredictionStream:
    """An `UpstreamReply`. Closed before its prediction is known to be over, it has that cancelled."""

    def __init__(
        self,
        reply: UpstreamReply,
        last_look: Callable[[], Awaitable[bytes]],
        cancel: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None], str], None],
    ) -> None:
        self.status = reply.status
        self.headers: Mapping[bytes, bytes] = reply.headers
        self._reply = reply
        self._last_look = last_look
        self._cancel = cancel
        self._spawn = spawn
        self._events = EventSplitter()
        self._is_done = False
        """The event `done` was seen; some servers then keep the connection open."""
        self._has_looked = False
        self._is_over = False

    async def read_all(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > limit:
                self.close()
                raise TooLarge(f"the answer is larger than {limit} bytes")
            parts.append(piece)
        return b"".join(parts)

    async def read(self) -> bytes:
        piece = b"" if self._is_done else await self._reply.read()
        if not piece:
            return await self._last()
        self._sees_end(piece)
        return piece

    def pump(self, sink: Callable[[bytes], None]) -> "asyncio.Future[None]":
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def take(piece: bytes) -> None:
            if self._is_done:
                return
            is_last = self._sees_end(piece)
            sink(piece)
            if is_last:
                self._spawn(self._end(sink, ended), "end the stream of a prediction")

        def stop(pumped: "asyncio.Future[None]") -> None:
            error = None if pumped.cancelled() else pumped.exception()
            if self._is_done or ended.done():
                return
            if error is not None:
                ended.set_exception(error)
            else:
                self._spawn(self._end(sink, ended), "end the stream of a prediction")

        if self._is_done:  # it was read up to there before
            self._spawn(self._end(sink, ended), "end the stream of a prediction")
        else:
            self._reply.pump(take).add_done_callback(stop)
        return ended

    def pause(self) -> None:
        self._reply.pause()

    def resume(self) -> None:
        self._reply.resume()

    def idle_timeout(self, seconds: float) -> None:
        self._reply.idle_timeout(seconds)

    def close(self) -> None:
        self._reply.close()
        if not self._is_over:
            self._is_over = True
            self._cancel()

    def _sees_end(self, piece: bytes) -> bool:
        self._is_done = any(event.name == _DONE for event in self._events.feed(piece))
        return self._is_done

    async def _end(self, sink: Callable[[bytes], None], ended: "asyncio.Future[None]") -> None:
        """Send the last event. Its deadline is that of the look, whose requests have theirs."""
        try:
            last = await self._last()
            if ended.done():
                return
            if last:
                sink(last)
            ended.set_result(None)
        except Exception as error:  # noqa: BLE001 - it is the sink's own, who gets it from the future
            if not ended.done():
                ended.set_exception(error)

    async def _last(self) -> bytes:
        if self._has_looked:
            return b""
        self._has_looked = True
        told = await self._last_look()
        self._is_over = self._is_over or bool(told)
        return prediction_event(told)

"""What an answer is written to, and what can be done with it on the way.

`Sink` is the half of `wire.exchange.Exchange` that answers. `Recorder` and `coalescing.Shared` are sinks too, so what
relays an answer needs not know whether it goes to one client, to several, or is kept besides.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.reuse import Kept, is_comment
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = ["Headers", "Recorder", "Sink", "Through", "content_type_of", "replay"]

Headers = Collection[tuple[bytes, bytes]]
_CONTENT_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-encoding"
_CHUNK_COST: Final = 64
"""Bytes that a kept chunk takes beside its content, so that many small ones cannot pass the bound."""


class Sink(Protocol):
    """Where one answer goes. See `wire.exchange.Exchange` for what each promises."""

    on_drained: Callable[[], None] | None
    on_paused: Callable[[], None] | None

    @property
    def is_started(self) -> bool: ...
    @property
    def is_ended(self) -> bool: ...
    @property
    def has_left(self) -> bool: ...
    @property
    def is_writable(self) -> bool: ...
    def start(self, status: int, headers: Headers) -> None: ...
    def write(self, data: bytes) -> None: ...
    def end(self, data: bytes = b"") -> None: ...
    def answer(self, status: int, headers: Headers, body: bytes) -> None: ...
    def give_up(self) -> None: ...
    async def drained(self) -> None: ...
    def guarded(self) -> AbstractAsyncContextManager[None]: ...


class Through:
    """The half of a sink that is its target's: what writes to it asks the target how it stands. Subclasses say what
    becomes of what is written."""

    __slots__ = ("_target",)

    def __init__(self, target: Sink) -> None:
        self._target = target

    async def drained(self) -> None:
        await self._target.drained()

    def guarded(self) -> AbstractAsyncContextManager[None]:
        return self._target.guarded()

    @property
    def is_started(self) -> bool:
        return self._target.is_started

    @property
    def is_ended(self) -> bool:
        return self._target.is_ended

    @property
    def has_left(self) -> bool:
        return self._target.has_left

    @property
    def is_writable(self) -> bool:
        return self._target.is_writable

    @property
    def on_drained(self) -> Callable[[], None] | None:
        return self._target.on_drained

    @on_drained.setter
    def on_drained(self, call: Callable[[], None] | None) -> None:
        self._target.on_drained = call

    @property
    def on_paused(self) -> Callable[[], None] | None:
        return self._target.on_paused

    @on_paused.setter
    def on_paused(self, call: Callable[[], None] | None) -> None:
        self._target.on_paused = call


class Recorder(Through):
    """A sink that passes everything on and keeps a copy, up to `max_bytes`; beyond that the copy is dropped.

    Use it only for requests whose answer may be kept: it costs a call and a list entry per chunk.
    """

    __slots__ = ("_chunks", "_has_events", "_is_whole", "_left", "_type", "status")

    def __init__(self, target: Sink, *, max_bytes: int) -> None:
        super().__init__(target)
        self._left = max_bytes
        self._chunks: list[bytes] | None = []
        self._type = b""
        self._has_events = False
        self._is_whole = False
        self.status = 0

    def kept(
        self,
        now: UnixTime,
        *,
        counts: TokenCounts | None = None,
        model_served: str = "",
        audio_ms: int = 0,
        images: int = 0,
    ) -> Kept | None:
        """Return the answer, or None if it was too large, encoded, or did not end. Ask when the request has settled.

        Whether it ended well is the caller's to know: only complete answers may be kept.
        """
        if self._chunks is None or not self.status or not self._target.is_ended:
            return None
        return Kept(
            status=self.status,
            content_type=self._type,
            chunks=tuple(self._chunks),
            is_stream=not self._is_whole,
            kept_at=now,
            counts=counts or NO_TOKENS,
            model_served=model_served,
            audio_ms=audio_ms,
            images=images,
        )

    def start(self, status: int, headers: Headers) -> None:
        self._begin(status, headers)
        self._target.start(status, headers)

    def write(self, data: bytes) -> None:
        self._keep(data)
        self._target.write(data)

    def end(self, data: bytes = b"") -> None:
        self._keep(data)
        self._target.end(data)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self._is_whole = True
        self._begin(status, headers)
        self._keep(body)
        self._target.answer(status, headers, body)

    def give_up(self) -> None:
        self._chunks = None
        self._target.give_up()

    def _begin(self, status: int, headers: Headers) -> None:
        self.status = status
        self._type = content_type_of(headers)
        self._has_events = self._type.startswith(b"text/event-stream")
        if any(name == _ENCODING for name, _ in headers):
            self._chunks = None

    def _keep(self, data: bytes) -> None:
        if self._chunks is None or not data or (self._has_events and is_comment(data)):
            return
        self._left -= len(data) + _CHUNK_COST
        if self._left < 0:
            self._chunks = None
        else:
            self._chunks.append(data)


async def replay(sink: Sink, kept: Kept, headers: Headers, *, before_last: Callable[[], None] = lambda: None) -> None:
    """Give a kept answer to a client: whole, or as the stream that it was, its chunks one after the other at once.
    `before_last` is called before the last bytes go out.

    Raises ClientLeft, as `Sink.drained` does.
    """
    own = [*headers, (_CONTENT_TYPE, kept.content_type)]
    if not kept.is_stream:
        before_last()
        sink.answer(kept.status, own, b"".join(kept.chunks))
        return
    sink.start(kept.status, own)
    for chunk in kept.chunks[:-1]:
        if not sink.is_writable:
            await sink.drained()
        sink.write(chunk)
    before_last()
    sink.end(kept.chunks[-1] if kept.chunks else b"")


def content_type_of(headers: Headers) -> bytes:
    return next((value for name, value in headers if name == _CONTENT_TYPE), b"")

"""A client as the code that answers sees it: takes what is written, or stops taking it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from roundhouse_router.reuse.sink import Headers

__all__ = ["FakeClient"]


class FakeClient:
    """A sink that notes everything. With `room` bytes taken it is not writable until `take` is called."""

    def __init__(self, *, room: int | None = None) -> None:
        self.room = room
        self.status = 0
        self.headers: Headers = ()
        self.chunks: list[bytes] = []
        self.is_started = self.is_ended = self.has_left = self.is_whole = False
        self.on_drained: Callable[[], None] | None = None
        self.on_paused: Callable[[], None] | None = None
        self._waiting = 0
        self._drained = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def is_writable(self) -> bool:
        return self.room is None or self._waiting < self.room

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    def start(self, status: int, headers: Headers) -> None:
        assert not self.is_started
        self.is_started, self.status, self.headers = True, status, headers

    def write(self, data: bytes) -> None:
        assert self.is_started
        assert not self.is_ended
        self.chunks.append(data)
        self._waiting += len(data)
        if not self.is_writable and self.on_paused is not None:
            self.on_paused()

    def end(self, data: bytes = b"") -> None:
        if data:
            self.write(data)
        self.is_ended = True

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.start(status, headers)
        self.is_whole = True
        self.end(body)

    def give_up(self) -> None:
        self.is_ended = self.has_left = True

    def take(self) -> None:
        """The client reads everything that waits."""
        self._waiting = 0
        self._drained.set()
        self._drained = asyncio.Event()
        if self.on_drained is not None:
            self.on_drained()

    async def drained(self) -> None:
        while not self.is_writable:
            await self._drained.wait()

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[None]:
        yield

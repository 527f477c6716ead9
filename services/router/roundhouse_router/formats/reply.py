"""What the router needs of an upstream's answer, and answers that are here already."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from roundhouse_router.wire.errors import TooLarge

__all__ = ["UpstreamReply", "WholeReply"]


class UpstreamReply(Protocol):
    """An answer, from when its head is there: `wire.reply.Reply`, or what is made of several of them.

    Read it by `read_all`, by `read`, or have it pumped; one of the three.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body. Raises Broken, Silent, TooLarge."""

    async def read(self) -> bytes:
        """Return what came since the last call, waiting for something; b"" at the end. Raises Broken, Silent."""

    def pump(self, sink: Callable[[bytes], None]) -> "asyncio.Future[None]":
        """Give each piece to `sink` as it comes. The future ends with the answer."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def idle_timeout(self, seconds: float) -> None:
        """From now on it may be silent for so long between two pieces."""

    def close(self) -> None:
        """Give up the rest at once. Nothing happens after the end."""


class WholeReply:
    """An answer that was put together here."""

    def __init__(self, status: int, body: bytes, content_type: bytes) -> None:
        self.status = status
        self.headers: Mapping[bytes, bytes] = {b"content-type": content_type}
        self._body = body

    async def read_all(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise TooLarge(f"the answer is larger than {limit} bytes")
        return self._body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    def pump(self, sink: Callable[[bytes], None]) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        body, self._body = self._body, b""
        try:
            if body:
                sink(body)
            future.set_result(None)
        except Exception as error:  # noqa: BLE001 - it is the caller's own, who gets it from the future
            future.set_exception(error)
        return future

    def pause(self) -> None:
        """It is here already."""

    def resume(self) -> None:
        """It is here already."""

    def idle_timeout(self, seconds: float) -> None:
        """It is here already."""

    def close(self) -> None:
        """It is here already."""

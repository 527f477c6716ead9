"""The body of a request that does not come together with its head."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from roundhouse_router.domain.errors import BodyTooLarge
from roundhouse_router.wire.errors import ClientLeft

__all__ = ["Incoming", "too_large"]


class Incoming:
    """Pieces as they came. `awaited` is called when somebody wants more: reading goes on, `100 Continue` goes out."""

    __slots__ = (
        "_awaited",
        "_failure",
        "_pieces",
        "_quiet_to",
        "_waiter",
        "announced",
        "held",
        "is_complete",
        "is_discarded",
        "size",
    )

    def __init__(self, announced: int | None, awaited: Callable[[], None]) -> None:
        self.announced = announced
        """Content-length; None for a chunked body."""
        self.size = 0
        """Bytes that came so far."""
        self.held = 0
        """Bytes that wait to be read."""
        self.is_complete = False
        self.is_discarded = False
        self._awaited = awaited
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._quiet_to = 0
        self._failure: ClientLeft | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for more."""
        return self._waiter is not None

    def lacks(self, size: int) -> bool:
        """Whether at least so many bytes of it are still to come."""
        return self.announced is not None and self.announced - self.size >= size

    def feed(self, pieces: Sequence[bytes]) -> None:
        """Take pieces."""
        size = sum(map(len, pieces))
        self.size += size
        if not self.is_discarded:
            self.held += size
            self._pieces += pieces
        if self.size > self._quiet_to:
            self._wake()

    def complete(self) -> None:
        """All is here."""
        self.is_complete = True
        self._wake()

    def fail(self, error: ClientLeft) -> None:
        """No more will come."""
        if not self.is_complete:
            self._failure = error
            self._wake()

    def discard(self) -> None:
        """Nobody will read it."""
        self.is_discarded = True
        self.held = 0
        self._pieces = []

    def take(self, limit: int) -> bytes:
        """Return what is here. Raises BodyTooLarge."""
        if self.size > limit:
            raise too_large(limit)
        pieces, self._pieces, self.held = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self, limit: int) -> bytes:
        """Return all of it. Raises BodyTooLarge as soon as that is known, ClientLeft."""
        if (self.announced or 0) > limit:
            raise too_large(limit)
        while not self.is_complete and self.size <= limit:
            await self._more(quiet_to=limit)
        return self.take(limit)

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """Yield it as it comes; while the caller is busy no more than the server's limit is kept."""
        if (self.announced or 0) > limit:
            raise too_large(limit)
        while True:
            if self._pieces or self.size > limit:
                yield self.take(limit)
            elif self.is_complete:
                return
            else:
                await self._more()

    async def _more(self, quiet_to: int = -1) -> None:
        """Wait for a piece, or for the end or more than `quiet_to` bytes in all."""
        if self._failure is not None:
            raise self._failure
        if self._waiter is not None:
            raise RuntimeError("two readers of one body")
        self._quiet_to = quiet_to
        self._waiter = asyncio.get_running_loop().create_future()
        self._awaited()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def too_large(limit: int) -> BodyTooLarge:
    """Return the error of a body beyond the limit."""
    return BodyTooLarge(f"The request body is larger than {limit} bytes, which is the most that is accepted.")

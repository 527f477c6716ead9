"""The frame of a translated stream: splits bytes, translates piece by piece, and loses nothing before a fault."""

from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from roundhouse_router.domain.errors import UpstreamFailed

__all__ = ["Splitter", "Translation"]

T = TypeVar("T")


class Splitter(Protocol[T]):
    """What finds the pieces: events or lines."""

    def feed(self, chunk: bytes) -> list[T]: ...

    def finish(self) -> list[T]: ...


class Translation(Generic[T]):
    """A `StreamTranslator` of a splitter, a function for each piece, and one for the end."""

    def __init__(self, splitter: Splitter[T], take: Callable[[T], bytes], end: Callable[[], bytes]) -> None:
        self._splitter = splitter
        self._take = take
        self._end = end
        self._fault: Callable[[], UpstreamFailed] | None = None
        """Makes it anew: one that was raised holds the frames that it passed, and those hold this."""

    @property
    def has_failed(self) -> bool:
        """Whether the next call raises."""
        return self._fault is not None

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go out now. Raises UpstreamFailed, at the next call if there is something to send first."""
        return self._translated(lambda: self._splitter.feed(chunk), None)

    def finish(self) -> bytes:
        """Return the end. Raises UpstreamFailed if the stream had none of its own."""
        made = self._translated(self._splitter.finish, self._end)
        if self._fault is not None and made:
            # Nobody asks again: what was made is lost, and the fault is told.
            raise self._fault()
        return made

    def _translated(self, split: Callable[[], list[T]], end: Callable[[], bytes] | None) -> bytes:
        if self._fault is not None:
            raise self._fault()
        made: list[bytes] = []
        try:
            for piece in split():
                made.append(self._take(piece))
            if end is not None:
                made.append(end())
        except UpstreamFailed as fault:
            self._fault = partial(UpstreamFailed, fault.message, param=fault.param, code=fault.error_code)
            if not any(made):
                raise
        return b"".join(made)

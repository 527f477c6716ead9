"""One request as the log sees it: what became of it, and with bodies what its client was sent."""

import enum
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.request_log.texts import READ_MOST
from roundhouse_router.reuse.sink import Headers, Sink, Through, content_type_of

__all__ = ["HeardSink", "Level", "Watch", "Watched"]


class Level(enum.IntEnum):
    """How much is logged of a request."""

    OFF = 0
    METADATA = 1
    BODIES = 2


class Watched(Protocol):
    """A request that tells its watch how it was settled."""

    watch: "Watch | None"


class Watch:
    """Submits itself when the request is settled and its answer has ended, whichever comes last."""

    __slots__ = ("_is_ended", "_submit", "at", "body", "heard", "levels", "message", "provider", "record", "route")

    def __init__(
        self, submit: Callable[["Watch"], None], levels: tuple[Level, ...], body: bytes, heard: "HeardSink | None"
    ) -> None:
        self._submit = submit
        self._is_ended = False
        self.levels = levels
        """What each log wanted when the request began."""
        self.body = body
        """Empty where bodies are not logged."""
        self.heard = heard
        self.record: UsageRecord | None = None
        self.route = ""
        self.provider = ""
        """An engine's kind, or the name of an outside provider."""
        self.at = 0.0
        """When it was submitted, Unix seconds; later than every one before it."""
        self.message = ""
        """The words of an error that took the place of an answer."""

    def settled(self, record: UsageRecord, *, route: str, provider: str) -> None:
        """Take in what became of the request. Called once."""
        self.record, self.route, self.provider = record, route, provider
        if self._is_ended:
            self._submit(self)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ended = True
        if self.heard is not None and isinstance(error, ApiError):
            self.message = error.message
        if self.record is not None:
            self._submit(self)


class HeardSink(Through):
    """A sink that passes everything on, and keeps the beginning of it."""

    __slots__ = ("_left", "chunks", "kind", "size")

    def __init__(self, target: Sink) -> None:
        super().__init__(target)
        self._left = READ_MOST
        self.chunks: list[bytes] = []
        self.kind = b""
        """The content type."""
        self.size = 0
        """Bytes of the whole answer."""

    def start(self, status: int, headers: Headers) -> None:
        self.kind = content_type_of(headers)
        self._target.start(status, headers)

    def write(self, data: bytes) -> None:
        self._hear(data)
        self._target.write(data)

    def end(self, data: bytes = b"") -> None:
        self._hear(data)
        self._target.end(data)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.kind = content_type_of(headers)
        self._hear(body)
        self._target.answer(status, headers, body)

    def give_up(self) -> None:
        self._target.give_up()

    def _hear(self, data: bytes) -> None:
        self.size += len(data)
        if self._left >= len(data) > 0:
            self._left -= len(data)
            self.chunks.append(data)
        else:
            self._left = 0  # what comes later must not follow upon a gap

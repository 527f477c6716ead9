"""Lines and server-sent events out of bytes that were cut anywhere."""

from typing import Final, NamedTuple

from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.stream import MAX_LINE_BYTES

__all__ = ["Event", "EventSplitter", "LineSplitter"]

_NAMED: Final = (b"event", b"data", b"error")


class LineSplitter:
    """Bytes in, whole lines out, without their ends."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        """A line that has no end yet, as it came: joining at every piece would cost the square of its length."""
        self._held = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are whole now. Raises UpstreamFailed for one without an end."""
        if b"\n" not in chunk:
            self._hold(chunk)
            return []
        self._parts.append(chunk)
        lines = b"".join(self._parts).split(b"\n")
        self._parts, self._held = [], 0
        self._hold(lines.pop())
        return [line.removesuffix(b"\r") for line in lines]

    def finish(self) -> list[bytes]:
        """Return a last line whose end never came."""
        rest, self._parts, self._held = b"".join(self._parts), [], 0
        return [rest.removesuffix(b"\r")] if rest else []

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._held += len(piece)
        if self._held > MAX_LINE_BYTES:
            raise UpstreamFailed(f"The upstream sent a line of more than {MAX_LINE_BYTES} bytes.")
        self._parts.append(piece)


class Event(NamedTuple):
    """One server-sent event."""

    name: bytes
    """Empty: the event did not say."""
    data: bytes
    """Its lines, joined by newlines."""


class EventSplitter:
    """Bytes in, whole events out. Comments and events without data are not told.

    A line `error: {...}`, which older llama.cpp servers send, is an event `error`.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._name = b""
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that are whole now. Raises UpstreamFailed for one without an end."""
        events: list[Event] = []
        for line in self._lines.feed(chunk):
            self._take(line, events)
        return events

    def finish(self) -> list[Event]:
        """Return a last event whose blank line never came."""
        events: list[Event] = []
        for line in self._lines.finish():
            self._take(line, events)
        self._take(b"", events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if self._data:
                events.append(Event(self._name, b"\n".join(self._data)))
            self._name, self._data, self._held = b"", [], 0
            return
        field, _, value = line.partition(b":")
        if field not in _NAMED:
            return
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value
            return
        if field == b"error":
            self._name = b"error"
        self._held += len(value)
        if self._held > MAX_LINE_BYTES:
            raise UpstreamFailed(f"The upstream sent an event of more than {MAX_LINE_BYTES} bytes.")
        self._data.append(value)

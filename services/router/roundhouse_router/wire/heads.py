"""Heads of requests and answers as bytes. What callers give is checked: nothing in a value can begin a line."""

import http
from collections.abc import Collection, Iterable, Iterator
from email.utils import formatdate
from typing import Final

import msgspec

__all__ = [
    "LOWERED",
    "Headers",
    "Lines",
    "Moment",
    "answer_head",
    "check_lines",
    "chunk_begin",
    "error_body",
    "extended",
    "framed",
    "head_end",
    "lines_of",
    "request_head",
]

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in http.HTTPStatus
}
_OK: Final = _STATUS_LINES[200]
Header = tuple[bytes, bytes]
Headers = Collection[Header]
_KNOWN: Final[dict[tuple[Header, ...], bytes]] = {}
"""Lines that were asked for lately: engines and routes say few different things. Bounded, then emptied."""
_KNOWN_MOST: Final = 256
_KNOWN_BYTES: Final = 400
_SHORT: Final = 8192
_ENDS: Final[list[bytes | None]] = [None] * _SHORT
"""The ends of heads, by the length of the body, once they were needed."""
_SIZES: Final[list[bytes | None]] = [None] * _SHORT
"""The beginnings of chunks, likewise."""
_BEGINS: Final[list[bytes | None]] = [None] * _SHORT
"""The same, by the length of the chunk with all that frames it."""
LOWERED: Final = {
    spelled: name
    for name in (
        *(b"accept", b"accept-encoding", b"accept-language", b"authorization", b"cache-control", b"connection"),
        *(b"content-length", b"content-type", b"date", b"host", b"server", b"traceparent", b"transfer-encoding"),
        *(b"user-agent", b"x-api-key", b"x-request-id"),
    )
    for spelled in (name, name.title())
}
"""Names of headers in lower case, by how almost everybody spells them."""


class Moment:
    """What all connections of a server share: the time of its last look at them, and whether it stops."""

    __slots__ = ("_second", "date_line", "is_draining", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """The monotonic clock: what deadlines are counted from."""
        self.is_draining = False
        self.date_line = b""
        """The `date` header, made once a second."""
        self._second = -1

    def update(self, now: float, date: float) -> None:
        """Take the monotonic and the wall-clock time."""
        self.now = now
        second = int(date)
        if second != self._second:
            self._second = second
            self.date_line = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()


class Lines:
    """Headers as the lines that they are sent as, so that an answer's head is put together without taking them apart.

    What `ready` is made of was checked, or is ours.
    """

    __slots__ = ("ready",)

    def __init__(self, ready: bytes) -> None:
        self.ready = ready

    def __iter__(self) -> Iterator[Header]:
        for line in self.ready.split(b"\r\n")[:-1]:
            name, _, value = line.partition(b": ")
            yield name, value

    def __len__(self) -> int:
        return self.ready.count(b"\r\n")

    def __contains__(self, header: object) -> bool:
        return header in tuple(self)


def extended(headers: Headers, more: tuple[Header, ...]) -> Headers:
    """Return the headers with more of them behind. Raises ValueError for a line break inside of `more`."""
    if type(headers) is not Lines:
        return (*headers, *more)
    known = _KNOWN.get(more)
    if known is None:
        known = lines_of(more)
        if len(known) <= _KNOWN_BYTES:
            if len(_KNOWN) >= _KNOWN_MOST:
                _KNOWN.clear()
            _KNOWN[more] = known
    return Lines(headers.ready + known)


def lines_of(headers: Headers) -> bytes:
    """Return the headers as lines. Raises ValueError for a line break inside."""
    if type(headers) is Lines:
        return headers.ready
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    check_lines(lines, len(headers))
    return lines


def answer_head(status: int, headers: Headers, framing: bytes, end: bytes, body: bytes = b"") -> bytes:
    """Return the head of an answer, with `body` behind it. `framing` is header lines of ours, `end` the last ones and
    an empty line. Raises ValueError for a line break inside of the headers."""
    first = _OK if status == 200 else _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"".join((first, lines_of(headers), framing, end, body))


def head_end(size: int) -> bytes:
    """Return the end of a head with a body of this length behind it."""
    if size >= _SHORT:
        return b"content-length: %d\r\n\r\n" % size
    end = _ENDS[size]
    if end is None:
        end = _ENDS[size] = b"content-length: %d\r\n\r\n" % size
    return end


def framed(head: bytes, data: bytes, end: bytes) -> bytes:
    """Return a chunk of a body, which is not empty, behind a head; `end` begins with the chunk's CRLF."""
    size = len(data)
    begin = _SIZES[size] if size < _SHORT else None
    if begin is None:
        begin = b"%x\r\n" % size
        if size < _SHORT:
            _SIZES[size] = begin
    return b"".join((head, begin, data, end))


def chunk_begin(length: int) -> bytes:
    """Return what a chunk of so many bytes, its framing included, begins with if it is one chunk, whole, and written as
    almost everybody writes it. b"": no chunk is so long, or it is so long that it does not matter."""
    if length >= _SHORT:
        return b""
    begin = _BEGINS[length]
    if begin is None:
        begin = b""
        for size in range(max(1, length - 12), length):
            line = b"%x\r\n" % size
            if len(line) + size + 2 == length:
                begin = line
        _BEGINS[length] = begin
    return begin


def check_lines(lines: bytes, count: int) -> None:
    """Raise ValueError unless so many line ends that we wrote are the only CR and LF, and there is no NUL."""
    if lines.count(b"\n") != count or lines.count(b"\r") != count or b"\0" in lines:
        raise ValueError("a header with a line break or a NUL in it; give one value per header")


def request_head(method: bytes, target: bytes, host: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request as `Client.send` takes it: without framing and without the empty line."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"host: %b" % host, *(b"%b: %b" % header for header in headers)]
    if b" " in target or b" " in method:
        raise ValueError("a request line with a space in it; percent-encode the path")
    head = b"\r\n".join(lines) + b"\r\n"
    check_lines(head, len(lines))
    return head


def error_body(message: str, kind: str, code: str) -> bytes:
    """Return an error in OpenAI's shape."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})

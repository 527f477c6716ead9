"""Heads of requests and answers as bytes. What callers give is checked: nothing in a value can begin a line."""

import http
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from itertools import chain
from typing import Final

import msgspec

__all__ = ["DateLine", "Headers", "answer_head", "check_lines", "error_body", "request_head"]

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in http.HTTPStatus
}
_LINE: Final = b"%b: %b\r\n"
_LINES_MOST: Final = 32
_LINES: Final = tuple(_LINE * count for count in range(_LINES_MOST))
Headers = Sequence[tuple[bytes, bytes]]


class DateLine:
    """The `date` header, made once a second."""

    __slots__ = ("_second", "line")

    def __init__(self) -> None:
        self._second = -1
        self.line = b""

    def update(self, now: float) -> None:
        """Take the wall-clock time."""
        second = int(now)
        if second != self._second:
            self._second = second
            self.line = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()


def answer_head(status: int, headers: Headers, framing: bytes) -> bytes:
    """Return the head of an answer. `framing` is header lines of ours. Raises ValueError for a line break inside."""
    count = len(headers)
    lines = (_LINES[count] if count < _LINES_MOST else _LINE * count) % tuple(chain.from_iterable(headers))
    check_lines(lines, count)
    first = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"%b%b%b\r\n" % (first, lines, framing)


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

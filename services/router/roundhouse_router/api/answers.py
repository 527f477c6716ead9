"""What came back from an engine or a provider: all of it, or a stream that has begun."""

from collections.abc import Mapping

from roundhouse_router.api.course import Course, StreamReader
from roundhouse_router.formats.reply import UpstreamReply

__all__ = ["Live", "Whole"]


class Whole:
    """An answer that is here to its last byte."""

    __slots__ = ("body", "course", "headers", "status")

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: bytes, course: Course) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.course = course


class Live:
    """A stream of which the first content is here. Whoever gets it closes the reply."""

    __slots__ = ("course", "first", "reader", "reply")

    def __init__(self, reply: UpstreamReply, first: list[bytes], course: Course, reader: StreamReader) -> None:
        self.reply = reply
        self.first = first
        self.course = course
        self.reader = reader

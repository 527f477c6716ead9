"""Reads one tenant's request log backwards, as far as one answer may look."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_common.contracts.request_log import LoggedRequest, ReadRequestLog
from roundhouse_router.request_log.segments import Segment, segments_of

__all__ = ["READ_MOST_BYTES", "Found", "read_lines"]

READ_MOST_BYTES: Final = 64 * 1024 * 1024
"""After this much one answer is over, with the file that is being read: the thread must not be busy for long."""
_ANSWER_BYTES: Final = 512 * 1024
"""Lines in one answer: servers refuse messages of more than 1 MiB."""
_SLACK_S: Final = 1.0
"""Files that were begun within one millisecond have names of several."""
_TEXTS: Final = ("request", "answer", "error")
Key = tuple[float, str]


class Found(msgspec.Struct, frozen=True):
    """Lines, the newest first, and how far back was looked; None: at all there is."""

    lines: list[LoggedRequest]
    reached: Key | None


class _Head(msgspec.Struct):
    """What a line is chosen by."""

    logged_at: float
    request_id: str
    key_id: str = ""
    model_requested: str = ""
    http_status: int = 0
    outcome: str = ""


def read_lines(directory: Path, query: ReadRequestLog, *, since: float) -> Found:
    """Return what fits the query and is not older than `since`. Raises OSError."""
    before: Key = (query.before_at or float("inf"), query.before_id)
    lines: list[LoggedRequest] = []
    read, size, reached = 0, 0, before
    for segment in _segments(directory, query, since, before):
        if read > READ_MOST_BYTES and reached < before:  # else the next answer would be the same
            return Found(lines, reached)
        written = _content(segment).splitlines(keepends=True)
        read += sum(map(len, written))
        reached = min(_oldest(written), reached)
        for line in reversed(written):
            head = _head(line, query.request_id)
            key = (head.logged_at, head.request_id) if head is not None else before
            if head is None or key >= before:
                continue
            if head.logged_at < since:
                return Found(lines, None)
            if not _fits(head, query):
                continue
            shown = LoggedRequest(at=head.logged_at, request_id=head.request_id, line=_shown(line, query.has_texts))
            lines.append(shown)
            size += len(shown.line)
            if len(lines) >= query.limit or size > _ANSWER_BYTES:
                return Found(lines, key)
    return Found(lines, None)


def _segments(directory: Path, query: ReadRequestLog, since: float, before: Key) -> Iterator[Segment]:
    until = min(before[0], query.until or before[0])
    for segment in reversed(segments_of(directory)):
        if segment.begins_at - _SLACK_S <= until and segment.ends_at + _SLACK_S >= since:
            yield segment


def _oldest(lines: list[bytes]) -> Key:
    """Return where the first line stands; beyond everything if there is none."""
    for line in lines:
        if (head := _head(line, "")) is not None:
            return head.logged_at, head.request_id
    return float("inf"), ""


def _content(segment: Segment) -> bytes:
    """Return the file; nothing of one that was deleted meanwhile."""
    try:
        return segment.path.read_bytes()
    except FileNotFoundError:
        return b""


def _head(line: bytes, request_id: str) -> _Head | None:
    """Return what the line is chosen by; None for what a crash left of one, and for other requests."""
    if not line.endswith(b"\n") or (request_id and request_id.encode() not in line):
        return None
    try:
        return msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError:
        return None


def _fits(head: _Head, query: ReadRequestLog) -> bool:
    return (
        (not query.until or head.logged_at < query.until)
        and (not query.request_id or head.request_id == query.request_id)
        and (not query.key_id or head.key_id == query.key_id)
        and (not query.model or head.model_requested == query.model)
        and (not query.status or head.http_status == query.status)
        and (not query.outcome or head.outcome == query.outcome)
    )


def _shown(line: bytes, has_texts: bool) -> str:
    """Return the line, without texts that were not asked for, or that are too large for a message."""
    if has_texts and len(line) <= _ANSWER_BYTES:
        return line.decode()
    document = msgspec.json.decode(line)
    for name in _TEXTS:
        if (text := document.pop(name, None)) is not None:
            document[f"{name}_bytes"] = len(msgspec.json.encode(text))
    return msgspec.json.encode(document).decode()

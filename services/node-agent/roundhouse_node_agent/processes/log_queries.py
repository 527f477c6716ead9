"""Answering questions about logs, and following them line by line."""

import re
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.node import LogChunk, LogLine, LogQuery
from roundhouse_node_agent.processes.log_files import read_range, read_tail

__all__ = ["LogFeed", "answer", "new_lines", "plain_text"]

_MOST_BYTES = 262_144
"""Keeps an answer well below the bus's largest message, also when it is escaped."""
_MOST_LINES = 5_000
_LINE_CHARACTERS = 4_000
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFeed:
    """Where the next live line of a replica begins."""

    directory: Path
    offset: int


def plain_text(data: bytes) -> str:
    """Return bytes as text that can be shown anywhere: terminal codes and control characters are left out."""
    return _CONTROL.sub("", data.decode("utf-8", "replace"))


def answer(log_dir: Path, query: LogQuery) -> LogChunk:
    """Return what the query asks for. Blocks on the disk."""
    max_bytes = min(max(query.max_bytes, 1), _MOST_BYTES)
    if query.offset >= 0:
        found = read_range(log_dir, query.offset, max_bytes)
        is_truncated = found is not None and found.offset > query.offset
    else:
        found = read_tail(log_dir, min(query.tail, _MOST_LINES), max_bytes)
        is_truncated = found is not None and found.offset == found.first_offset > 0
    if found is None:
        why = "this node has no log of it: its engine was never started here, or it was long ago"
        return LogChunk(replica_id=query.replica_id, offset=0, next_offset=0, text="", error=why)
    return LogChunk(
        replica_id=query.replica_id,
        offset=found.offset,
        next_offset=found.next_offset,
        text=plain_text(found.data),
        is_truncated=is_truncated,
    )


def new_lines(replica_id: str, feed: LogFeed, *, max_lines: int) -> tuple[LogFeed, list[LogLine]]:
    """Return the whole lines written since, and where the next begins. Beyond `max_lines` the oldest are skipped."""
    found = read_range(feed.directory, feed.offset, _MOST_BYTES)
    if found is None or not found.data.endswith(b"\n"):
        return feed, []
    lines = []
    offset = found.offset
    for raw in found.data.splitlines(keepends=True):
        text = plain_text(raw).rstrip("\n")[:_LINE_CHARACTERS]
        lines.append(LogLine(replica_id=replica_id, offset=offset, line=text))
        offset += len(raw)
    skipped = max(0, len(lines) - max_lines)
    if skipped:
        note = f"[roundhouse] {skipped} lines are not shown live; read the log to see them"
        lines = [LogLine(replica_id=replica_id, offset=lines[skipped].offset, line=note), *lines[skipped:]]
    return LogFeed(directory=feed.directory, offset=found.next_offset), lines

"""How far parts were that are not whole: noted when a transfer ends in good order, so that a pause costs nothing.

Beside the journal, for it is written whole and seldom. After `kill -9` it is older than the data, and still true: what
is written of a part stays as it is until the file starts afresh, and then this is deleted first.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from roundhouse_node_agent.transfers.durable import write_durably
from roundhouse_node_agent.transfers.journal import JournalHead

__all__ = ["read_begun", "write_begun"]


class _Begun(msgspec.Struct, frozen=True, kw_only=True):
    head: JournalHead
    """Of the journal that it belongs to."""
    parts: dict[int, int]
    """By number: how many bytes from the part's start on are written."""


def read_begun(path: Path, head: JournalHead, whole: Collection[int]) -> dict[int, int]:
    """Return how many bytes there are of parts that are not whole."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Begun)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    if found.head != head:
        return {}
    return {part: count for part, count in found.parts.items() if _is_possible(head, part, count) and part not in whole}


def write_begun(path: Path, head: JournalHead, parts: Mapping[int, int]) -> None:
    """Note it; the data must be synced."""
    write_durably(path, msgspec.json.encode(_Begun(head=head, parts=dict(parts))))


def _is_possible(head: JournalHead, part: int, count: int) -> bool:
    return 0 <= part < head.part_count and 0 < count <= min(head.part_bytes, head.size - part * head.part_bytes)

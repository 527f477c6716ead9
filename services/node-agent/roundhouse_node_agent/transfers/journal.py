"""Which parts of a file are whole on the disk: what lets a transfer go on after any kind of end.

A line of JSON says what is fetched; then 16 hexadecimal digits and a line end for each whole part: its number, and a
checksum over that and the first line. A part is added after its data was synced, so what the journal says is true
also after a power loss; what a crash tore off at its end does not check and is cut off.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_node_agent.transfers.durable import write_durably

__all__ = ["Journal", "JournalHead", "bytes_of", "look"]

_RECORD_BYTES: Final = 17
_MOST_HEAD_BYTES: Final = 64 * 1024
_VERSION: Final = 1


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts are parts of. Parts of another file, or of another state of it, are worth nothing."""

    version: int = _VERSION
    size: int
    part_bytes: int
    digest: str = ""
    """The one that is wanted; empty when none is known."""
    validator: str = ""
    """ETag or Last-Modified of what the server had; only where no digest is known."""

    @property
    def part_count(self) -> int:
        return -(-self.size // self.part_bytes)


class Journal:
    """One file's journal, open for adding. One process at a time: whoever opens it holds the file's lock."""

    def __init__(self, fd: int, head: JournalHead, check: int, parts: set[int]) -> None:
        self._fd = fd
        self.head = head
        self._check = check
        self.parts = parts
        """Numbers of the parts that are whole."""

    @classmethod
    def begin(cls, path: Path, head: JournalHead) -> "Journal":
        """Start a journal without parts in place of whatever is there."""
        write_durably(path, msgspec.json.encode(head) + b"\n")
        journal = cls.open(path)
        if journal is None:
            raise OSError(f"{path} cannot be read back")
        return journal

    @classmethod
    def open(cls, path: Path) -> "Journal | None":
        """Return what is there; None when there is none that can be understood."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        content = _read(fd)
        found = _parse(content)
        if found is None:
            os.close(fd)
            return None
        head, check, parts, length = found
        if length < len(content):
            os.ftruncate(fd, length)
        return cls(fd, head, check, parts)

    def add(self, parts: Iterable[int]) -> None:
        """Note parts as whole; their data must be synced. On return the note is, too."""
        new = sorted(set(parts) - self.parts)
        if not new:
            return
        os.write(self._fd, b"".join(_record(part, self._check) for part in new))
        os.fdatasync(self._fd)
        self.parts.update(new)

    def close(self) -> None:
        os.close(self._fd)


def look(path: Path) -> tuple[JournalHead, set[int]] | None:
    """Return what is being fetched and which parts of it are whole, also while another process writes the journal."""
    try:
        found = _parse(path.read_bytes())
    except OSError:
        return None
    return (found[0], found[2]) if found is not None else None


def bytes_of(head: JournalHead, parts: Iterable[int]) -> int:
    """Return how much of the file these parts are."""
    last = head.part_count - 1
    return sum(head.size - last * head.part_bytes if part == last else head.part_bytes for part in parts)


def _read(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, 1024 * 1024):
        pieces.append(piece)
    return b"".join(pieces)


def _parse(content: bytes) -> tuple[JournalHead, int, set[int], int] | None:
    """Return the head, its checksum, the parts, and how far the content is sound."""
    length = content.find(b"\n", 0, _MOST_HEAD_BYTES) + 1
    try:
        head = msgspec.json.decode(content[:length], type=JournalHead)
    except msgspec.DecodeError:
        return None
    if head.version != _VERSION or head.size < 0 or head.part_bytes < 1:
        return None
    check = zlib.crc32(content[:length])
    parts: set[int] = set()
    while (part := _part(content[length : length + _RECORD_BYTES], check, head)) is not None:
        parts.add(part)
        length += _RECORD_BYTES
    return head, check, parts, length


def _part(record: bytes, check: int, head: JournalHead) -> int | None:
    """Return the number in a record; None when it is torn, or says what cannot be."""
    try:
        part = int(record[:8], 16)
    except ValueError:
        return None
    return part if record == _record(part, check) and part < head.part_count else None


def _record(part: int, check: int) -> bytes:
    number = b"%08x" % part
    return b"%s%08x\n" % (number, zlib.crc32(number, check))

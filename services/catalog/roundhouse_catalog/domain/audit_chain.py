"""The chain of the audit: every entry's hash covers the one before, so that nothing can be changed or left out unseen.

Hashes are over the canonical JSON of RFC 8785: members in order, no spaces, one way to write each value.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.identity import AuditRecord

__all__ = ["GENESIS", "Break", "Entry", "Head", "canonical", "entry_after", "first_break", "hash_of"]

GENESIS: Final = "0" * 64
"""What stands for the hash before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the chain ends. Kept elsewhere, it shows later whether entries were cut off."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as it is kept."""

    sequence: int
    """1, 2, 3, ... without gaps."""
    previous_hash: str
    hash: str
    record: str
    """Canonical JSON of the AuditRecord, exactly as it was hashed."""

    def read(self) -> AuditRecord:
        """Return the record. Raises msgspec.MsgspecError when the text is none."""
        return msgspec.json.decode(self.record, type=AuditRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where the chain does not hold."""

    sequence: int
    why: str


def canonical(record: AuditRecord) -> str:
    """Return the record as RFC 8785 writes it. Members with their default are there too: the text explains itself."""
    members = {name: _plain(getattr(record, name)) for name in record.__struct_fields__}
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(sequence: int, previous_hash: str, record: str) -> str:
    """Return the SHA-256 of an entry, in hex: of its number, the hash before, and its text, one per line."""
    return hashlib.sha256(f"{sequence}\n{previous_hash}\n{record}".encode()).hexdigest()


def entry_after(head: Head, record: AuditRecord) -> Entry:
    """Return the entry that comes next."""
    sequence, text = head.sequence + 1, canonical(record)
    return Entry(sequence=sequence, previous_hash=head.hash, hash=hash_of(sequence, head.hash, text), record=text)


def first_break(entries: Iterable[Entry], after: Head) -> Break | Head:
    """Walk the entries that follow a head: return the new head, or the first entry that does not follow."""
    head = after
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            why = f"entry {head.sequence + 1} is missing; {entry.sequence} comes next"
            return Break(sequence=head.sequence + 1, why=why)
        if entry.previous_hash != head.hash:
            return Break(sequence=entry.sequence, why="it does not follow from the entry before")
        if entry.hash != hash_of(entry.sequence, entry.previous_hash, entry.record):
            return Break(sequence=entry.sequence, why="what it says was changed")
        head = Head(sequence=entry.sequence, hash=entry.hash)
    return head


def _plain(value: Any) -> Any:  # Any: a member of a record
    """Return a value that JSON has; whole numbers without a fraction, as ECMAScript writes them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value

"""The format of a spool segment: one line per entry, each with a checksum, so that a torn write is seen.

    <crc32 of the rest, 8 hex digits> H <JSON of Head>
    <crc32 of the rest, 8 hex digits> A <request id> <JSON of Admission, an array>
    <crc32 of the rest, 8 hex digits> S <request id> <JSON of UsageRecord, settled>
    <crc32 of the rest, 8 hex digits> a <JSON array> <request id> <JSON array>
    <crc32 of the rest, 8 hex digits> s <JSON array> <request id> <JSON array>

`a` and `s` say the same as `A` and `S`, shorter: first what entries of a kind have in common, last what this one has
of its own (`parts.py`). What is common is encoded and summed up once (`frames.py`), and decoded once.

JSON never holds a raw line feed, so a line is an entry. A line that does not match its checksum is counted and passed
over; the lines after it stand for themselves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.parts import admission_of, record_of

__all__ = [
    "Head",
    "Line",
    "decode_admission",
    "decode_record",
    "encode_admission",
    "encode_head",
    "encode_record",
    "finals_in",
    "framed",
    "scan",
    "segment_numbers",
    "segment_path",
]

_SUFFIX: Final = ".spool"
_ADMITTED: Final = b"A"
_SETTLED: Final = b"S"
_HEAD: Final = b"H"
_ADMITTED_IN_PARTS: Final = b"a"
_SETTLED_IN_PARTS: Final = b"s"
_IN_PARTS: Final = (b"a ", b"s ")
_FINAL: Final = (b"s ", b"S ")
_record: Final = msgspec.json.Decoder(UsageRecord)
_admission: Final = msgspec.json.Decoder(Admission)
_encoder: Final = msgspec.json.Encoder()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of every segment: what must survive although older segments are deleted."""

    router_id: str
    next_sequence: int
    created_at: float


class Line:
    """One entry, not decoded yet. `kind` is empty for a damaged line; `end` is the offset behind it."""

    __slots__ = ("common", "end", "kind", "payload", "request_id")

    def __init__(self, kind: bytes, common: bytes, request_id: str, payload: bytes, end: int) -> None:
        self.kind = kind
        self.common = common
        """Of an entry in two parts."""
        self.request_id = request_id
        self.payload = payload
        self.end = end

    @property
    def is_head(self) -> bool:
        return self.kind == _HEAD

    @property
    def is_admission(self) -> bool:
        return self.kind == _ADMITTED_IN_PARTS or self.kind == _ADMITTED

    @property
    def is_final(self) -> bool:
        return self.kind == _SETTLED_IN_PARTS or self.kind == _SETTLED

    @property
    def is_damaged(self) -> bool:
        return not self.kind


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:012d}{_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments on disk, oldest first."""
    return sorted(int(path.stem) for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit())


def encode_head(head: Head) -> bytes:
    return framed(_HEAD + b" - " + _encoder.encode(head))


def encode_admission(admission: Admission) -> bytes:
    return framed(b"A %b %b" % (admission.request_id.encode(), _encoder.encode(admission)))


def encode_record(record: UsageRecord) -> bytes:
    return framed(b"S %b %b" % (record.request_id.encode(), _encoder.encode(record)))


def decode_admission(line: Line) -> Admission:
    """Return it, also from the form of the first release: a UsageRecord without an outcome."""
    if line.common:
        return admission_of(line.request_id, line.common, line.payload)
    if not line.payload.startswith(b"{"):
        return _admission.decode(line.payload)
    record = _record.decode(line.payload)
    return Admission(*(getattr(record, name) for name in Admission.__struct_fields__))


def decode_record(line: Line) -> UsageRecord:
    if line.common:
        return record_of(line.request_id, line.common, line.payload)
    return _record.decode(line.payload)


def scan(data: bytes, start: int = 0) -> Iterator[Line]:
    """Yield the whole lines of `data`, which begins at offset `start`. A last line without its end is not yielded."""
    position = 0
    while (end := data.find(b"\n", position)) >= 0:
        yield _parse(data[position:end], start + end + 1)
        position = end + 1


def finals_in(data: bytes, start: int) -> tuple[list[Line], int]:
    """Return the outcomes among the whole lines of `data`, which begins at offset `start`, and where the lines end."""
    found = []
    position = 0
    while (end := data.find(b"\n", position)) >= 0:
        if data[position + 9 : position + 11] in _FINAL:
            line = _parse(data[position:end], start + end + 1)
            if line.is_final:
                found.append(line)
        position = end + 1
    return found, start + position


def framed(rest: bytes) -> bytes:
    """Return the line of an entry."""
    return b"%08x %b\n" % (crc32(rest), rest)


def _parse(line: bytes, end: int) -> Line:
    rest = line[9:]
    check = crc32(rest)
    if line[:9] == f"{check:08x} ".encode():
        if rest[:2] in _IN_PARTS:
            parts = rest[2:].rsplit(b" ", 2)  # texts in the first one may have spaces
            if len(parts) == 3:
                return Line(rest[:1], parts[0], parts[1].decode(), parts[2], end)
        else:
            parts = rest.split(b" ", 2)
            if len(parts) == 3:
                return Line(parts[0], b"", parts[1].decode(), parts[2], end)
    return Line(b"", b"", "", b"", end)

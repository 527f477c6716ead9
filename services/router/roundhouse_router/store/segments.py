"""The format of a spool segment: one line per entry, each with a checksum, so that a torn write is seen.

    <crc32 of the rest, 8 hex digits> H <JSON of Head>
    <crc32 of the rest, 8 hex digits> A <request id> <JSON of Admission, an array>
    <crc32 of the rest, 8 hex digits> S <request id> <JSON of UsageRecord, settled>

JSON never holds a raw line feed, so a line is an entry. A line that does not match its checksum is counted and passed
over; the lines after it stand for themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.records import Admission

__all__ = [
    "Head",
    "Line",
    "decode_admission",
    "decode_record",
    "encode_admission",
    "encode_head",
    "encode_record",
    "framed",
    "scan",
    "segment_numbers",
    "segment_path",
]

_SUFFIX: Final = ".spool"
_ADMITTED: Final = b"A"
_SETTLED: Final = b"S"
_HEAD: Final = b"H"
_record: Final = msgspec.json.Decoder(UsageRecord)
_admission: Final = msgspec.json.Decoder(Admission)
_encoder: Final = msgspec.json.Encoder()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of every segment: what must survive although older segments are deleted."""

    router_id: str
    next_sequence: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, not decoded yet. `kind` is empty for a damaged line; `end` is the offset behind it."""

    kind: bytes
    request_id: str
    payload: bytes
    end: int

    @property
    def is_head(self) -> bool:
        return self.kind == _HEAD

    @property
    def is_admission(self) -> bool:
        return self.kind == _ADMITTED

    @property
    def is_final(self) -> bool:
        return self.kind == _SETTLED

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
    if not line.payload.startswith(b"{"):
        return _admission.decode(line.payload)
    record = _record.decode(line.payload)
    return Admission(*(getattr(record, name) for name in Admission.__struct_fields__))


def decode_record(line: Line) -> UsageRecord:
    return _record.decode(line.payload)


def scan(data: bytes, start: int = 0) -> Iterator[Line]:
    """Yield the whole lines of `data`, which begins at offset `start`. A last line without its end is not yielded."""
    position = 0
    while (end := data.find(b"\n", position)) >= 0:
        yield _parse(data[position:end], start + end + 1)
        position = end + 1


def framed(rest: bytes) -> bytes:
    """Return the line of an entry."""
    return b"%08x %b\n" % (crc32(rest), rest)


def _parse(line: bytes, end: int) -> Line:
    rest = line[9:]
    parts = rest.split(b" ", 2)
    if len(parts) != 3 or line[:9] != b"%08x " % crc32(rest):
        return Line(b"", "", b"", end)
    return Line(parts[0], parts[1].decode(), parts[2], end)

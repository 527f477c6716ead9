"""Writes Apache Parquet: flat tables of a few types, row group by row group, so that a table of any length takes the
memory of one group.

What is written is the plain part of the format (https://parquet.apache.org/docs/file-format/) that every reader knows:
pages of version 1, PLAIN values, RLE definition levels, GZIP. There is no statistic and no dictionary.
"""

import enum
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Column", "Kind", "ParquetWriter"]

_MAGIC: Final = b"PAR1"
_BOOLEAN, _INT64, _DOUBLE, _BYTE_ARRAY = 0, 2, 5, 6
_PLAIN, _RLE, _GZIP, _DATA_PAGE = 0, 3, 2, 0
_UTF8: Final = 0
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_TRUE: Final = 1
_GZIP_WINDOW: Final = 31
"""Tells zlib to write a gzip header."""
_FAST: Final = 3


class Kind(enum.Enum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    """Of 64 bits."""
    NUMBER = "number"
    FLAG = "flag"
    MOMENT = "moment"
    """Unix seconds; written as microseconds in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; a value of None is a null, where it may be one."""

    name: str
    kind: Kind
    is_optional: bool = False


@dataclass(slots=True)
class ParquetWriter:
    """Returns the bytes of a file in their order: `begin`, `group` for each group of rows, `end`."""

    columns: Sequence[Column]
    _length: int = 0
    _rows: int = 0
    _groups: list[bytes] = field(default_factory=list)

    def begin(self) -> bytes:
        return self._placed(_MAGIC)

    def group(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return a group of rows; each has its values in the order of the columns."""
        written, chunks, total = [], [], 0
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            body = _page(column, values)
            packed = zlib.compress(body, _FAST, wbits=_GZIP_WINDOW)
            header = _page_header(len(values), len(body), len(packed))
            chunks.append(_chunk(column, len(values), self._length, len(header) + len(body), len(header) + len(packed)))
            total += len(header) + len(body)
            written.append(self._placed(header + packed))
        self._groups.append(
            _struct((1, _LIST, _list(_STRUCT, chunks)), (2, _I64, _int(total)), (3, _I64, _int(len(rows))))
        )
        self._rows += len(rows)
        return b"".join(written)

    def end(self) -> bytes:
        """Return the footer: what is where."""
        root = _struct((4, _BINARY, _text("schema")), (5, _I32, _int(len(self.columns))))
        footer = _struct(
            (1, _I32, _int(1)),
            (2, _LIST, _list(_STRUCT, [root, *map(_schema_of, self.columns)])),
            (3, _I64, _int(self._rows)),
            (4, _LIST, _list(_STRUCT, self._groups)),
            (6, _BINARY, _text("roundhouse")),
        )
        return self._placed(footer + struct.pack("<I", len(footer)) + _MAGIC)

    def _placed(self, data: bytes) -> bytes:
        self._length += len(data)
        return data


def _page(column: Column, values: Sequence[Any]) -> bytes:
    """Return the values of one page, after which of them there are."""
    if not column.is_optional:
        return _ENCODERS[column.kind](values)
    levels = _bits([value is not None for value in values])
    run = _varint((len(levels) << 1) | 1) + levels
    there = [value for value in values if value is not None]
    return struct.pack("<I", len(run)) + run + _ENCODERS[column.kind](there)


def _texts(values: Sequence[str]) -> bytes:
    encoded = [value.encode(errors="replace") for value in values]
    return b"".join(part for text in encoded for part in (struct.pack("<I", len(text)), text))


def _integers(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _numbers(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def _moments(values: Sequence[float]) -> bytes:
    return _integers([round(value * 1_000_000) for value in values])


def _bits(values: Sequence[bool]) -> bytes:
    """Return flags, eight to a byte, the first one lowest."""
    packed = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        if value:
            packed[place >> 3] |= 1 << (place & 7)
    return bytes(packed)


_ENCODERS: Final[dict[Kind, Callable[[Sequence[Any]], bytes]]] = {
    Kind.TEXT: _texts,
    Kind.INTEGER: _integers,
    Kind.NUMBER: _numbers,
    Kind.FLAG: _bits,
    Kind.MOMENT: _moments,
}
_PHYSICAL: Final = {
    Kind.TEXT: _BYTE_ARRAY,
    Kind.INTEGER: _INT64,
    Kind.NUMBER: _DOUBLE,
    Kind.FLAG: _BOOLEAN,
    Kind.MOMENT: _INT64,
}


def _schema_of(column: Column) -> bytes:
    """Return a SchemaElement."""
    fields = [
        (1, _I32, _int(_PHYSICAL[column.kind])),
        (3, _I32, _int(1 if column.is_optional else 0)),
        (4, _BINARY, _text(column.name)),
    ]
    if column.kind is Kind.TEXT:
        fields += [(6, _I32, _int(_UTF8)), (10, _STRUCT, _struct((1, _STRUCT, _struct())))]
    if column.kind is Kind.MOMENT:
        microseconds = _struct((2, _STRUCT, _struct()))
        moment = _struct((1, _TRUE, b""), (2, _STRUCT, microseconds))
        fields.append((10, _STRUCT, _struct((8, _STRUCT, moment))))
    return _struct(*fields)


def _page_header(values: int, size: int, packed_size: int) -> bytes:
    data = _struct((1, _I32, _int(values)), (2, _I32, _int(_PLAIN)), (3, _I32, _int(_RLE)), (4, _I32, _int(_RLE)))
    return _struct((1, _I32, _int(_DATA_PAGE)), (2, _I32, _int(size)), (3, _I32, _int(packed_size)), (5, _STRUCT, data))


def _chunk(column: Column, values: int, offset: int, size: int, packed_size: int) -> bytes:
    """Return a ColumnChunk of one page."""
    about = _struct(
        (1, _I32, _int(_PHYSICAL[column.kind])),
        (2, _LIST, _list(_I32, [_int(_PLAIN), _int(_RLE)])),
        (3, _LIST, _list(_BINARY, [_text(column.name)])),
        (4, _I32, _int(_GZIP)),
        (5, _I64, _int(values)),
        (6, _I64, _int(size)),
        (7, _I64, _int(packed_size)),
        (9, _I64, _int(offset)),
    )
    return _struct((2, _I64, _int(offset)), (3, _STRUCT, about))


# Thrift's compact protocol, as far as the above needs it.


def _struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Return a struct of fields: number, type, value. Numbers grow, by 15 at the most."""
    written, last = bytearray(), 0
    for number, kind, value in fields:
        written += bytes(((number - last) << 4 | kind,)) + value
        last = number
    return bytes(written) + b"\0"


def _list(kind: int, items: Iterable[bytes]) -> bytes:
    found = list(items)
    head = bytes((len(found) << 4 | kind,)) if len(found) < 15 else bytes((0xF0 | kind,)) + _varint(len(found))
    return head + b"".join(found)


def _int(value: int) -> bytes:
    return _varint(value << 1)  # zigzag; no number here is below 0


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _varint(len(encoded)) + encoded


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)

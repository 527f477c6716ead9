"""Headers of safetensors files and the index that joins several of them.

A file is an unsigned 64-bit length, that many bytes of JSON, then the tensors' bytes without a gap
(huggingface/safetensors, `README.md`, "Format").
"""

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final

import msgspec

from roundhouse_common.sizing.readers.strict_json import JsonObject, parse_object
from roundhouse_common.sizing.readers.unreadable import Unreadable

__all__ = [
    "MAX_HEADER_BYTES",
    "MAX_INDEX_BYTES",
    "Tensor",
    "WeightIndex",
    "bytes_by_dtype",
    "read_header",
    "read_index",
]

MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own limit."""
MAX_INDEX_BYTES: Final = 100_000_000
_MOST_DIMENSIONS: Final = 32
_SHARD: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")

_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("F4",), 4),
        **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
        **dict.fromkeys(("U32", "I32", "F32"), 32),
        **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    }
)


class Tensor(msgspec.Struct, frozen=True):
    """One tensor of a model."""

    name: str
    dtype: str
    """As the file names it, e.g. `BF16`, `I32`, `Q4_K`."""
    elements: int
    size_bytes: int


class WeightIndex(msgspec.Struct, frozen=True, kw_only=True):
    """`model.safetensors.index.json`: which tensor is in which file."""

    shards: tuple[str, ...]
    """File names, sorted."""
    shard_of: Mapping[str, str]
    total_bytes: int = 0
    """As the index claims; 0 when it does not."""


def read_header(file: BinaryIO, size_bytes: int, *, what: str = "the safetensors file") -> tuple[Tensor, ...]:
    """Return the tensors of a file of this size; only its header is read. Raises Unreadable, also when truncated."""
    start = file.read(8)
    if len(start) < 8:
        raise Unreadable(f"{what} ends after {len(start)} bytes; it is no safetensors file")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER_BYTES:
        raise Unreadable(f"{what} claims a header of {length} bytes; safetensors allows {MAX_HEADER_BYTES}")
    if 8 + length > size_bytes:
        raise Unreadable(f"{what} is truncated: it has {size_bytes} bytes and its header alone ends at {8 + length}")
    text = file.read(length)
    if len(text) < length:
        raise Unreadable(f"{what} is truncated inside its header, at byte {8 + len(text)}")
    header = parse_object(text, what=f"the header of {what}", most_bytes=MAX_HEADER_BYTES)
    header.pop("__metadata__", None)
    ranges = []
    tensors = []
    for name, entry in header.items():
        tensor, begin = _tensor(name, entry, what)
        tensors.append(tensor)
        ranges.append((begin, begin + tensor.size_bytes))
    _check_ranges(ranges, data_bytes=size_bytes - 8 - length, what=what)
    return tuple(tensors)


def read_index(text: bytes, *, what: str = "model.safetensors.index.json") -> WeightIndex:
    """Return the index. Raises Unreadable, also for a shard whose name is more than a file name."""
    found = parse_object(text, what=what, most_bytes=MAX_INDEX_BYTES)
    mapping = found.get("weight_map")
    if not isinstance(mapping, dict) or not mapping:
        raise Unreadable(f"{what} has no weight_map")
    for shard in mapping.values():
        if not isinstance(shard, str) or not _SHARD.fullmatch(shard) or shard in (".", ".."):
            raise Unreadable(f"{what} names the shard {str(shard)[:60]!r}, which is no file name")
    metadata = found.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(total, float) and 0 < total < 1 << 60:
        total = int(total)  # some tools write it so
    total_bytes = total if isinstance(total, int) and _is_size(total) else 0
    return WeightIndex(shards=tuple(sorted(set(mapping.values()))), shard_of=mapping, total_bytes=total_bytes)


def bytes_by_dtype(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Return how many bytes are stored in each number format."""
    found: dict[str, int] = {}
    for tensor in tensors:
        found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.size_bytes
    return found


def _tensor(name: str, entry: object, what: str) -> tuple[Tensor, int]:
    where = f"tensor {name[:80]!r} of {what}"
    if not isinstance(entry, dict):
        raise Unreadable(f"{where} is not described by an object")
    dtype, shape, begin, end = _fields(entry, where)
    bits = _BITS.get(dtype)
    if bits is None:
        raise Unreadable(f"{where} has the unknown number format {dtype[:20]!r}")
    elements = math.prod(shape)
    if elements * bits != (end - begin) * 8:
        raise Unreadable(f"{where} has {elements} numbers of {dtype} and {end - begin} bytes, which do not agree")
    return Tensor(name, dtype, elements, end - begin), begin


def _fields(entry: JsonObject, where: str) -> tuple[str, list[int], int, int]:
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str):
        raise Unreadable(f"{where} has no dtype")
    if not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS or not all(_is_size(size) for size in shape):
        raise Unreadable(f"{where} has no valid shape")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(offset) for offset in offsets):
        raise Unreadable(f"{where} has no valid data_offsets")
    if offsets[0] > offsets[1]:
        raise Unreadable(f"{where} ends before it begins")
    return dtype, shape, offsets[0], offsets[1]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60


def _check_ranges(ranges: list[tuple[int, int]], *, data_bytes: int, what: str) -> None:
    """The format allows no gap and no overlap, so that a size can be believed."""
    at = 0
    for begin, end in sorted(ranges):
        if begin != at:
            raise Unreadable(f"the tensors of {what} leave a gap or overlap at byte {begin} of its data")
        at = end
    if at > data_bytes:
        raise Unreadable(f"{what} is truncated: its tensors take {at} bytes and {data_bytes} are there")
    if at < data_bytes:
        raise Unreadable(f"{what} has {data_bytes - at} bytes behind its last tensor")

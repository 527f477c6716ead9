"""Headers of GGUF files, versions 2 and 3 (ggml/docs/gguf.md): metadata and tensor descriptions, not the tensors."""

import math
import re
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, Final

import msgspec

from roundhouse_common.sizing.readers.ggml_types import GGML_TYPES
from roundhouse_common.sizing.readers.safetensors import Tensor
from roundhouse_common.sizing.readers.unreadable import Unreadable

__all__ = ["GgufHeader", "MetadataValue", "read_gguf", "split_names"]

MetadataValue = int | float | bool | str | tuple[int | float | bool, ...]
"""Arrays of strings are skipped (vocabularies), long arrays of numbers too: then the value is the array's length."""

_MAGIC: Final = b"GGUF"
_MOST_ENTRIES: Final = 65_536
_MOST_TENSORS: Final = 262_144
_MOST_DIMENSIONS: Final = 4
_MOST_KEY_BYTES: Final = 65_535
_MOST_TEXT_BYTES: Final = 4 * 1024 * 1024
_MOST_HEADER_BYTES: Final = 256 * 1024 * 1024
_MOST_TEXTS: Final = 4_000_000
"""In one array; the largest vocabularies have a quarter of a million."""
_KEPT_NUMBERS: Final = 4096
"""Arrays up to this length are kept: one number per layer."""
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
)
_SPLIT: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself."""

    version: int
    metadata: Mapping[str, MetadataValue]
    array_lengths: Mapping[str, int]
    """Of every array, also of the skipped ones."""
    tensors: tuple[Tensor, ...]

    def number(self, key: str) -> int:
        """Return a whole number; 0 when there is none."""
        value = self.metadata.get(key, 0)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def text(self, key: str) -> str:
        """Return a text; empty when there is none."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


def split_names(name: str) -> tuple[str, ...] | None:
    """Return the names of all parts when `name` is one part of a split file (`x-00001-of-00003.gguf`), else None.

    Raises Unreadable for a part that cannot be.
    """
    matched = _SPLIT.fullmatch(name)
    if matched is None:
        return None
    number, count = int(matched["number"]), int(matched["count"])
    if not 1 <= number <= count:
        raise Unreadable(f"{name} would be part {number} of {count}")
    return tuple(f"{matched['stem']}-{part:05d}-of-{count:05d}.gguf" for part in range(1, count + 1))


def read_gguf(file: BinaryIO, size_bytes: int, *, what: str = "the GGUF file") -> GgufHeader:
    """Return the header of a file of this size. Raises Unreadable, also when tensors would end behind its end."""
    source = _Source(file, min(size_bytes, _MOST_HEADER_BYTES), what)
    magic = source.take(4)
    if magic != _MAGIC:
        raise Unreadable(f"{what} begins with {magic!r}, not with {_MAGIC!r}; it is no GGUF file")
    version = source.scalar("I")
    if version in (0x02000000, 0x03000000):
        raise Unreadable(f"{what} is big-endian; engines on this platform cannot load it")
    if version not in (2, 3):
        raise Unreadable(f"{what} is of GGUF version {version}; 2 and 3 can be read")
    tensor_count, entry_count = int(source.scalar("Q")), int(source.scalar("Q"))
    if tensor_count > _MOST_TENSORS or entry_count > _MOST_ENTRIES:
        raise Unreadable(f"{what} claims {tensor_count} tensors and {entry_count} entries, which cannot be")
    metadata: dict[str, MetadataValue] = {}
    lengths: dict[str, int] = {}
    for _ in range(entry_count):
        key = source.text(_MOST_KEY_BYTES)
        if key in metadata:
            raise Unreadable(f"{what} has the key {key[:80]!r} twice")
        metadata[key] = _value(source, key, lengths)
    tensors, ends = _tensors(source, tensor_count)
    data_bytes = size_bytes - source.at - _padding(source.at, metadata)
    if tensors and ends > data_bytes:
        raise Unreadable(f"{what} is truncated: its tensors take {ends} bytes and {max(data_bytes, 0)} are there")
    return GgufHeader(version=int(version), metadata=metadata, array_lengths=lengths, tensors=tensors)


class _Source:
    """Reads on, and never further than the file or the limit goes."""

    def __init__(self, file: BinaryIO, limit: int, what: str) -> None:
        self._file = file
        self._limit = limit
        self.what = what
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > self._limit:
            raise Unreadable(f"{self.what} is truncated or damaged: its header goes beyond byte {self._limit}")
        found = self._file.read(count)
        if len(found) < count:
            raise Unreadable(f"{self.what} is truncated at byte {self.at + len(found)}, inside its header")
        self.at += count
        return found

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.take(min(count, 1 << 20)))

    def scalar(self, code: str) -> int | float:
        layout = struct.Struct(f"<{code}")
        value: int | float = layout.unpack(self.take(layout.size))[0]
        return value

    def text(self, most_bytes: int) -> str:
        length = int(self.scalar("Q"))
        if length > most_bytes:
            raise Unreadable(
                f"{self.what} has a text of {length} bytes at byte {self.at}; at most {most_bytes} are read"
            )
        return self.take(length).decode("utf-8", "replace")


def _value(source: _Source, key: str, lengths: dict[str, int]) -> MetadataValue:
    kind = int(source.scalar("I"))
    if kind == _STRING:
        return source.text(_MOST_TEXT_BYTES)
    if kind == _ARRAY:
        return _array(source, key, lengths)
    code = _SCALARS.get(kind)
    if code is None:
        raise Unreadable(f"{source.what}: {key[:80]!r} is of the unknown type {kind}")
    value = source.scalar(code)
    return bool(value) if kind == _BOOL else value


def _array(source: _Source, key: str, lengths: dict[str, int]) -> MetadataValue:
    kind, length = int(source.scalar("I")), int(source.scalar("Q"))
    if length > _MOST_HEADER_BYTES or (kind == _STRING and length > _MOST_TEXTS):
        raise Unreadable(f"{source.what}: {key[:80]!r} claims {length} elements, which cannot be")
    lengths[key] = length
    if kind == _STRING:
        for _ in range(length):
            source.skip(_text_length(source))
        return length
    code = _SCALARS.get(kind)
    if code is None:
        raise Unreadable(f"{source.what}: {key[:80]!r} is an array of the type {kind}, which is not read")
    size = struct.calcsize(f"<{code}")
    if length > _KEPT_NUMBERS:
        source.skip(length * size)
        return length
    values = struct.unpack(f"<{length}{code}", source.take(length * size))
    return tuple(bool(value) for value in values) if kind == _BOOL else values


def _text_length(source: _Source) -> int:
    length = int(source.scalar("Q"))
    if length > _MOST_TEXT_BYTES:
        raise Unreadable(f"{source.what} has a text of {length} bytes at byte {source.at}")
    return length


def _padding(at: int, metadata: Mapping[str, MetadataValue]) -> int:
    """Return how many bytes after the header the data begins."""
    alignment = metadata.get("general.alignment", 32)
    return -at % alignment if isinstance(alignment, int) and 1 <= alignment <= 1 << 20 else 0


def _tensors(source: _Source, count: int) -> tuple[tuple[Tensor, ...], int]:
    """Return the tensors and where the last one ends, counted from where the data begins."""
    tensors: dict[str, Tensor] = {}
    last = 0
    for _ in range(count):
        name = source.text(_MOST_KEY_BYTES)
        dimensions = int(source.scalar("I"))
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise Unreadable(f"{source.what}: tensor {name[:80]!r} has {dimensions} dimensions")
        shape = [int(source.scalar("Q")) for _ in range(dimensions)]
        kind, offset = int(source.scalar("I")), int(source.scalar("Q"))
        if name in tensors:
            raise Unreadable(f"{source.what} has the tensor {name[:80]!r} twice")
        tensors[name] = _tensor(source.what, name, shape, kind)
        last = max(last, offset + tensors[name].size_bytes)
    return tuple(tensors.values()), last


def _tensor(what: str, name: str, shape: list[int], kind: int) -> Tensor:
    known = GGML_TYPES.get(kind)
    if known is None:
        raise Unreadable(f"{what}: tensor {name[:80]!r} is of the unknown type {kind}")
    dtype, block_elements, block_bytes = known
    elements = math.prod(shape)
    if elements >= 1 << 60 or (shape and shape[0] % block_elements):
        raise Unreadable(f"{what}: tensor {name[:80]!r} has the shape {shape}, which {dtype} cannot have")
    return Tensor(name, dtype, elements, elements // block_elements * block_bytes)

"""Writes GGUF files: real ones for tests of the reader and of the engine, and broken ones."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from roundhouse_common.sizing.readers.ggml_types import GGML_TYPES

__all__ = ["Value", "gguf_bytes", "write_gguf"]

Value = bool | int | float | str | list[str] | list[int] | list[bool]
_ALIGNMENT = 32
_TYPE_NUMBERS = {name: number for number, (name, _, _) in GGML_TYPES.items()}


def gguf_bytes(
    metadata: Mapping[str, Value], tensors: Mapping[str, tuple[str, Sequence[int]]], *, version: int = 3
) -> bytes:
    """Return the header, up to where the tensors' data begins. Tensors are given as (format, shape)."""
    parts = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += [_text(key), _value(value)]
    offset = 0
    for name, (kind, shape) in tensors.items():
        parts.append(_text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        parts.append(struct.pack("<IQ", _TYPE_NUMBERS[kind], offset))
        offset += _padded(tensor_bytes(kind, shape))
    header = b"".join(parts)
    return header + b"\0" * (_padded(len(header)) - len(header))


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, tuple[str, Sequence[int]]]) -> Path:
    """Write a file whose tensors are all zeros; they take no room on the disk."""
    header = gguf_bytes(metadata, tensors)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + sum(_padded(tensor_bytes(kind, shape)) for kind, shape in tensors.values()))
    return path


def tensor_bytes(kind: str, shape: Sequence[int]) -> int:
    """Return the size of a tensor."""
    _, block_elements, block_bytes = GGML_TYPES[_TYPE_NUMBERS[kind]]
    elements = 1
    for size in shape:
        elements *= size
    return elements // block_elements * block_bytes


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case list():
            return struct.pack("<I", 9) + _array(value)


def _array(values: Sequence[bool | int | str]) -> bytes:
    if all(isinstance(item, bool) for item in values):
        return struct.pack(f"<IQ{len(values)}?", 7, len(values), *values)
    if all(isinstance(item, int) for item in values):
        return struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)
    return struct.pack("<IQ", 8, len(values)) + b"".join(_text(str(item)) for item in values)

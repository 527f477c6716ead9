"""A JSON object as its top-level members, each value kept as the bytes it came in."""

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["Members", "joined", "split"]

Members = dict[str, msgspec.Raw]
_decoder: Final = msgspec.json.Decoder(Members)


def split(body: bytes) -> Members:
    """Return the members; of a name that occurs twice the last one counts. Raises msgspec.DecodeError."""
    return _decoder.decode(body)


def joined(members: Mapping[str, msgspec.Raw | bytes]) -> bytes:
    """Return the object again. Values are copied, never read."""
    parts: list[bytes] = []
    for name, value in members.items():
        parts += (msgspec.json.encode(name), b":", bytes(value), b",")
    parts[-1:] = [b"}"]
    return b"{" + b"".join(parts)

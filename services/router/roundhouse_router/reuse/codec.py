"""Kept answers as bytes, for a store outside the process."""

import zlib
from typing import Final

import msgspec

from roundhouse_router.domain.reuse import Kept

__all__ = ["pack", "unpack"]

_PLAIN: Final = b"0"
_DEFLATED: Final = b"1"
_SMALL: Final = 1024
_LEVEL: Final = 1
"""Measured: a stream of 300 chunks (55 KB) becomes 2.3 KB in 73 µs; level 6 takes 244 µs for 2.0 KB."""
_MAX_BYTES: Final = 1024 * 1024 * 1024
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(tuple[bytes, Kept])


def pack(key: bytes, kept: Kept) -> bytes:
    """Return the answer with the key that it belongs to."""
    plain = _encoder.encode((key, kept))
    if len(plain) > _SMALL:
        deflated = zlib.compress(plain, _LEVEL)
        if len(deflated) < len(plain):
            return _DEFLATED + deflated
    return _PLAIN + plain


def unpack(key: bytes, data: bytes) -> Kept | None:
    """Return the answer, or None for one that cannot be read or belongs to another key.

    The second must not happen, and would hand one tenant's answer to another: a client library that mixes up the
    replies of its connections has done it before.
    """
    try:
        plain = data[1:]
        if data[:1] == _DEFLATED:
            plain = zlib.decompressobj().decompress(plain, _MAX_BYTES)
        of, kept = _decoder.decode(plain)
    except (msgspec.MsgspecError, zlib.error):
        return None
    return kept if of == key else None

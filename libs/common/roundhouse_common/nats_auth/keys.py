"""Nkeys: Ed25519 key pairs in the spelling of NATS. A seed is secret (`S...`), a public key names its kind (`U...`)."""

import base64
import binascii
import enum
from collections.abc import Callable

import nkeys

__all__ = ["KeyKind", "is_public_key", "new_seed", "public_key", "sign"]

_RAW_BYTES = 35
"""A prefix, 32 bytes of key, two of checksum."""


class KeyKind(enum.IntEnum):
    """What a key may sign; the value is NATS' prefix byte."""

    OPERATOR = nkeys.PREFIX_BYTE_OPERATOR
    ACCOUNT = nkeys.PREFIX_BYTE_ACCOUNT
    USER = nkeys.PREFIX_BYTE_USER


def new_seed(kind: KeyKind, entropy: Callable[[int], bytes]) -> str:
    """Return a new seed. `entropy` is `secrets.token_bytes`, or a seeded stand-in in tests."""
    seed: bytes = nkeys.encode_seed(entropy(32), int(kind))
    return seed.decode("ascii")


def public_key(seed: str) -> str:
    """Return the public key that belongs to a seed. Raises ValueError for what is no seed."""
    public: bytes = _pair(seed).public_key
    return public.decode("ascii")


def sign(seed: str, data: bytes) -> bytes:
    """Return the signature, 64 bytes."""
    signature: bytes = _pair(seed).sign(data)
    return signature


def is_public_key(text: str, kind: KeyKind) -> bool:
    """Tell whether it is a whole public key of that kind: length, kind and checksum fit."""
    try:
        raw = base64.b32decode(text)
    except (binascii.Error, ValueError):
        return False
    if len(raw) != _RAW_BYTES or raw[0] != int(kind):
        return False
    checksum: int = nkeys.crc16(raw[:-2])
    return int.from_bytes(raw[-2:], "little") == checksum


def _pair(seed: str) -> nkeys.KeyPair:
    try:
        return nkeys.from_seed(bytearray(seed.encode("ascii")))
    except (nkeys.NkeysError, ValueError) as error:
        raise ValueError("this is no nkey seed: it begins with S and has 58 letters and digits") from error

"""Messages as bytes: JSON, with unknown fields ignored and unknown enum values read as UNKNOWN."""

from functools import cache
from typing import Any, TypeVar

import msgspec

from roundhouse_common.contracts.base import Message

__all__ = ["Undecodable", "decode", "encode"]

M = TypeVar("M", bound=Message)

_encoder = msgspec.json.Encoder()


class Undecodable(ValueError):
    """The bytes are no message of the type wanted; says which type and why."""


@cache
def _decoder(message: type[Any]) -> msgspec.json.Decoder[Any]:  # Any: one cache for all message types
    return msgspec.json.Decoder(message)


def encode(message: Message) -> bytes:
    """Return the message as JSON."""
    return _encoder.encode(message)


def decode(message: type[M], payload: bytes) -> M:
    """Return the message. Raises Undecodable."""
    try:
        value: M = _decoder(message).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # ValidationError is a DecodeError
        raise Undecodable(f"not a {message.__name__}: {error}") from error
    return value

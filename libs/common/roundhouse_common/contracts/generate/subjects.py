"""Where each contract lives on the bus, as NATS subjects and stream names.

A bucket is a stream `KV_<bucket>` over `$KV.<bucket>.<key>`. After a value is stored the server publishes it again on
`rh.hint.v1.<owner>.<bucket>.stored.<key>`: that is what watchers subscribe to. So a watch needs no consumer on the
server, comes back by itself after a reconnect, and can be permitted per key.
"""

import re
from typing import Any

from roundhouse_common.contracts.base import Bucket, Contract, Event, Stream

__all__ = ["any_subject", "bucket_key", "bucket_subject", "hint_subject", "stream_name", "subject_of", "token"]

# Any below: whatever the message type of the contract is.
_TOKEN = re.compile(r"[A-Za-z0-9_=-]+")


def token(value: str) -> str:
    """Return `value` when it may be one token of a subject or a key. Raises ValueError."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} cannot be part of a subject: wanted letters, digits, '_', '-' or '='")
    return value


def subject_of(contract: Contract, ids: tuple[str, ...]) -> str:
    """Return the subject of one message. Raises ValueError unless every identifier token is there."""
    if len(ids) != contract.id_tokens:
        raise ValueError(f"{contract.subject} takes {contract.id_tokens} identifier(s), got {ids!r}")
    return ".".join((contract.subject, *map(token, ids)))


def any_subject(contract: Contract, ids: tuple[str, ...] = ()) -> str:
    """Return the subject to listen on; identifiers that are missing or `*` match any."""
    if len(ids) > contract.id_tokens:
        raise ValueError(f"{contract.subject} takes {contract.id_tokens} identifier(s), got {ids!r}")
    tokens = [value if value == "*" else token(value) for value in ids]
    return ".".join((contract.subject, *tokens, *["*"] * (contract.id_tokens - len(tokens))))


def stream_name(place: Stream | Event[Any] | Bucket[Any]) -> str:
    """Return the name of the JetStream stream behind a contract."""
    match place:
        case Stream():
            return place.name
        case Event():
            return place.stream.name
        case Bucket():
            return f"KV_{place.subject}"


def bucket_subject(bucket: Bucket[Any], key: str = ">") -> str:
    """Return where a key is stored; without a key, the filter for the whole bucket."""
    return f"$KV.{bucket.subject}.{key if key in ('>', '*') else token(key)}"


def hint_subject(bucket: Bucket[Any], key: str = ">") -> str:
    """Return where the server announces a stored key; without a key, those of the whole bucket."""
    last = key if key in (">", "*") else token(key)
    return f"rh.hint.v1.{bucket.owner.value}.{bucket.subject}.stored.{last}"


def bucket_key(subject: str) -> str:
    """Return the key of a bucket's subject or of its hint: the last token."""
    return subject.rsplit(".", 1)[1]

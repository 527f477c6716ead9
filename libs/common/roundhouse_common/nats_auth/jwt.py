"""Signed claims as NATS writes them (JWT version 2, algorithm `ed25519-nkey`)."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from roundhouse_common.nats_auth.keys import public_key, sign

__all__ = ["Claims", "claims_of", "encode"]

Claims = dict[str, Any]
"""A JSON object. Any: NATS owns its shape."""

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


def encode(claims: Mapping[str, Any], *, seed: str, issued_at: int) -> str:
    """Return the claims signed by the key of `seed`. The same arguments give the same text."""
    body = {**claims, "iat": issued_at, "iss": public_key(seed)}
    digest = hashlib.new("sha512_256", _json(body)).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode("ascii")
    text = f"{_base64(_json(_HEADER))}.{_base64(_json(body))}"
    return f"{text}.{_base64(sign(seed, text.encode('ascii')))}"


def claims_of(token: str) -> Claims:
    """Return what a token says, unverified: only for one that we or the server made. Raises ValueError."""
    try:
        body = token.strip().split(".")[1]
        found: Claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, binascii.Error) as error:
        raise ValueError("this is no JWT: it has not three parts in base64") from error
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

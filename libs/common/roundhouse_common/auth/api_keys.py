"""API keys of clients: 256 random bits, shown once, kept as a SHA-256 digest."""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

__all__ = ["API_KEY_PREFIX", "hash_api_key", "new_api_key"]

API_KEY_PREFIX: Final = "rh-"
_SECRET_BYTES: Final = 32


def new_api_key(rng_bytes: Callable[[int], bytes]) -> str:
    """Return `rh-` and 43 base64url characters. `rng_bytes` is `secrets.token_bytes`, or a seeded stand-in in tests."""
    return API_KEY_PREFIX + base64.urlsafe_b64encode(rng_bytes(_SECRET_BYTES)).rstrip(b"=").decode("ascii")


def hash_api_key(secret: str) -> str:
    """Return the hex digest that is stored and compared. A fast hash will do: the secret cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()

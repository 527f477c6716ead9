"""Names for Postgres' advisory locks, which know only numbers."""

import hashlib

__all__ = ["lock_key"]


def lock_key(name: str) -> int:
    """Return the 63-bit number that stands for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1

"""The declared ways to go on without what counts the limits."""

from enum import StrEnum

__all__ = ["RedisLostMode"]


class RedisLostMode(StrEnum):
    """What a router does while it cannot reach Redis."""

    LOCAL_SHARE = "local-share"
    """Each router enforces its part of every bound, by what it admitted itself."""
    OPEN = "open"
    """Limits hold nobody."""
    CLOSED = "closed"
    """Requests that a limit is about are refused with 503."""

"""How large and how slow clients may be."""

from dataclasses import dataclass
from typing import Final

__all__ = ["WireLimits"]

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class WireLimits:
    idle_s: float = 75.0
    """A connection without a request is closed after this."""
    head_s: float = 30.0
    """How long a request's head may take from its first byte; then 408."""
    body_s: float = 60.0
    """A body of which less than `body_least_bytes` comes in this time is given up with 408."""
    body_least_bytes: int = 1 * _KIB
    stall_s: float = 60.0
    """A client that takes nothing of its answer for this long has left."""
    linger_s: float = 2.0
    """How long what a refused client still sends is thrown away, so that it reads the refusal and not a reset."""
    head_bytes: int = 64 * _KIB
    header_count: int = 200
    url_bytes: int = 16 * _KIB
    body_ahead_bytes: int = 256 * _KIB
    """Body that is kept while nobody reads it; beyond, the client is made to wait."""
    requests_ahead_bytes: int = 64 * _KIB
    """Further requests that are kept while one is answered; beyond, the client is made to wait."""
    skip_bytes: int = 64 * _KIB
    """An unread body of at most this much is thrown away to keep the connection; else it is closed after the answer."""

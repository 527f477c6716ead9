"""Answers that are given again: what is kept of one, and when that is right (docs/reuse.md)."""

import enum
import hashlib
import re
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = [
    "CACHEABLE",
    "IDEMPOTENCY_HEADER",
    "CacheOrder",
    "CacheState",
    "IdempotentRequest",
    "Kept",
    "cache_order",
    "idempotent_request",
    "is_comment",
    "is_final",
]

CACHEABLE: Final = frozenset(
    {Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING, Operation.RERANK, Operation.SCORE}
)
"""Operations whose answers are kept and shared: those whose whole request is one JSON body."""
IDEMPOTENCY_HEADER: Final = b"idempotency-key"
_VALID_KEY: Final = re.compile(rb"[!-~]{1,255}")
_DIRECTIVE: Final = re.compile(rb"\s*([a-z-]+)\s*(?:=\s*\"?(\d{1,9})\"?)?\s*")
_PASSING: Final = frozenset({401, 403, 408, 409, 425, 429})
"""Client errors that may be gone the next time."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that can be given again, as it went to the client. Fields are only added, with defaults."""

    status: int
    content_type: bytes
    chunks: tuple[bytes, ...]
    """A stream as it was written, without comments; a whole answer is one chunk."""
    is_stream: bool
    kept_at: float
    """Unix seconds."""
    counts: TokenCounts = NO_TOKENS
    model_served: str = ""
    audio_ms: int = 0
    images: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.chunks)) + 64 * len(self.chunks) + 512

    def age_s(self, now: UnixTime) -> int:
        """Whole seconds, as the `age` header has them."""
        return max(int(now - self.kept_at), 0)


class CacheState(enum.Enum):
    """What `x-roundhouse-cache` says."""

    HIT = b"hit"
    MISS = b"miss"
    BYPASS = b"bypass"


@dataclass(frozen=True, slots=True)
class CacheOrder:
    """What the route and the request's `cache-control` together allow."""

    is_read: bool
    is_kept: bool
    max_age_s: int | None = None
    """The client takes nothing that is older."""


_USE: Final = CacheOrder(is_read=True, is_kept=True)
_REFRESH: Final = CacheOrder(is_read=False, is_kept=True)
_BYPASS: Final = CacheOrder(is_read=False, is_kept=False)


def cache_order(cache: RouteCache, operation: Operation, cache_control: bytes | None) -> CacheOrder | None:
    """Return what may be done, or None where the route keeps nothing.

    `no-store`: neither read nor kept, nor shared with others in flight. `no-cache`: asked anew, and kept. `max-age=n`:
    nothing older than n seconds.
    """
    if cache.ttl_s <= 0 or operation not in CACHEABLE:
        return None
    if not cache_control:
        return _USE
    order = _USE
    for part in cache_control.lower().split(b","):
        found = _DIRECTIVE.fullmatch(part)
        if found is None:
            continue
        name, seconds = found.groups()
        if name == b"no-store":
            return _BYPASS
        if name == b"no-cache" or (name == b"max-age" and seconds is not None and int(seconds) == 0):
            order = _REFRESH
        elif name == b"max-age" and seconds is not None and order.is_read:
            order = CacheOrder(is_read=True, is_kept=True, max_age_s=int(seconds))
    return order


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an `Idempotency-Key`."""

    slot: bytes
    """Digest of the tenant, the API key and the client's key."""
    fingerprint: bytes
    """Digest of the path and the body: what must be the same the next time."""


def idempotent_request(given: bytes, *, tenant_id: str, key_id: str, path: str, body: bytes) -> IdempotentRequest:
    """Return what a request's `Idempotency-Key` stands for. Raises BadBody.

    `body`: the bytes, or what stands for them where equal requests may differ in bytes (multipart boundaries).
    """
    if not _VALID_KEY.fullmatch(given):
        message = "An Idempotency-Key has 1 to 255 visible ASCII characters."
        raise BadBody(message, param="Idempotency-Key", code="invalid_idempotency_key")
    slot = hashlib.sha256(b"\0".join((tenant_id.encode(), key_id.encode(), given)))
    return IdempotentRequest(slot.digest(), hashlib.sha256(path.encode() + b"\0" + body).digest())


def is_final(status: int) -> bool:
    """Whether asking again would give the same: only such answers are bound to an `Idempotency-Key`."""
    return status < 500 and status not in _PASSING


def is_comment(chunk: bytes) -> bool:
    """Whether a chunk of server-sent events is only a comment, which keeps the connection and says nothing."""
    return chunk.startswith(b":") and 0 < chunk.find(b"\n\n") == len(chunk) - 2

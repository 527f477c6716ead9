"""`Idempotency-Key`: a request that is sent again gets the answer of the first one, and no engine works twice.

request = idempotent_request(headers.get(IDEMPOTENCY_HEADER), tenant_id=..., key_id=..., path=..., body=...)
begun = await idempotency.begin(request) if request is not None else None
if isinstance(begun, Kept):
    await replay(exchange, begun, [*headers, REPLAYED])     # usage record: reuse=REPLAYED, begun.counts
else:
    recorder = Recorder(exchange, max_bytes=...)            # only if begun is not None
    try:
        ...                                                 # answer as ever
    finally:
        begun.finish(recorder.kept(...) if it_completed else None)
"""

import secrets
from collections.abc import Callable
from typing import Final, Protocol

from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from roundhouse_router.domain.reuse import IdempotentRequest, Kept, is_final
from roundhouse_router.reuse.memory import MemoryStore
from roundhouse_router.reuse.metrics import ReuseMetrics
from roundhouse_router.reuse.redis_link import RedisLost

__all__ = ["REPLAYED", "Idempotency", "MemoryReservations", "Reservation", "Reservations"]

REPLAYED: Final = (b"idempotent-replayed", b"true")


class Found:
    """What stands for a key already: the request's fingerprint, and its answer unless it is still in flight."""

    __slots__ = ("fingerprint", "kept")

    def __init__(self, fingerprint: bytes, kept: Kept | None) -> None:
        self.fingerprint = fingerprint
        self.kept = kept


class Reservations(Protocol):
    """Where keys stand for requests."""

    async def take(self, request: IdempotentRequest, token: bytes) -> Found | None:
        """Reserve the key for this request, or return what it stands for. Raises RedisLost."""

    def settle(self, request: IdempotentRequest, token: bytes, kept: Kept | None) -> None:
        """Put the answer in place of the reservation; None: the key is free again."""


class Reservation:
    """A key that stands for a request in flight. `finish` it whatever happens; later calls change nothing."""

    __slots__ = ("_settle",)

    def __init__(self, settle: Callable[[Kept | None], None]) -> None:
        self._settle: Callable[[Kept | None], None] | None = settle

    def finish(self, kept: Kept | None) -> None:
        """Bind the answer to the key if it is final; otherwise, and for None, the key is free again."""
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(kept if kept is not None and is_final(kept.status) else None)


class Idempotency:
    """One per router process."""

    def __init__(self, store: Reservations, local: "MemoryReservations", metrics: ReuseMetrics) -> None:
        """`local` is used while `store` is away: then a key holds on this router only, which is counted."""
        self._store = store
        self._local = local
        self._metrics = metrics

    async def begin(self, request: IdempotentRequest) -> Kept | Reservation:
        """Return the answer to give again, or the reservation of a request that is the first.

        Raises IdempotencyKeyReused for a key of another request, IdempotencyKeyInUse while the first is in flight.
        """
        token = secrets.token_bytes(16)
        store = self._store
        try:
            found = await store.take(request, token)
        except RedisLost:
            self._metrics.idempotent_locally.inc()
            store = self._local
            found = await store.take(request, token)
        if found is None:
            self._metrics.idempotent["fresh"].inc()
            return Reservation(lambda kept: store.settle(request, token, kept))
        if found.fingerprint != request.fingerprint:
            self._metrics.idempotent["reused"].inc()
            message = "This Idempotency-Key was used for another request. Send the same request, or another key."
            raise IdempotencyKeyReused(message, param="Idempotency-Key")
        if found.kept is None:
            self._metrics.idempotent["in_use"].inc()
            message = "The first request with this Idempotency-Key is still in flight. Try again when it has ended."
            raise IdempotencyKeyInUse(message, param="Idempotency-Key")
        self._metrics.idempotent["replayed"].inc()
        return found.kept


class MemoryReservations:
    """In this process. Answers are bounded in bytes; reservations by the requests in flight. Never suspends."""

    def __init__(self, clock: Clock, *, max_bytes: int, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._in_flight: dict[bytes, tuple[bytes, bytes]] = {}
        self._answers: MemoryStore[Found] = MemoryStore(clock, max_bytes=max_bytes)

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._answers)

    async def take(self, request: IdempotentRequest, token: bytes) -> Found | None:
        held = self._in_flight.get(request.slot)
        if held is not None:
            return Found(held[0], None)
        found = self._answers.get(request.slot)
        if found is None:
            self._in_flight[request.slot] = (request.fingerprint, token)
        return found

    def settle(self, request: IdempotentRequest, token: bytes, kept: Kept | None) -> None:
        if self._in_flight.get(request.slot) != (request.fingerprint, token):
            return
        del self._in_flight[request.slot]
        if kept is not None:
            found = Found(request.fingerprint, kept)
            self._answers.put(request.slot, found, size_bytes=kept.size_bytes, ttl_s=self._ttl_s)

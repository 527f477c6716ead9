"""The response cache: answers of engines, given again to equal requests of the same tenant."""

from collections.abc import AsyncIterator, Awaitable
from typing import Final, NamedTuple, Protocol

from redis.asyncio import Redis

from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.reuse import CacheOrder, CacheState, Kept
from roundhouse_router.domain.reuse_key import ReuseKey, tenant_part
from roundhouse_router.reuse.codec import pack, unpack
from roundhouse_router.reuse.memory import MemoryStore
from roundhouse_router.reuse.metrics import ReuseMetrics
from roundhouse_router.reuse.redis_link import RedisLink, RedisLost
from roundhouse_router.reuse.writer import RedisWriter

__all__ = ["AnswerStore", "Held", "MemoryAnswers", "RedisAnswers", "ResponseCache"]

_PREFIX: Final = b"rh:answer:1:"
_SCANNED: Final = 200
"""Keys of Redis that are looked at in one call."""


class Held(NamedTuple):
    """What is kept of one tenant. `size_bytes`: None where that is not known."""

    answers: int
    size_bytes: int | None


class AnswerStore(Protocol):
    """Where kept answers are."""

    async def get(self, key: ReuseKey) -> Kept | None:
        """Return the answer, or None: also when the store is away."""

    def put(self, key: ReuseKey, kept: Kept, ttl_s: float) -> bool:
        """Keep an answer, soon; return whether there is room for it."""

    @property
    def is_shared(self) -> bool:
        """Whether other routers have the same answers."""

    async def held(self, prefix: bytes) -> Held | None:
        """Return what is kept under keys that begin so; None while the store is away."""

    async def clear(self, prefix: bytes) -> int | None:
        """Forget it, and return how many answers that were; None while the store is away."""


class MemoryAnswers:
    """In this process; another router has its own. Never suspends."""

    is_shared = False

    def __init__(self, clock: Clock, metrics: ReuseMetrics, *, max_bytes: int) -> None:
        self._answers: MemoryStore[Kept] = MemoryStore(clock, max_bytes=max_bytes)
        metrics.cache_bytes.set_function(lambda: self._answers.size_bytes)

    async def get(self, key: ReuseKey) -> Kept | None:
        return self._answers.get(key)

    def put(self, key: ReuseKey, kept: Kept, ttl_s: float) -> bool:
        return self._answers.put(key, kept, size_bytes=kept.size_bytes, ttl_s=ttl_s)

    async def held(self, prefix: bytes) -> Held | None:
        return Held(*self._answers.under(prefix))

    async def clear(self, prefix: bytes) -> int | None:
        return self._answers.drop_under(prefix)


class RedisAnswers:
    """In Redis, for all routers. Nothing is kept here besides: `no-cache` must hold for every router."""

    is_shared = True

    def __init__(self, link: RedisLink, writer: RedisWriter) -> None:
        self._link = link
        self._writer = writer

    async def get(self, key: ReuseKey) -> Kept | None:
        name = _PREFIX + key.hex().encode()
        try:
            data = await self._link.call(lambda redis: redis.get(name))
        except RedisLost:
            return None
        return unpack(key, data) if isinstance(data, bytes) else None

    def put(self, key: ReuseKey, kept: Kept, ttl_s: float) -> bool:
        name, data, ttl_ms = _PREFIX + key.hex().encode(), pack(key, kept), max(int(ttl_s * 1000), 1)

        def write(redis: Redis) -> Awaitable[object]:
            return redis.set(name, data, px=ttl_ms)

        return self._writer.submit(write, len(data))

    async def held(self, prefix: bytes) -> Held | None:
        try:
            return Held(sum([len(names) async for names in self._names(prefix)]), None)
        except RedisLost:
            return None

    async def clear(self, prefix: bytes) -> int | None:
        cleared = 0
        try:
            async for names in self._names(prefix):
                cleared += await self._unlink(names) if names else 0
        except RedisLost:
            return None
        return cleared

    async def _unlink(self, names: list[bytes]) -> int:
        async def unlink(redis: Redis) -> int:
            return int(await redis.unlink(*names))

        return await self._link.call(unlink)

    async def _names(self, prefix: bytes) -> AsyncIterator[list[bytes]]:
        """Yield the names of what is there, a handful at a time. Redis may tell one twice while it grows."""
        cursor, pattern = 0, _PREFIX + prefix.hex().encode() + b"*"

        async def scan(redis: Redis) -> tuple[int, list[bytes]]:
            at, names = await redis.scan(cursor=cursor, match=pattern, count=_SCANNED)
            return int(at), [name for name in names if isinstance(name, bytes)]

        while True:
            cursor, names = await self._link.call(scan)
            yield names
            if cursor == 0:
                return


class ResponseCache:
    """One per router process."""

    def __init__(self, store: AnswerStore, clock: Clock, metrics: ReuseMetrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics

    @property
    def is_shared(self) -> bool:
        """Whether other routers have the same answers."""
        return self._store.is_shared

    async def held(self, tenant_id: str) -> Held | None:
        """Return how much is kept of a tenant; None while the store is away."""
        return await self._store.held(tenant_part(tenant_id))

    async def clear(self, tenant_id: str) -> int | None:
        """Forget a tenant's answers, and return how many there were; None while the store is away."""
        return await self._store.clear(tenant_part(tenant_id))

    async def find(self, key: ReuseKey, order: CacheOrder) -> Kept | None:
        """Return an answer that may be given again, and count. Never raises: a store that is away is a miss."""
        if not order.is_read:
            self._metrics.lookups[CacheState.MISS if order.is_kept else CacheState.BYPASS].inc()
            return None
        kept = await self._store.get(key)
        if kept is not None and order.max_age_s is not None and kept.age_s(self._clock.now()) > order.max_age_s:
            kept = None
        self._metrics.lookups[CacheState.MISS if kept is None else CacheState.HIT].inc()
        return kept

    def keep(self, key: ReuseKey, kept: Kept | None, cache: RouteCache) -> None:
        """Keep a complete answer without an error; others are none of the cache's business (None, or not 200)."""
        if kept is None or kept.status != 200 or cache.ttl_s <= 0:
            return
        if self._store.put(key, kept, cache.ttl_s):
            self._metrics.kept.inc()
        else:
            self._metrics.not_kept.inc()

    def headers(self, order: CacheOrder, hit: Kept | None) -> list[tuple[bytes, bytes]]:
        """Return what the client is told."""
        if hit is not None:
            age = b"%d" % hit.age_s(self._clock.now())
            return [(b"x-roundhouse-cache", CacheState.HIT.value), (b"age", age)]
        return [(b"x-roundhouse-cache", (CacheState.MISS if order.is_kept else CacheState.BYPASS).value)]

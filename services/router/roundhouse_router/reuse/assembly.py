"""The three kinds of reuse as one router has them, in this process or in Redis."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry

from roundhouse_common.runtime import Clock
from roundhouse_router.reuse.cache import AnswerStore, MemoryAnswers, RedisAnswers, ResponseCache
from roundhouse_router.reuse.coalescing import Coalescer
from roundhouse_router.reuse.idempotency import Idempotency, MemoryReservations, Reservations
from roundhouse_router.reuse.idempotency_redis import RedisReservations
from roundhouse_router.reuse.metrics import ReuseMetrics
from roundhouse_router.reuse.redis_link import RedisLink, connect
from roundhouse_router.reuse.writer import RedisWriter

__all__ = ["Reuse", "ReuseLimits", "build_reuse"]

L = TypeVar("L")
Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseLimits:
    """How much may be kept, and how long Redis may take."""

    cache_max_bytes: int
    idempotency_ttl_s: float
    idempotency_max_bytes: int
    coalesce_buffer_bytes: int
    redis_timeout_s: float = 0.1
    redis_rest_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse(Generic[L]):
    """`loops` run as long as the router does, under their names."""

    cache: ResponseCache
    coalescer: Coalescer[L]
    idempotency: Idempotency
    metrics: ReuseMetrics
    loops: tuple[tuple[str, Loop], ...] = ()
    link: RedisLink | None = None

    async def close(self) -> None:
        """End shared work and the connections to Redis."""
        await self.coalescer.stop()
        if self.link is not None:
            await self.link.close()


def build_reuse(limits: ReuseLimits, clock: Clock, registry: CollectorRegistry, *, redis_url: str = "") -> "Reuse[L]":
    """Return what a router needs; nothing is connected yet. Without an address everything is in this process."""
    metrics = ReuseMetrics(registry)
    local = MemoryReservations(clock, max_bytes=limits.idempotency_max_bytes, ttl_s=limits.idempotency_ttl_s)
    answers: AnswerStore
    reservations: Reservations = local
    loops: tuple[tuple[str, Loop], ...] = ()
    link: RedisLink | None = None
    if redis_url:
        client = connect(redis_url, timeout_s=limits.redis_timeout_s)
        link = RedisLink(
            client,
            clock,
            timeout_s=limits.redis_timeout_s,
            rest_s=limits.redis_rest_s,
            failed=metrics.store_failures.inc,
        )
        writer = RedisWriter(link)
        answers = RedisAnswers(link, writer)
        shared = RedisReservations(link, writer, ttl_s=limits.idempotency_ttl_s)
        reservations = shared
        loops = (("write kept answers", writer.run), ("renew idempotency keys", shared.renew))
    else:
        answers = MemoryAnswers(clock, metrics, max_bytes=limits.cache_max_bytes)
    return Reuse(
        cache=ResponseCache(answers, clock, metrics),
        coalescer=Coalescer(buffer_bytes=limits.coalesce_buffer_bytes, metrics=metrics),
        idempotency=Idempotency(reservations, local, metrics),
        metrics=metrics,
        loops=loops,
        link=link,
    )

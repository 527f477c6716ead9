"""The reuse of answers as a router has it, with its loops running."""

import asyncio
from types import TracebackType
from typing import Any

from prometheus_client import CollectorRegistry

from roundhouse_common.runtime import SystemClock
from roundhouse_router.domain.reuse import Kept
from roundhouse_router.reuse.assembly import Reuse, ReuseLimits, build_reuse
from roundhouse_router.reuse.cache import ResponseCache
from roundhouse_router.reuse.idempotency import Idempotency

__all__ = ["RunningReuse", "kept"]


def kept(*chunks: bytes, **changed: Any) -> Kept:  # Any: fields of many types
    fields = {"status": 200, "content_type": b"application/json", "is_stream": False, "kept_at": 1.8e9, **changed}
    return Kept(chunks=chunks, **fields)


class RunningReuse:
    """`async with` runs it in one process, or at a Redis."""

    def __init__(self, url: str = "", **limits: Any) -> None:  # Any: limits of several types
        fields = {
            "cache_max_bytes": 100_000,
            "idempotency_ttl_s": 60,
            "idempotency_max_bytes": 100_000,
            "coalesce_buffer_bytes": 10_000,
            "redis_timeout_s": 2.0,
            "redis_rest_s": 0.05,
        }
        self.registry = CollectorRegistry()
        self.reuse: Reuse[Any] = build_reuse(
            ReuseLimits(**{**fields, **limits}), SystemClock(), self.registry, redis_url=url
        )

    @property
    def cache(self) -> ResponseCache:
        return self.reuse.cache

    @property
    def idempotency(self) -> Idempotency:
        return self.reuse.idempotency

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def __aenter__(self) -> "RunningReuse":
        self._loops = [asyncio.ensure_future(run()) for _, run in self.reuse.loops]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.reuse.close()

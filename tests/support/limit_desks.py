"""Limiters of several routers on one Redis, for tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from roundhouse_common.contracts.routing import LimitRecord
from roundhouse_common.runtime import SystemClock
from roundhouse_router.domain.limits import Demand, LimitExceeded
from roundhouse_router.limits import Grant, LimiterFigures, RedisLimiter
from tests.support.eventually import eventually
from tests.support.limit_records import demand, table_of
from tests.support.redis_server import RedisServer

__all__ = ["Desk", "crowd", "desks"]


class Desk:
    """One router's limiter on its own connection."""

    def __init__(self, url: str, name: str, records: Sequence[LimitRecord], **options: Any) -> None:
        self.table = table_of(*records)
        self.figures = LimiterFigures()
        settings = {"timeout_s": 2.0, "lease_s": 15.0, **options}
        self.limiter = RedisLimiter(
            lambda: self.table,
            SystemClock(),
            url=url,
            router_id=name,
            figures=self.figures,
            **settings,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.limiter.run())

    async def __aenter__(self) -> "Desk":
        self.start()
        await eventually(lambda: self.limiter.is_exact)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def die(self) -> None:
        """End without giving anything back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def try_admit(self, wanted: Demand) -> Grant | None:
        try:
            return await self.limiter.admit(wanted)
        except LimitExceeded:
            return None

    async def used(self, wanted: Demand | None = None) -> dict[str, int]:
        return {one.rule.counter_id: one.used for one in await self.limiter.peek(wanted or demand())}


@asynccontextmanager
async def desks(server: RedisServer, number: int, *records: LimitRecord, **options: Any) -> AsyncIterator[list[Desk]]:
    async with AsyncExitStack() as stack:
        made = [Desk(server.url, f"router-{index}", records, **options) for index in range(number)]
        for desk in made:
            await stack.enter_async_context(desk)
        yield made


async def crowd(routers: list[Desk], size: int = 200, **wanted: Any) -> list[Grant]:
    """Let so many ask at once, over all routers, and return the grants."""
    asked = [routers[i % len(routers)].try_admit(demand(**wanted)) for i in range(size)]
    return [grant for grant in await asyncio.gather(*asked) if grant is not None]

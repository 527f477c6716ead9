"""Answers what the catalog asks of this router: how endpoints stand with it, and the answers it keeps of a tenant."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.registry import CLEAR_ANSWERS, READ_ROUTER
from roundhouse_common.contracts.routers import AnswersCleared, ClearAnswers, ReadRouter, RouterRead
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.choosing.sights import judged
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.reuse.cache import ResponseCache

__all__ = ["SightDesk"]

_AWAY = "the store of the answers is away"


class SightDesk:
    """Each worker of a router answers for itself."""

    def __init__(
        self,
        bus: Bus,
        chooser: Chooser,
        cache: ResponseCache,
        clock: Clock,
        *,
        router_id: str,
        table: Callable[[], RoutingTable],
    ) -> None:
        self._bus = bus
        self._chooser = chooser
        self._cache = cache
        self._clock = clock
        self._router_id = router_id
        self._table = table

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer from now on, until the bus is closed."""
        await self._bus.serve(READ_ROUTER, self._read)
        await self._bus.serve(CLEAR_ANSWERS, self._clear)
        yield

    async def _read(self, query: ReadRouter, _: tuple[str, ...]) -> RouterRead:
        held = await self._cache.held(query.tenant_id)
        return RouterRead(
            router_id=self._router_id,
            region=self._chooser.options.region,
            endpoints=judged(self._chooser, self._table(), self._clock.monotonic()),
            answers=-1 if held is None else held.answers,
            answer_bytes=-1 if held is None or held.size_bytes is None else held.size_bytes,
            is_shared=self._cache.is_shared,
        )

    async def _clear(self, query: ClearAnswers, _: tuple[str, ...]) -> AnswersCleared:
        cleared = await self._cache.clear(query.tenant_id)
        return AnswersCleared(
            router_id=self._router_id,
            answers=cleared or 0,
            is_shared=self._cache.is_shared,
            error=_AWAY if cleared is None else "",
        )

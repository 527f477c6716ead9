"""Tells the other routers what this one sees of endpoints, hears them, and hears the queues of engines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.demand import RouterState
from roundhouse_common.contracts.node import Heartbeat
from roundhouse_common.contracts.registry import HEARTBEAT, ROUTER_STATE
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.choosing.peers import Peers
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["StateSharer"]

_QUEUE_KNOWN_S: Final = 15.0
"""A queue that no heartbeat has told of for so long is taken for empty."""
_JUDGE_EVERY_S: Final = 10.0


class StateSharer:
    """Signals only: what is lost is told again, or costs precision. `subscribed` first, then `run`."""

    def __init__(
        self,
        bus: Bus,
        chooser: Chooser,
        clock: Clock,
        *,
        table: Callable[[], RoutingTable],
        router_id: str,
        incarnation: str,
        interval_s: float = 0.5,
    ) -> None:
        self._bus = bus
        self._chooser = chooser
        self._clock = clock
        self._table = table
        self._router_id = router_id
        self._incarnation = incarnation
        self._interval_s = interval_s
        self._peers = Peers(chooser, router_id)
        self._sequence = 0
        self._pruned: RoutingTable | None = None
        self._judge_at = clock.monotonic() + _JUDGE_EVERY_S

    def live_routers(self) -> int:
        """Return how many routers there are now, this one counted."""
        return self._peers.live_routers(self._clock.monotonic())

    @contextlib.asynccontextmanager
    async def subscribed(self) -> AsyncIterator[None]:
        """Hear the others and the nodes as long as the bus is open."""
        await self._bus.subscribe(ROUTER_STATE, self._hear_router)
        await self._bus.subscribe(HEARTBEAT, self._hear_node)
        yield

    async def run(self) -> None:
        """Tell everything that the others must know, every interval: also that this router lives."""
        while True:
            self.look()
            if self._bus.is_connected:
                await self._bus.signal(ROUTER_STATE, self.message(), self._router_id)
            await asyncio.sleep(self._interval_s)

    def message(self) -> RouterState:
        """Return the next message."""
        self._sequence += 1
        return RouterState(
            router_id=self._router_id,
            incarnation=self._incarnation,
            sequence=self._sequence,
            interval_s=self._interval_s,
            region=self._chooser.options.region,
            endpoints=self._peers.endpoints(self._clock.monotonic()),
            prefixes=self._peers.prefixes(),
        )

    def look(self) -> None:
        """Forget who and what is gone, and judge rates of success when it is time."""
        now = self._clock.monotonic()
        self._peers.forget(now)
        self._chooser.roster.standings.forget_queues(now - _QUEUE_KNOWN_S)
        if now >= self._judge_at:
            self._judge_at = now + _JUDGE_EVERY_S
            self._chooser.roster.judge(now)
            self._pruned = None  # what was in flight when its endpoint went may have ended
        table = self._table()
        if table is not self._pruned:
            self._chooser.prune(table)
            self._pruned = table

    async def _hear_router(self, state: RouterState, ids: tuple[str, ...]) -> None:
        if ids == (state.router_id,):
            self._peers.hear(state, self._clock.monotonic())

    async def _hear_node(self, beat: Heartbeat, ids: tuple[str, ...]) -> None:
        told = ((load.replica_id, load.waiting) for load in beat.loads)
        self._chooser.roster.standings.waiting(told, self._clock.monotonic())

"""Tells the scheduler what there is to do: everything every few seconds, at once when a request waits for a replica."""

import asyncio
from typing import Final

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.demand import DeploymentWanted, RouterDemand
from roundhouse_common.contracts.registry import DEMAND, DEPLOYMENT_WANTED
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.demand import DemandLedger

__all__ = ["DemandTeller"]

_WANTED_EVERY_S: Final = 1.0


class DemandTeller:
    """Signals only: a lost one costs the time until the next."""

    def __init__(
        self, bus: Bus, ledger: DemandLedger, clock: Clock, *, router_id: str, incarnation: str, interval_s: float
    ) -> None:
        self._bus = bus
        self._ledger = ledger
        self._clock = clock
        self._router_id = router_id
        self._incarnation = incarnation
        self._interval_s = interval_s
        self._sequence = 0
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """A request has begun to wait: say so now."""
        self._wanted.set()

    async def tell(self) -> None:
        """Tell everything, every interval."""
        while True:
            self._sequence += 1
            message = RouterDemand(
                router_id=self._router_id,
                incarnation=self._incarnation,
                sequence=self._sequence,
                at=self._clock.now(),
                interval_s=self._interval_s,
                deployments=self._ledger.tell(),
            )
            await self._bus.signal(DEMAND, message, self._router_id)
            await asyncio.sleep(self._interval_s)

    async def ask(self) -> None:
        """While requests wait, ask for their deployments: at once, and then every second."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while held := self._ledger.held():
                for deployment_id, count in held:
                    message = DeploymentWanted(deployment_id=deployment_id, router_id=self._router_id, held=count)
                    await self._bus.signal(DEPLOYMENT_WANTED, message, deployment_id)
                await self._pause()

    async def _pause(self) -> None:
        """Until another request begins to wait, a second at most."""
        try:
            async with asyncio.timeout(_WANTED_EVERY_S):
                await self._wanted.wait()
        except TimeoutError:
            return
        self._wanted.clear()

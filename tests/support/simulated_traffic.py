"""Requests on virtual time: held and sent as the router does, with the router's own ledger and messages."""

import asyncio

from roundhouse_common.bus.memory import Faults, MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.scheduler import EndpointState
from roundhouse_common.runtime import Clock
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.loops.demand import DemandTeller

__all__ = ["SimulatedTraffic"]


class SimulatedTraffic:
    """`async with` one; `ask` sends a request and returns how long it was held."""

    def __init__(self, table: ControlPlane, broker: MemoryBroker, clock: Clock, faults: Faults) -> None:
        self._table = table
        self._clock = clock
        self._bus = MemoryBus(broker, Service.ROUTER, clock=clock, faults=faults)
        self.ledger = DemandLedger()
        self._teller = DemandTeller(self._bus, self.ledger, clock, router_id="rtr_1", incarnation="one", interval_s=2.0)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "SimulatedTraffic":
        await self._bus.connect()
        self._tasks = [asyncio.create_task(run(), name="traffic") for run in (self._teller.tell, self._teller.ask)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bus.close()

    async def ask(self, deployment_id: str, *, takes_s: float = 1.0) -> float:
        """Send one request; return how long it waited for a replica."""
        tally = self.ledger.of(deployment_id)
        tally.started += 1
        began = self._clock.monotonic()
        if not self._is_ready(deployment_id):
            tally.held += 1
            if tally.held == 1:
                self._teller.want()
            try:
                while not self._is_ready(deployment_id):
                    await self._table.changed()
            finally:
                tally.held -= 1
        waited_s = self._clock.monotonic() - began
        tally.in_flight += 1
        try:
            await asyncio.sleep(takes_s)
        finally:
            tally.in_flight -= 1
        return waited_s

    def _is_ready(self, deployment_id: str) -> bool:
        known = self._table.table.deployments.get(deployment_id)
        return known is not None and any(item.state is EndpointState.READY for item in known.endpoints)

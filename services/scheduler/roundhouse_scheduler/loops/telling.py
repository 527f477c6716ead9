"""Tell routers first, then nodes: an engine learns that it must drain after its callers do."""

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments
from roundhouse_scheduler.loops.waking import Waker

__all__ = ["Telling"]

_RETRY_S = 1.0
_LOOK_EVERY_S = 30.0


class Telling:
    """Publishes the two documents after a commit, in that order. Each publisher also resyncs in a loop of its own."""

    def __init__(
        self, *, endpoints: Publisher[DeploymentEndpoints], assignments: Publisher[NodeAssignments], waker: Waker
    ) -> None:
        self._endpoints = endpoints
        self._assignments = assignments
        self._waker = waker

    async def run(self) -> None:
        """Publish whenever woken; while the bus is away try again every second."""
        pause_s = _LOOK_EVERY_S
        while True:
            await self._waker.wait(pause_s)
            try:
                await self._endpoints.sync()
                await self._assignments.sync()
                pause_s = _LOOK_EVERY_S
            except BusUnavailable:
                pause_s = _RETRY_S

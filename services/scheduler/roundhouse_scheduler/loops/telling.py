"""Tell routers first, then nodes: an engine learns that it must drain after its callers do."""

from collections.abc import Set

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments
from roundhouse_scheduler.loops.waking import Waker

__all__ = ["Telling"]

_RETRY_S = 1.0
_LOOK_EVERY_S = 30.0


class Telling:
    """Publishes the documents that a commit touched, in that order. Each publisher also compares its whole bucket in a
    loop of its own."""

    def __init__(self, *, endpoints: Publisher[DeploymentEndpoints], assignments: Publisher[NodeAssignments]) -> None:
        self._endpoints = endpoints
        self._assignments = assignments
        self._waker = Waker()
        self._nodes: set[str] = set()
        self._deployments: set[str] = set()

    def add(self, *, nodes: Set[str], deployments: Set[str]) -> None:
        """The documents of these may say something else now."""
        self._nodes |= nodes
        self._deployments |= deployments
        self._waker.wake()

    async def run(self) -> None:
        """Publish whenever there is something; while the bus is away try again every second."""
        pause_s = _LOOK_EVERY_S
        while True:
            await self._waker.wait(pause_s)
            nodes, deployments = self._nodes, self._deployments
            self._nodes, self._deployments = set(), set()
            try:
                await self._endpoints.sync(only=deployments)
                await self._assignments.sync(only=nodes)
                pause_s = _LOOK_EVERY_S
            except BusUnavailable:
                self._nodes |= nodes
                self._deployments |= deployments
                pause_s = _RETRY_S

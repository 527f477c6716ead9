"""Requests that wait for a ready replica: a moment for any deployment, longer for one that sleeps and must wake."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.runtime import Clock
from roundhouse_router.api.flight import Flight
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.balancing import Candidate
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.errors import NoReadyReplica, RouterStopping, TooManyWaiting
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings

__all__ = ["Holding", "Waiting"]

_LOOK_S: Final = 0.5
"""How soon a router that stops lets go of what it holds."""


class Waiting(Protocol):
    """The client's side of a wait."""

    async def say(self) -> None:
        """Tell the client that its request is alive."""


class Holding:
    """Shared by all requests. A request that is held goes on in the turn of the event loop that brings an endpoint."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        ledger: DemandLedger,
        want: Callable[[], None],
        is_stopping: Callable[[], bool],
        settings: RouterSettings,
        clock: Clock,
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._ledger = ledger
        self._want = want
        self._is_stopping = is_stopping
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def hold(
        self, flight: Flight, find: Callable[[], list[Candidate]], waiting: Waiting | None
    ) -> list[Candidate]:
        """Wait until `find` finds something. Raises NoReadyReplica when the time is over, and its subclasses."""
        sleeping = self._wakeable(flight.targets)
        deployment_id = sleeping.deployment_id if sleeping is not None else flight.targets[0].deployment_id
        tally = self._ledger.of(deployment_id)
        if tally.held >= self._settings.held_most:
            self._metrics.hold_refused.inc()
            raise TooManyWaiting(
                f"{tally.held} requests wait for the model `{flight.request.model}` already. Try again in a moment."
            )
        began = self._clock.monotonic()
        tally.held += 1
        flight.counts_for(tally)
        if sleeping is not None and tally.held == 1:
            self._want()
        self._metrics.held.inc()
        try:
            return await self._wait(flight, find, waiting, began)
        finally:
            tally.held -= 1
            self._metrics.held.dec()
            self._metrics.hold_s.observe(self._clock.monotonic() - began)

    async def _wait(
        self, flight: Flight, find: Callable[[], list[Candidate]], waiting: Waiting | None, began: float
    ) -> list[Candidate]:
        say_at = began + self._settings.wake_comment_after_s
        while not (found := find()):
            now = self._clock.monotonic()
            left_s = began + self._patience_s(flight.targets) - now
            if left_s <= 0:
                raise self._gives_up(flight)
            if self._is_stopping():
                raise RouterStopping("The router is shutting down. Try again in a moment.")
            if waiting is not None and now >= say_at:
                await waiting.say()
                say_at = now + self._settings.wake_comment_every_s
                continue
            await self._change(min(left_s, _LOOK_S, max(0.0, say_at - now) if waiting is not None else _LOOK_S))
        return found

    async def _change(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self._control_plane.changed()
        except TimeoutError:
            return

    def _wakeable(self, targets: Sequence[RouteTarget]) -> DeploymentEndpoints | None:
        """Return the first target that a request wakes."""
        deployments = self._control_plane.table.deployments
        found = (deployments.get(target.deployment_id) for target in targets)
        return next((deployment for deployment in found if deployment is not None and deployment.is_wakeable), None)

    def _patience_s(self, targets: Sequence[RouteTarget]) -> float:
        """How long to wait by the table of this moment: a deployment may begin or cease to be one that sleeps."""
        sleeping = self._wakeable(targets)
        return max(self._settings.ready_wait_s, sleeping.wake_timeout_s if sleeping is not None else 0.0)

    def _gives_up(self, flight: Flight) -> NoReadyReplica:
        sleeping = self._wakeable(flight.targets)
        model = flight.request.model
        if sleeping is None:
            return NoReadyReplica(f"No replica of the model `{model}` is ready. Try again in a moment.")
        return NoReadyReplica(
            f"The model `{model}` slept and was not ready within {sleeping.wake_timeout_s:.0f} s. "
            "It may still be starting: try again later."
        )

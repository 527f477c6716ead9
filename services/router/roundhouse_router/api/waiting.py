"""Requests that cannot go on yet: no replica is ready, the model sleeps, or every endpoint has as many as it may have.

All wait in one line per route, by priority and then by age. The first in line looks whenever the table changes or a
request of the route ends, and lets the next one look when it has found a place.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, NamedTuple, TypeVar

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.runtime import Clock
from roundhouse_router.api.early import Early
from roundhouse_router.api.flight import Flight
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.demand import DemandLedger, Tally
from roundhouse_router.domain.errors import (
    ApiError,
    EnginesBusy,
    NoReadyReplica,
    QueueFull,
    RouterStopping,
    TooManyWaiting,
)
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings

__all__ = ["Waiting"]

_LOOK_S: Final = 0.5
"""How soon a router that stops lets go of what it holds."""
Found = TypeVar("Found")


class _Place(NamedTuple):
    """A place in the line: higher priority first, then who came first."""

    negative_priority: int
    number: int
    woken: asyncio.Event


class Waiting:
    """Shared by all requests."""

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
        self._lines: dict[str, list[_Place]] = {}
        self._numbers = count()
        control_plane.listen(self.freed)

    def freed(self) -> None:
        """A request ended, or the table changed: there may be room for the first in each line."""
        for line in self._lines.values():
            if line:
                line[0].woken.set()

    async def room(
        self, flight: Flight, find: Callable[[], Found | None], is_there: Callable[[], bool], early: Early | None
    ) -> Found:
        """Wait until `find` finds something. Raises NoReadyReplica, its subclasses, QueueFull and EnginesBusy.

        `is_there` says whether there is an endpoint at all: then the wait is one for room, with the route's own bounds.
        """
        targets = flight.resolution.targets
        sleeping = self._wakeable(targets)
        deployment_id = sleeping.deployment_id if sleeping is not None else targets[0].deployment_id
        tally = self._ledger.of(deployment_id)
        self._check(flight, tally, is_full=is_there())
        began = self._clock.monotonic()
        tally.held += 1
        flight.counts_for(tally)
        if sleeping is not None and tally.held == 1:
            self._want()
        self._metrics.held.inc()
        line = self._lines.setdefault(flight.resolution.route.route_id, [])
        place = _Place(-flight.priority, next(self._numbers), asyncio.Event())
        heapq.heappush(line, place)
        try:
            return await self._wait(flight, find, is_there, early, line, place, began)
        finally:
            line.remove(place)
            heapq.heapify(line)
            if line:
                line[0].woken.set()
            tally.held -= 1
            self._metrics.held.dec()
            waited_s = self._clock.monotonic() - began
            flight.queued_s += waited_s
            self._metrics.hold_s.observe(waited_s)

    async def _wait(
        self,
        flight: Flight,
        find: Callable[[], Found | None],
        is_there: Callable[[], bool],
        early: Early | None,
        line: Sequence[_Place],
        place: _Place,
        began: float,
    ) -> Found:
        say_at = began + self._settings.wake_comment_after_s
        while True:
            if line[0] is place and (found := find()) is not None:
                return found
            now, is_full = self._clock.monotonic(), is_there()
            left_s = began + self._patience_s(flight, is_full=is_full) - now
            if left_s <= 0:
                raise self._gives_up(flight, is_full=is_full)
            if self._is_stopping():
                raise RouterStopping("The router is shutting down. Try again in a moment.")
            if early is not None and now >= say_at:
                early.say()
                say_at = now + self._settings.wake_comment_every_s
                continue
            await self._change(place, min(left_s, _LOOK_S, max(0.0, say_at - now) if early is not None else _LOOK_S))

    async def _change(self, place: _Place, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await place.woken.wait()
        except TimeoutError:
            return
        finally:
            place.woken.clear()

    def _check(self, flight: Flight, tally: Tally, *, is_full: bool) -> None:
        model, queue = flight.request.model, flight.resolution.route.queue
        waiting = len(self._lines.get(flight.resolution.route.route_id, ()))
        if is_full and waiting >= queue.max_waiting:
            self._metrics.hold_refused.inc()
            raise QueueFull(
                f"Every engine of the model `{model}` is busy, and {waiting} requests wait already. "
                "Try again in a moment."
            )
        if tally.held >= self._settings.held_most:
            self._metrics.hold_refused.inc()
            raise TooManyWaiting(f"{tally.held} requests wait for the model `{model}` already. Try again in a moment.")

    def _wakeable(self, targets: Sequence[RouteTarget]) -> DeploymentEndpoints | None:
        """Return the first target that a request wakes."""
        deployments = self._control_plane.table.deployments
        found = (deployments.get(target.deployment_id) for target in targets)
        return next((deployment for deployment in found if deployment is not None and deployment.is_wakeable), None)

    def _patience_s(self, flight: Flight, *, is_full: bool) -> float:
        """How long to wait by the table of this moment: a deployment may begin or cease to be one that sleeps."""
        if is_full:
            return flight.resolution.route.queue.deadline_s
        sleeping = self._wakeable(flight.resolution.targets)
        return max(self._settings.ready_wait_s, sleeping.wake_timeout_s if sleeping is not None else 0.0)

    def _gives_up(self, flight: Flight, *, is_full: bool) -> ApiError:
        model = flight.request.model
        if is_full:
            waited_s = flight.resolution.route.queue.deadline_s
            return EnginesBusy(f"Every engine of the model `{model}` was busy for {waited_s:.0f} s. Try again later.")
        sleeping = self._wakeable(flight.resolution.targets)
        if sleeping is None:
            return NoReadyReplica(f"No replica of the model `{model}` is ready. Try again in a moment.")
        return NoReadyReplica(
            f"The model `{model}` slept and was not ready within {sleeping.wake_timeout_s:.0f} s. "
            "It may still be starting: try again later."
        )

"""The fast path: the common request, from its last byte to the engine and back, without a task.

Common is: one of OpenAI's APIs, a key that is known, a route to our own engines without cache, queue and deadlines, and
an engine to which a connection is open. It is admitted, recorded, counted and judged by the same code as every other
request (`Pipeline`, `Flight`, `Attempts`, `Pump`). Whatever is not common goes to the pipeline: before admission by not
taking the request, after it by handing over what was begun (`FastAnswer`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.runtime import Clock, Ids
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.early import Headers
from roundhouse_router.api.edge import answered, id_lines
from roundhouse_router.api.fast_answer import FastAnswer, Shared
from roundhouse_router.api.fast_plans import FastPlans
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.interfaces import INTERFACES
from roundhouse_router.api.pipeline import Pipeline, demand_of, raised
from roundhouse_router.api.upstreams import Upstreams
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.errors import ApiError, BadBody
from roundhouse_router.domain.limits import Demand
from roundhouse_router.domain.request import ParsedRequest, parse
from roundhouse_router.domain.targets import RequestFacts, Resolution
from roundhouse_router.limits.api import Unlimited
from roundhouse_router.limits.process import ProcessGrant
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import Lines

__all__ = ["FastPath"]

_TICK_S: Final = 1.0
_INTERFACES: Final = {
    path: interface
    for path, interface in INTERFACES.items()
    if interface.dialect is None and interface.media is None and interface.choose is None
}


class FastPath:
    """One per process."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        pipeline: Pipeline,
        attempts: Attempts,
        chooser: Chooser,
        upstreams: Upstreams,
        ledger: DemandLedger,
        decide: Callable[[Demand], ProcessGrant | Unlimited],
        settings: RouterSettings,
        clock: Clock,
        ids: Ids,
        metrics: RouterMetrics,
    ) -> None:
        """`decide` is the limiter's `admit` for who cannot await: raises LimitExceeded."""
        self._plans = FastPlans(control_plane)
        self._pipeline = pipeline
        self._decide = decide
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._max_body_bytes = settings.max_body_bytes
        self._shared = Shared(
            control_plane=control_plane,
            pipeline=pipeline,
            attempts=attempts,
            chooser=chooser,
            upstreams=upstreams,
            ledger=ledger,
            settings=settings,
            now=clock.monotonic,
        )
        self._tick_s = min(_TICK_S, settings.keep_alive_comment_s / 4) if settings.keep_alive_comment_s else _TICK_S

    def take(self, exchange: Exchange) -> bool:
        """Take the request if it is of the common kind. False: nothing has happened."""
        interface, body = _INTERFACES.get(exchange.path), exchange.whole
        if interface is None or not _is_common(exchange) or len(body) > self._max_body_bytes:
            return False
        received = exchange.received or self._clock.monotonic()
        caller = self._plans.caller(exchange, self._clock.now())
        if caller is None:
            return False
        try:
            request = parse(body, interface.operation)
        except BadBody:
            return False
        resolution = self._plans.resolution(caller, interface, request.model)
        if resolution is None:
            return False
        self._admit(exchange, interface, request, caller.key, resolution, received)
        return True

    def awaits(self, exchange: Exchange) -> bool:
        """Whether the request, whose body is still coming in, is of the common kind as far as its head says."""
        if exchange.path not in _INTERFACES or not _is_common(exchange):
            return False
        if self._plans.caller(exchange, self._clock.now()) is None:
            return False
        exchange.received = self._clock.monotonic()
        return True

    async def run(self) -> None:
        """Let a task see to who waits for the first token for long. Until cancelled."""
        while True:
            await asyncio.sleep(self._tick_s)
            self._shared.hand_over_late()

    def _admit(
        self,
        exchange: Exchange,
        interface: Interface,
        request: ParsedRequest,
        key: ApiKeyRecord,
        resolution: Resolution,
        received: float,
    ) -> None:
        request_id = self._ids.new("req")
        lines = id_lines(exchange.headers, request_id)
        try:
            demand = demand_of(key, request, interface.operation, resolution.route_id, resolution.targets)
            grant = self._decide(demand)
        except ApiError as error:
            self._refuse(exchange, interface, list(Lines(lines)), error)
            return
        facts = RequestFacts(key, interface.features, exchange.headers, request.user, request.prompt)
        try:
            flight = self._pipeline.flight(
                request_id, interface, request, resolution, facts, grant, received, key.priority
            )
        except BaseException:  # nobody would give back what it holds
            grant.settle(0, 0)
            raise
        FastAnswer(self._shared, flight, exchange, Lines(lines + grant.lines)).begin()

    def _refuse(self, exchange: Exchange, interface: Interface, headers: Headers, error: ApiError) -> None:
        self._metrics.refused(interface.path, interface.operation.value, error)
        exchange.continue_by(lambda exchange: answered(exchange, interface, headers, raised(error)))


def _is_common(exchange: Exchange) -> bool:
    headers = exchange.headers
    return not (
        exchange.method != "POST"
        or b"idempotency-key" in headers
        or b"content-encoding" in headers
        or b"x-roundhouse-priority" in headers
    )

"""Answers that are given again, as a part of the hot path: what a request may get, and what is kept of its answer.

plan ── kept answer ───────────────────────> replay
     ── equal request in flight ───────────> a seat at its answer
     ── neither ── fly (and keep a copy) ──> the client, and whoever takes a seat
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from roundhouse_common.contracts.routing import RouteRecord
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageSource
from roundhouse_common.runtime import Clock
from roundhouse_router.api.early import Headers
from roundhouse_router.api.flight import Flight
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.media_course import MediaAsked
from roundhouse_router.api.media_reading import identity_of
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.reuse import (
    CACHEABLE,
    IDEMPOTENCY_HEADER,
    CacheOrder,
    Kept,
    cache_order,
    idempotent_request,
)
from roundhouse_router.domain.reuse_key import ReuseKey, reuse_key
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.targets import RequestFacts, Resolution
from roundhouse_router.reuse.assembly import Reuse as Reusables
from roundhouse_router.reuse.idempotency import REPLAYED, Reservation
from roundhouse_router.reuse.shared import Shared
from roundhouse_router.reuse.sink import Recorder, Sink, replay
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.exchange import Exchange

__all__ = ["Fly", "Plan", "Reusing"]

Fly = Callable[[Flight, Sink, Headers], Awaitable[None]]
"""Answers a request by an engine."""
Settled = Callable[[Flight, Sink, Awaitable[None]], Awaitable[None]]
"""Awaits what answers, while the client is there, and sees to it that the flight is settled whatever happens."""
_CACHE_CONTROL: Final = b"cache-control"


@dataclass(slots=True)
class Plan:
    """What one request may get again, and what of its answer may be kept."""

    route: RouteRecord
    serving: frozenset[str] = frozenset()
    """Names of what may answer it."""
    key: ReuseKey | None = None
    order: CacheOrder | None = None
    reservation: Reservation | None = None
    is_shared: bool = False
    kept: Kept | None = None
    """The answer; no engine is asked."""
    reuse: Reuse = Reuse.NONE
    headers: Headers = field(default_factory=list)
    """For the client."""

    def release(self) -> None:
        """Free the request's Idempotency-Key, unless an answer was bound to it."""
        if self.reservation is not None:
            self.reservation.finish(None)


class Reusing:
    """Shared by all requests."""

    def __init__(self, reusables: "Reusables[Flight]", settings: RouterSettings, clock: Clock) -> None:
        self._cache = reusables.cache
        self._coalescer = reusables.coalescer
        self._idempotency = reusables.idempotency
        self._settings = settings
        self._clock = clock

    async def plan(
        self,
        table: RoutingTable,
        interface: Interface,
        exchange: Exchange,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
    ) -> Plan | None:
        """Return what there is to reuse; None: nothing is on for this request. Does not suspend without Redis.

        Raises BadBody, IdempotencyKeyInUse and IdempotencyKeyReused.
        """
        route, given = resolution.route, exchange.headers.get(IDEMPOTENCY_HEADER)
        if given is None and not route.is_coalesced and not route.cache.ttl_s:
            return None
        plan, key = Plan(route), facts.key
        if given is not None:
            identity = identity_of(request) if isinstance(request, MediaAsked) else request.body
            wanted = idempotent_request(
                given, tenant_id=key.tenant_id, key_id=key.key_id, path=exchange.path, body=identity
            )
            begun = await self._idempotency.begin(wanted)
            if isinstance(begun, Kept):
                plan.kept, plan.reuse, plan.headers = begun, Reuse.REPLAYED, [REPLAYED]
                return plan
            plan.reservation = begun
        try:
            await self._look(plan, table, interface, exchange, request, resolution, facts)
        except BaseException:
            plan.release()
            raise
        return plan

    async def _look(
        self,
        plan: Plan,
        table: RoutingTable,
        interface: Interface,
        exchange: Exchange,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
    ) -> None:
        """Look for a kept answer, and find out what may be done with a new one."""
        route, said = plan.route, exchange.headers.get(_CACHE_CONTROL)
        plan.order = cache_order(route.cache, interface.operation, said)
        plan.is_shared = route.is_coalesced and interface.operation in CACHEABLE and not (said and b"no-store" in said)
        if plan.order is None and not plan.is_shared:
            return
        plan.serving = frozenset(_serving(table, resolution, facts))
        plan.key = reuse_key(
            facts.key.tenant_id, route_id=route.route_id, serving=plan.serving, api=interface.api, request=request
        )
        if plan.order is None:
            return
        hit = await self._cache.find(plan.key, plan.order)
        plan.headers = self._cache.headers(plan.order, hit)
        if hit is not None:
            plan.kept, plan.reuse = hit, Reuse.CACHED

    async def answer(
        self, plan: Plan, flight: Flight, exchange: Sink, headers: Headers, *, fly: Fly, settled: Settled
    ) -> None:
        """Answer as planned. Raises as `settled` does."""
        headers += plan.headers
        if plan.kept is not None:
            await settled(flight, exchange, self._replay(plan.kept, plan, flight, exchange, headers))
            return
        sink: Sink = exchange
        recorder = None
        if plan.reservation is not None or (plan.order is not None and plan.order.is_kept and not plan.is_shared):
            sink = recorder = Recorder(exchange, max_bytes=self._most_bytes(plan))
        if plan.is_shared:
            await self._answer_shared(plan, flight, sink, headers, fly, settled)
        else:
            await settled(flight, sink, fly(flight, sink, headers))
            self._keep(plan, flight, recorder)
        self._bind(plan, flight, recorder)

    async def _answer_shared(
        self, plan: Plan, flight: Flight, sink: Sink, headers: Headers, fly: Fly, settled: Settled
    ) -> None:
        """Take part in the work for this key, or begin it. The flight that begins it is the work's from then on."""
        assert plan.key is not None

        async def work(shared: Shared[Flight]) -> None:
            target: Sink = shared
            recorder = None
            if plan.order is not None and plan.order.is_kept:
                target = recorder = Recorder(shared, max_bytes=self._most_bytes(plan))
            await settled(flight, target, fly(flight, target, []))
            self._keep(plan, flight, recorder)

        with self._coalescer.seat(plan.key) as seat:
            if seat.is_first:
                seat.begin(work, leader=flight)
                async with sink.guarded():
                    await seat.relay(sink, headers)
                return
            flight.reuse = Reuse.COALESCED
            passing = seat.relay(
                sink,
                headers,
                on_start=lambda: _begin_as_follower(flight),
                on_end=lambda leader: _settle_as_follower(flight, leader),
            )
            await settled(flight, sink, passing)

    async def _replay(self, kept: Kept, plan: Plan, flight: Flight, exchange: Sink, headers: Headers) -> None:
        flight.reuse = plan.reuse
        flight.know(kept.counts, UsageSource.ENGINE_FINAL)
        if flight.request.figures is not None:
            figures = flight.request.figures
            figures.audio_ms, figures.images = kept.audio_ms, kept.images
        if kept.is_stream:
            flight.status_sent = kept.status
            flight.first_token()
        outcome = Outcome.COMPLETED if kept.status < 400 else Outcome.FAILED
        code = "" if kept.status < 400 else f"upstream_{kept.status}"
        await replay(exchange, kept, headers, before_last=lambda: flight.settle(outcome, kept.status, code))
        if plan.reservation is not None:
            plan.reservation.finish(kept)

    def _most_bytes(self, plan: Plan) -> int:
        most = self._settings.idempotency_max_answer_bytes if plan.reservation is not None else 0
        return max(most, plan.route.cache.max_answer_bytes if plan.order is not None else 0)

    def _keep(self, plan: Plan, flight: Flight, recorder: Recorder | None) -> None:
        """Put the answer into the cache, if it is whole and from who may answer this request.

        A fallback's answer is not: it holds for as long as the route's own targets fail. Nor is that of a version that
        took over in the meantime.
        """
        order, candidate = plan.order, flight.candidate
        if recorder is None or order is None or not order.is_kept or plan.key is None or candidate is None:
            return
        if flight.outcome is not Outcome.COMPLETED or flight.resolution.route.route_id != plan.route.route_id:
            return
        kept = self._kept(flight, recorder)
        if (
            kept is not None
            and kept.size_bytes <= plan.route.cache.max_answer_bytes
            and _name(candidate) in plan.serving
        ):
            self._cache.keep(plan.key, kept, plan.route.cache)

    def _bind(self, plan: Plan, flight: Flight, recorder: Recorder | None) -> None:
        """Bind the answer to the request's Idempotency-Key: a whole one, or a refusal that would be the same again."""
        if plan.reservation is None or recorder is None:
            return
        is_whole = flight.outcome is Outcome.COMPLETED or recorder.status >= 400
        plan.reservation.finish(self._kept(flight, recorder) if is_whole else None)

    def _kept(self, flight: Flight, recorder: Recorder) -> Kept | None:
        candidate, figures = flight.candidate, flight.request.figures
        return recorder.kept(
            self._clock.now(),
            counts=flight.counts,
            model_served=candidate.model if candidate is not None else "",
            audio_ms=figures.audio_ms if figures is not None else 0,
            images=figures.images if figures is not None else 0,
        )


def _serving(table: RoutingTable, resolution: Resolution, facts: RequestFacts) -> list[str]:
    """Return names of what may answer: versions of deployments, models of providers."""
    names = []
    for target in resolution.matching(facts):
        deployment = table.deployments.get(target.deployment_id)
        if target.provider_id:
            names.append(f"{target.provider_id}/{target.model or resolution.model}")
        elif deployment is not None:
            names.append(f"{deployment.deployment_id}/{deployment.version_id}")
        else:
            names.append(target.deployment_id)
    return names


def _name(candidate: Candidate) -> str:
    """Return the name of who has answered, as `_serving` has it."""
    if candidate.deployment is not None:
        return f"{candidate.deployment.deployment_id}/{candidate.deployment.version_id}"
    return f"{candidate.target.provider_id}/{candidate.model}"


def _begin_as_follower(flight: Flight) -> None:
    flight.status_sent = 200
    flight.first_token()


def _settle_as_follower(flight: Flight, leader: Flight) -> None:
    """Record the answer that this request got too: its tokens, and who made them."""
    flight.candidate = leader.candidate
    flight.know(leader.counts, leader.source)
    flight.settle(leader.outcome, leader.http_status, leader.error_code)

"""The hot path: authenticate, route, admit, choose, relay, settle (design §7)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteTarget
from roundhouse_common.contracts.usage import Operation, Outcome
from roundhouse_common.runtime import Clock
from roundhouse_common.telemetry import SpanKind, inject, span
from roundhouse_router.api.answers import Live
from roundhouse_router.api.attempt import First
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.callers import caller_of
from roundhouse_router.api.continuing import Sequel
from roundhouse_router.api.early import Early, Headers
from roundhouse_router.api.flight import CLIENT_LEFT_STATUS, Flight, FlightServices
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.media_reading import read_media
from roundhouse_router.api.relay import last_event, relay_live, relay_whole, stream_error
from roundhouse_router.api.reusing import Plan, Reusing
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.dialects.native import may_be_spoken
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.errors import ApiError, BadBody, Internal, UpstreamTimeout
from roundhouse_router.domain.features import check_served
from roundhouse_router.domain.limits import Demand
from roundhouse_router.domain.limits.estimates import estimate_input, most_output
from roundhouse_router.domain.request import ParsedRequest, parse
from roundhouse_router.domain.reuse import IDEMPOTENCY_HEADER
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.targets import RequestFacts, Resolution
from roundhouse_router.limits import Grant, Limiter
from roundhouse_router.limits.api import UNLIMITED
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.request_log.log import RequestLog
from roundhouse_router.reuse.sink import Sink
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import Spool
from roundhouse_router.wire.errors import ClientLeft
from roundhouse_router.wire.exchange import Exchange

__all__ = ["Pipeline", "demand_of", "raised"]

_JSON: Final = (b"content-type", b"application/json")
_TRACE_HEADERS: Final = (b"traceparent", b"tracestate")
_PRIORITY_HEADER: Final = b"x-roundhouse-priority"


class Pipeline:
    """Answers the inference paths."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        attempts: Attempts,
        chooser: Chooser,
        freed: Callable[[], None],
        limiter: Limiter,
        reusing: Reusing,
        spool: Spool,
        settings: RouterSettings,
        clock: Clock,
        metrics: RouterMetrics,
        request_log: RequestLog,
    ) -> None:
        self._control_plane = control_plane
        self._attempts = attempts
        self._limiter = limiter
        self._reusing = reusing
        self._services = FlightServices(chooser, freed, clock, spool, metrics)
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._request_log = request_log
        self._is_traced = bool(settings.otlp_endpoint)

    async def answer(self, interface: Interface, exchange: Exchange, request_id: str, headers: Headers) -> None:
        """Answer one request. Raises ApiError when nothing was sent yet, and ClientLeft."""
        try:
            admitted = await self._admit(interface, exchange, request_id)
        except ApiError as error:
            self._metrics.refused(interface.path, interface.operation.value, error)
            raise
        if isinstance(admitted, bytes):
            self._metrics.answered(interface.path, 200, "completed")
            exchange.answer(200, [*headers, _JSON], admitted)
            return
        flight, plan = admitted
        headers += flight.grant.headers
        flight.watch, sink = self._request_log.watch(flight.key.tenant_id, flight.request.body, exchange)
        if flight.watch is None:
            await self._begun(flight, plan, exchange, headers)
            return
        with flight.watch:
            await self._begun(flight, plan, sink, headers)

    async def go_on(self, flight: Flight, exchange: Exchange, headers: Headers, first: First | None) -> None:
        """Answer an admitted request that the fast path does not answer. Raises as `answer` does."""
        await self._settled(flight, exchange, self._fly(flight, exchange, headers, first))

    async def fail(self, flight: Flight, exchange: Exchange, error: Exception) -> None:
        """Settle a request of the fast path that failed, and raise the error."""
        await self._settled(flight, exchange, raised(error))

    async def _begun(self, flight: Flight, plan: Plan | None, exchange: Sink, headers: Headers) -> None:
        if plan is None:
            await self._settled(flight, exchange, self._fly(flight, exchange, headers))
            return
        try:
            await self._reusing.answer(plan, flight, exchange, headers, fly=self._fly, settled=self._settled)
        finally:
            plan.release()

    async def _settled(self, flight: Flight, sink: Sink, answering: Awaitable[None]) -> None:
        """Await what answers, while the client is there. Whatever happens, the flight is settled then."""
        try:
            async with sink.guarded():
                if self._is_traced:
                    with self._span(flight):
                        await answering
                else:
                    await answering
        except ClientLeft as reason:
            flight.settle(Outcome.ABORTED, flight.status_sent or CLIENT_LEFT_STATUS, str(reason))
            raise
        except ApiError as error:
            flight.settle(Outcome.FAILED, error.status, error.error_code)
            raise
        except asyncio.CancelledError:
            flight.settle(Outcome.ABORTED, flight.status_sent or CLIENT_LEFT_STATUS, "router_stopped")
            raise
        finally:  # a defect: the record must exist all the same
            if not flight.is_settled:
                flight.settle(Outcome.FAILED, flight.status_sent or Internal.status, Internal.code)

    async def _admit(
        self, interface: Interface, exchange: Exchange, request_id: str
    ) -> tuple[Flight, Plan | None] | bytes:
        """Judge the request; from here on it has a usage record. Raises ApiError and ClientLeft.

        One that asks for nothing is answered at once, and has none.
        """
        received = self._clock.monotonic()
        key = caller_of(self._control_plane, exchange, self._clock.now())
        interface, request = await self._read(interface, exchange)
        table = self._control_plane.table
        name = request.model if interface.known_name is None else interface.known_name(table, key, request.model)
        resolution = resolve(table, key, name)
        check_served(
            table.deployments, resolution.targets, interface.features, path=interface.path, model=request.model
        )
        if interface.answer_to_nothing is not None and (said := interface.answer_to_nothing(request)) is not None:
            return said
        if interface.dialect is not None and not may_be_spoken(table, resolution.targets, interface.feature):
            interface.dialect.to_openai(request)  # what cannot be said is refused before it costs anything
        facts = RequestFacts(
            key=key, features=interface.features, headers=exchange.headers, user=request.user, prompt=request.prompt
        )
        return await self._begin(interface, exchange, request_id, request, resolution, facts, received)

    async def _begin(
        self,
        interface: Interface,
        exchange: Exchange,
        request_id: str,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
        received: float,
    ) -> tuple[Flight, Plan | None]:
        """Take what the request needs of what is shared, all of it or nothing. Raises ApiError and ClientLeft."""
        priority = _priority(facts.key, exchange.headers)
        plan, grant, route = None, None, resolution.route
        if route.is_coalesced or route.cache.ttl_s or IDEMPOTENCY_HEADER in exchange.headers:
            table = self._control_plane.table
            plan = await self._reusing.plan(table, interface, exchange, request, resolution, facts)
        try:
            if plan is None or plan.kept is None:
                wanted = demand_of(facts.key, request, interface.operation, route.route_id, resolution.targets)
                grant = await self._limiter.admit(wanted)
            flight = self.flight(
                request_id, interface, request, resolution, facts, grant or UNLIMITED, received, priority
            )
        except BaseException:  # nobody would give back what it holds
            if grant is not None:
                grant.settle(0, 0)
            if plan is not None:
                plan.release()
            raise
        return flight, plan

    def flight(
        self,
        request_id: str,
        interface: Interface,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
        grant: Grant,
        received: float,
        priority: int,
    ) -> Flight:
        """Admit the request: from here on it has a usage record."""
        return Flight(
            request_id, interface, facts.key, request, resolution, facts, grant, priority, received, self._services
        )

    async def _read(self, interface: Interface, exchange: Exchange) -> tuple[Interface, ParsedRequest]:
        """Return the request, and the interface that its body is for. Raises BadBody, BodyTooLarge and ClientLeft."""
        if interface.media is not None:
            return interface, await read_media(interface.media, exchange, self._settings)
        body = await exchange.read_body(self._settings.max_body_bytes)
        if interface.choose is not None:
            interface = interface.choose(body)
        if interface.dialect is None:
            return interface, parse(body, interface.operation)
        return interface, interface.dialect.read(body, exchange.path)

    async def _fly(self, flight: Flight, exchange: Sink, headers: Headers, first: First | None = None) -> None:
        total_s = flight.resolution.route.timeouts.total_s
        if not total_s:
            await self._ask_and_relay(flight, exchange, headers, first)
            return
        try:
            async with asyncio.timeout(total_s):
                await self._ask_and_relay(flight, exchange, headers)
        except TimeoutError:
            late = UpstreamTimeout(f"The answer was not complete within the {total_s:g} s that its route allows.")
            if not exchange.is_started:
                raise late from None
            flight.settle(Outcome.FAILED, flight.status_sent, late.error_code)
            exchange.end(stream_error(flight, late))

    async def _ask_and_relay(
        self, flight: Flight, exchange: Sink, headers: Headers, first: First | None = None
    ) -> None:
        early = None
        if flight.request.is_stream:
            early = Early(flight, exchange, headers, every_s=self._settings.keep_alive_comment_s)
            if first is not None and first.is_late:
                early.say()
        try:
            answer = await self._attempts.answer(flight, self._sent_headers(flight.facts.headers), early, first)
        except ApiError as error:
            if not flight.status_sent:
                raise
            flight.settle(Outcome.FAILED, flight.status_sent, error.error_code)
            exchange.end(_early_error(flight, error))
            return
        finally:
            if early is not None:
                early.stop()
        if isinstance(answer, Live):
            sequel = Sequel.of(flight, answer, self._attempts, self._sent_headers(flight.facts.headers))
            await relay_live(flight, answer, exchange, headers, drain_s=self._settings.drain_answer_s, sequel=sequel)
        else:
            relay_whole(flight, answer, exchange, headers)

    def _sent_headers(self, headers: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
        """Return the headers of the trace that the engine gets to see."""
        if not self._is_traced:
            return headers
        carrier: dict[str, str] = {}
        inject(carrier)
        return {name.encode(): value.encode() for name, value in carrier.items()}

    def _span(self, flight: Flight) -> AbstractContextManager[object]:
        headers = flight.facts.headers
        parent = {name.decode(): headers[name].decode("latin-1") for name in _TRACE_HEADERS if name in headers}
        attributes = {
            "gen_ai.operation.name": flight.interface.operation.value,
            "gen_ai.request.model": flight.request.model,
            "roundhouse.request_id": flight.request_id,
        }
        return span(f"POST {flight.interface.path}", kind=SpanKind.SERVER, parent=parent, attributes=attributes)


def demand_of(
    key: ApiKeyRecord, request: ParsedRequest, operation: Operation, route_id: str, targets: tuple[RouteTarget, ...]
) -> Demand:
    """Return what a request asks of limits and budgets."""
    return Demand(
        key.tenant_id,
        key.user_id,
        key.key_id,
        route_id,
        estimate_input(request.body),
        most_output(operation, request.max_tokens, request.choices),
        key.project_id,
        operation,
        targets,
        request.choices if operation is Operation.IMAGE else 0,
    )


async def raised(error: Exception) -> None:
    """An answering that fails with this."""
    try:
        raise error
    finally:
        del error  # it holds this frame


def _priority(key: ApiKeyRecord, headers: Mapping[bytes, bytes]) -> int:
    """Return the key's priority, or the lower one that the request asks for."""
    asked = headers.get(_PRIORITY_HEADER)
    if asked is None:
        return key.priority
    try:
        return min(key.priority, int(asked))
    except ValueError:
        raise BadBody(
            f"The header x-roundhouse-priority must be a whole number, not {asked[:40].decode('latin-1')!r}.",
            code="invalid_header",
        ) from None


def _early_error(flight: Flight, error: ApiError) -> bytes:
    dialect = flight.interface.dialect
    return last_event(error.body()) if dialect is None else dialect.stream_error(error)

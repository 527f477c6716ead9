"""The hot path: authenticate, route, admit, pick, relay, settle (design §7)."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from roundhouse_common.contracts.usage import Outcome
from roundhouse_common.runtime import Clock
from roundhouse_common.telemetry import SpanKind, inject, span
from roundhouse_router.api.attempts import Attempts, Live
from roundhouse_router.api.flight import CLIENT_LEFT_STATUS, Flight
from roundhouse_router.api.http import ClientLeft, ClientWatch, Receive, Send, read_body
from roundhouse_router.api.relay import EarlyStream, relay_live, relay_whole
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.errors import ApiError, Internal
from roundhouse_router.domain.features import OPERATIONS, check_served
from roundhouse_router.domain.request import parse
from roundhouse_router.domain.tables import authenticate, resolve
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import Spool

__all__ = ["Inference"]

_TRACE_HEADERS: Final = (b"traceparent", b"tracestate")


class Inference:
    """Answers the inference paths."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        attempts: Attempts,
        spool: Spool,
        settings: RouterSettings,
        clock: Clock,
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._attempts = attempts
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._is_traced = bool(settings.otlp_endpoint)

    async def answer(
        self,
        path: str,
        request_id: str,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
        reply_headers: list[tuple[bytes, bytes]],
    ) -> None:
        """Answer one request. Raises ApiError when nothing was sent yet, and ClientLeft."""
        try:
            flight = await self._admit(path, request_id, headers, receive)
        except ApiError as error:
            self._metrics.answered(path, error.status, "refused")
            raise
        try:
            with self._span(path, headers, flight):
                await self._fly(flight, path, headers, receive, send, reply_headers)
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
            flight.settle(Outcome.FAILED, flight.status_sent or Internal.status, Internal.code)

    async def _admit(self, path: str, request_id: str, headers: Mapping[bytes, bytes], receive: Receive) -> Flight:
        """Judge the request; from here on it has a usage record. Raises ApiError and ClientLeft."""
        received = self._clock.monotonic()
        key = authenticate(self._control_plane.table, headers.get(b"authorization", b""), self._clock.now())
        body = await read_body(headers, receive, self._settings.max_body_bytes)
        operation, table = OPERATIONS[path], self._control_plane.table
        request = parse(body, operation)
        targets = resolve(table, key, request.model)
        check_served(table.deployments, targets, operation, request.model)
        return Flight(
            request_id=request_id,
            route=path,
            operation=operation,
            key=key,
            request=request,
            targets=targets,
            received=received,
            clock=self._clock,
            spool=self._spool,
            metrics=self._metrics,
        )

    async def _fly(
        self,
        flight: Flight,
        path: str,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
        reply_headers: list[tuple[bytes, bytes]],
    ) -> None:
        async with ClientWatch(receive, send, stall_s=self._settings.client_stall_timeout_s) as watch:
            early = EarlyStream(flight, watch, reply_headers)
            try:
                answer = await self._attempts.answer(
                    flight, path, self._upstream_headers(flight, headers), early if flight.request.is_stream else None
                )
            except ApiError as error:
                if not flight.status_sent:
                    raise
                await early.fail(error)
                return
            if isinstance(answer, Live):
                drain_s = self._settings.drain_answer_s
                await relay_live(flight, answer, watch, reply_headers, drain_s=drain_s)
            else:
                await relay_whole(flight, answer, watch, reply_headers)

    def _upstream_headers(self, flight: Flight, headers: Mapping[bytes, bytes]) -> dict[str, str]:
        """Return what the engine gets to see: nothing of the client's but its trace."""
        sent = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if flight.request.is_stream else "application/json",
            "Accept-Encoding": "identity",
            "X-Request-Id": flight.request_id,
        }
        if self._is_traced:
            inject(sent)
        else:
            for name in _TRACE_HEADERS:
                if name in headers:
                    sent[name.decode()] = headers[name].decode("latin-1")
        return sent

    def _span(self, path: str, headers: Mapping[bytes, bytes], flight: Flight) -> AbstractContextManager[object]:
        if not self._is_traced:
            return nullcontext()
        parent = {name.decode(): headers[name].decode("latin-1") for name in _TRACE_HEADERS if name in headers}
        attributes = {
            "gen_ai.operation.name": OPERATIONS[path].value,
            "gen_ai.request.model": flight.request.model,
            "roundhouse.request_id": flight.request_id,
        }
        return span(f"POST {path}", kind=SpanKind.SERVER, parent=parent, attributes=attributes)

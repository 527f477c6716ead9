"""Where requests come in: which path is which, and every error in the shape of the client's API."""

from collections.abc import Awaitable
from typing import Final

from roundhouse_common.runtime import Clock, Ids
from roundhouse_router.api.callers import caller_of
from roundhouse_router.api.counting import TokenCounting
from roundhouse_router.api.early import Headers
from roundhouse_router.api.edge import answered, id_headers
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.interfaces import COUNT_TOKENS, INTERFACES
from roundhouse_router.api.listing import list_models, show_model
from roundhouse_router.api.ollama import OllamaModels
from roundhouse_router.api.ollama_interfaces import ollama_interfaces
from roundhouse_router.api.pipeline import Pipeline
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.errors import ApiError, EncodedBody, NoSnapshot, UnknownPath, WrongMethod
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.wire.exchange import Exchange

__all__ = ["Entry"]

_OPS_PATHS: Final = frozenset(("/livez", "/readyz", "/metrics", "/version"))
_MODELS: Final = "/v1/models"
_INTERFACES: Final = {**INTERFACES, COUNT_TOKENS.path: COUNT_TOKENS}
_JSON: Final = (b"content-type", b"application/json")


class Entry:
    """One per process. Every answer carries `x-request-id`: the client's own, or the id of the usage record."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        pipeline: Pipeline,
        counting: TokenCounting,
        clock: Clock,
        ids: Ids,
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._pipeline = pipeline
        self._counting = counting
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._interfaces = {**_INTERFACES, **ollama_interfaces(clock)}
        self._ollama = OllamaModels(control_plane, clock, metrics)

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Answer one request; None: it is for the operator's endpoints."""
        return None if exchange.path in _OPS_PATHS else self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        interface = self._interfaces.get(exchange.path)
        request_id = self._ids.new("req")
        headers = id_headers(exchange.headers, request_id)
        if interface is not None and interface.id_header:
            headers.append((interface.id_header, headers[0][1]))
        await answered(exchange, interface, headers, self._answered_by(interface, exchange, request_id, headers))

    async def _answered_by(
        self, interface: Interface | None, exchange: Exchange, request_id: str, headers: Headers
    ) -> None:
        if interface is not None:
            self._check(exchange, interface.path, "POST", headers)
            if interface is COUNT_TOKENS:
                await self._counting.answer(exchange, request_id, headers)
            else:
                await self._pipeline.answer(interface, exchange, request_id, headers)
        elif self._ollama.has(exchange.path):
            await self._ollama.answer(exchange, headers)
        else:
            self._answer_get(exchange, headers)

    def _answer_get(self, exchange: Exchange, headers: Headers) -> None:
        path = exchange.path
        route = _MODELS if path == _MODELS else f"{_MODELS}/{{id}}" if path.startswith(f"{_MODELS}/") else "other"
        if route == "other":
            known = ", ".join((_MODELS, *self._interfaces))
            raise self._refused(route, UnknownPath(f"There is nothing at {path[:200]}. Known paths: {known}."))
        self._check(exchange, route, "GET", headers)
        table = self._control_plane.table
        try:
            key = caller_of(self._control_plane, exchange, self._clock.now())
            body = list_models(table, key) if path == _MODELS else show_model(table, key, path[len(_MODELS) + 1 :])
        except ApiError as error:
            raise self._refused(route, error) from None
        self._metrics.answered(route, 200, "completed")
        exchange.answer(200, [*headers, _JSON], body)

    def _check(self, exchange: Exchange, route: str, wanted: str, headers: Headers) -> None:
        """Raise WrongMethod, or NoSnapshot while nothing is known of keys and models."""
        method = exchange.method
        if method != wanted and not (method == "HEAD" and wanted == "GET"):
            headers.append((b"allow", wanted.encode()))
            raise self._refused(route, WrongMethod(f"The method {method[:20]} is not allowed here; use {wanted}."))
        encoding = exchange.headers.get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            shown = encoding[:40].decode("latin-1")
            message = f"The body has the content-encoding {shown!r}; send it without any: none is unpacked here."
            raise self._refused(route, EncodedBody(message))
        if not self._control_plane.table.is_known:
            message = "The router has not heard from the control plane yet. Try again in a moment."
            raise self._refused(route, NoSnapshot(message))

    def _refused(self, route: str, error: ApiError) -> ApiError:
        self._metrics.answered(route, error.status, "refused")
        return error

"""Where requests come in: which path is which, and every error in the shape of the client's API."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Final

from roundhouse_common.runtime import Clock, Ids
from roundhouse_router.api.counting import TokenCounting
from roundhouse_router.api.early import Headers
from roundhouse_router.api.interfaces import COUNT_TOKENS, INTERFACES, Interface
from roundhouse_router.api.listing import list_models, show_model
from roundhouse_router.api.ollama import OllamaModels
from roundhouse_router.api.ollama_interfaces import ollama_interfaces
from roundhouse_router.api.pipeline import Pipeline, key_of
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.errors import ApiError, EncodedBody, Internal, NoSnapshot, UnknownPath, WrongMethod
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.wire.errors import ClientLeft
from roundhouse_router.wire.exchange import Exchange

__all__ = ["Entry"]

_OPS_PATHS: Final = frozenset(("/livez", "/readyz", "/metrics", "/version"))
_MODELS: Final = "/v1/models"
_INTERFACES: Final = {**INTERFACES, COUNT_TOKENS.path: COUNT_TOKENS}
_JSON: Final = (b"content-type", b"application/json")
_GIVEN_ID: Final = re.compile(rb"[!-~]{1,128}")
_ID_HEADER: Final = b"x-request-id"
_RECORD_HEADER: Final = b"x-roundhouse-request-id"


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
        headers = _id_headers(exchange.headers, request_id)
        if interface is not None and interface.id_header:
            headers.append((interface.id_header, headers[0][1]))
        is_defect = True
        try:
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
            is_defect = False
        except ApiError as error:
            is_defect = False
            _answer_error(exchange, interface, error, headers)
        except ClientLeft:
            is_defect = False
        except asyncio.CancelledError:
            is_defect = False
            raise
        finally:  # the defect itself goes on to the server, which logs it
            if is_defect and not exchange.is_started:
                _answer_error(exchange, interface, Internal("The router failed. Its log says why."), headers)

    def _answer_get(self, exchange: Exchange, headers: Headers) -> None:
        path = exchange.path
        route = _MODELS if path == _MODELS else f"{_MODELS}/{{id}}" if path.startswith(f"{_MODELS}/") else "other"
        if route == "other":
            known = ", ".join((_MODELS, *self._interfaces))
            raise self._refused(route, UnknownPath(f"There is nothing at {path[:200]}. Known paths: {known}."))
        self._check(exchange, route, "GET", headers)
        table = self._control_plane.table
        try:
            key = key_of(table, exchange.headers, self._clock.now())
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


def _answer_error(exchange: Exchange, interface: Interface | None, error: ApiError, headers: Headers) -> None:
    """Send an error, unless an answer has begun."""
    if exchange.is_started:
        return
    extra = [_JSON, *error.headers]
    if error.retry_after_s and not any(name == b"retry-after" for name, _ in extra):
        extra.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    dialect = interface.dialect if interface is not None else None
    body = error.body() if dialect is None else dialect.error(error, headers[0][1].decode())
    exchange.answer(error.status, [*headers, *extra], body)


def _id_headers(headers: Mapping[bytes, bytes], request_id: str) -> Headers:
    given = headers.get(_ID_HEADER)
    if given is None or not _GIVEN_ID.fullmatch(given):
        return [(_ID_HEADER, request_id.encode())]
    return [(_ID_HEADER, given), (_RECORD_HEADER, request_id.encode())]

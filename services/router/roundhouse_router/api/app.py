"""The router's ASGI application: which path is which, and every error in OpenAI's shape."""

import asyncio
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from roundhouse_common.runtime import Clock, Ids
from roundhouse_router.api.http import JSON, ClientLeft, Receive, Scope, Send, send_answer, send_error
from roundhouse_router.api.inference import Inference
from roundhouse_router.api.models import list_models, show_model
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.errors import ApiError, Internal, NoSnapshot, UnknownPath, WrongMethod
from roundhouse_router.domain.features import OPERATIONS
from roundhouse_router.domain.tables import authenticate
from roundhouse_router.metrics import RouterMetrics

__all__ = ["RouterApp"]

_MODELS: Final = "/v1/models"
_GIVEN_ID: Final = re.compile(rb"[!-~]{1,128}")
_ID_HEADER: Final = b"x-request-id"
_RECORD_HEADER: Final = b"x-roundhouse-request-id"
ReplyHeaders = list[tuple[bytes, bytes]]


class RouterApp:
    """One per process. Every answer carries `x-request-id`: the client's own, or the id of the usage record."""

    def __init__(
        self, *, control_plane: ControlPlane, inference: Inference, clock: Clock, ids: Ids, metrics: RouterMetrics
    ) -> None:
        self._control_plane = control_plane
        self._inference = inference
        self._clock = clock
        self._ids = ids
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        headers = dict(scope["headers"])
        request_id = self._ids.new("req")
        reply_headers = _id_headers(headers, request_id)
        tracked = _Tracked(send)
        is_defect = True
        try:
            if path in OPERATIONS:
                self._check(path, scope["method"], b"POST", reply_headers)
                await self._inference.answer(path, request_id, headers, receive, tracked, reply_headers)
            else:
                await self._answer_get(scope["method"], path, headers, tracked, reply_headers)
            is_defect = False
        except ApiError as error:
            is_defect = False
            await send_error(tracked, error, reply_headers)
        except ClientLeft:
            is_defect = False
        except asyncio.CancelledError:
            is_defect = False
            raise
        finally:  # the defect itself goes on to the server, which logs it
            if is_defect and not tracked.is_started:
                await send_error(tracked, Internal("The router failed. Its log says why."), reply_headers)

    async def _answer_get(
        self, method: str, path: str, headers: Mapping[bytes, bytes], send: Send, reply_headers: ReplyHeaders
    ) -> None:
        route = _MODELS if path == _MODELS else f"{_MODELS}/{{id}}" if path.startswith(f"{_MODELS}/") else "other"
        if route == "other":
            known = ", ".join((_MODELS, *OPERATIONS))
            raise self._refused(route, UnknownPath(f"There is nothing at {path[:200]}. Known paths: {known}."))
        self._check(route, method, b"GET", reply_headers)
        table = self._control_plane.table
        try:
            key = authenticate(table, headers.get(b"authorization", b""), self._clock.now())
            body = list_models(table, key) if path == _MODELS else show_model(table, key, path[len(_MODELS) + 1 :])
        except ApiError as error:
            raise self._refused(route, error) from None
        self._metrics.answered(route, 200, "completed")
        await send_answer(send, 200, body, [*reply_headers, (b"content-type", JSON)])

    def _check(self, route: str, method: str, wanted: bytes, reply_headers: ReplyHeaders) -> None:
        """Raise WrongMethod, or NoSnapshot while nothing is known of keys and models."""
        if method.encode() != wanted and not (method == "HEAD" and wanted == b"GET"):
            reply_headers.append((b"allow", wanted))
            message = f"The method {method[:20]} is not allowed here; use {wanted.decode()}."
            raise self._refused(route, WrongMethod(message))
        if not self._control_plane.table.is_known:
            message = "The router has not heard from the control plane yet. Try again in a moment."
            raise self._refused(route, NoSnapshot(message))

    def _refused(self, route: str, error: ApiError) -> ApiError:
        self._metrics.answered(route, error.status, "refused")
        return error


class _Tracked:
    """Knows whether anything was sent."""

    __slots__ = ("_send", "is_started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.is_started = True
        await self._send(message)


def _id_headers(headers: Mapping[bytes, bytes], request_id: str) -> ReplyHeaders:
    given = headers.get(_ID_HEADER)
    if given is None or not _GIVEN_ID.fullmatch(given):
        return [(_ID_HEADER, request_id.encode())]
    return [(_ID_HEADER, given), (_RECORD_HEADER, request_id.encode())]

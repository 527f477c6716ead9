"""How many requests a REST application answers and how long that takes, as OpenTelemetry names it."""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from roundhouse_common.service.ops import ASGIApp, Receive, Scope, Send

__all__ = ["HttpMetrics"]

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_OTHER: Final = "_OTHER"
"""A client may send any word as a method, and each would be a series of its own."""
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""As the semantic conventions for HTTP advise."""
_CUT_OFF: Final = "499"
"""The handler ended without an answer: the client had left."""


class HttpMetrics:
    """Measures every request to an application. The route is its template, `/api/v1/models/{model_id}`; empty: none.

    `now` gives seconds on a clock that never goes back.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, *, now: Callable[[], float]) -> None:
        self._app = app
        self._now = now
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._active = Gauge("http_server_active_requests", "Requests that are being answered.", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _CUT_OFF

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        began = self._now()
        self._active.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            self._active.dec()
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            route = getattr(scope.get("route"), "path", "")
            self._duration.labels(method, route, status).observe(self._now() - began)

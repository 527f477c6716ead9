"""What Ollama's clients ask beside inference: which models there are, and whether this is an Ollama server at all."""

from typing import Final

import msgspec

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord
from roundhouse_common.runtime import Clock
from roundhouse_router.api.callers import caller_of
from roundhouse_router.api.early import Headers
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.dialects.ollama import error_body, known_name
from roundhouse_router.dialects.ollama_models import (
    MANAGED,
    RUNNING_TEXT,
    list_running,
    list_tags,
    model_to_show,
    refuse_change,
    show,
    version,
)
from roundhouse_router.domain.errors import ApiError, NoSnapshot, UnknownPath, WrongMethod
from roundhouse_router.domain.routing import resolve, visible_routes
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.wire.exchange import Exchange

__all__ = ["OllamaModels"]

_METHODS: Final = {"/": "GET", "/api/version": "GET", "/api/tags": "GET", "/api/ps": "GET", "/api/show": "POST"}
_MOST_BYTES: Final = 64 * 1024
_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


class OllamaModels:
    """Answers everything below `/api/` that is no inference, and `/`."""

    def __init__(self, control_plane: ControlPlane, clock: Clock, metrics: RouterMetrics) -> None:
        self._control_plane = control_plane
        self._clock = clock
        self._metrics = metrics

    def has(self, path: str) -> bool:
        return path == "/" or path.startswith("/api/")

    async def answer(self, exchange: Exchange, headers: Headers) -> None:
        """Answer one request, errors included. Raises ClientLeft."""
        path = exchange.path
        route = path if path in _METHODS else "other"
        try:
            kind, body = await self._body(path, exchange, headers)
        except ApiError as error:
            self._metrics.answered(route, error.status, "refused")
            exchange.answer(error.status, [*headers, _JSON, *error.headers], error_body(error.message))
            return
        self._metrics.answered(route, 200, "completed")
        exchange.answer(200, [*headers, kind], body)

    async def _body(self, path: str, exchange: Exchange, headers: Headers) -> tuple[tuple[bytes, bytes], bytes]:
        if path.startswith(MANAGED):
            raise refuse_change(path[:200])
        wanted = _METHODS.get(path)
        if wanted is None:
            raise UnknownPath(f"There is nothing at {path[:200]}. Known here: {', '.join(_METHODS)}.")
        if exchange.method != wanted and not (exchange.method == "HEAD" and wanted == "GET"):
            headers.append((b"allow", wanted.encode()))
            raise WrongMethod(f"The method {exchange.method[:20]} is not allowed here; use {wanted}.")
        if path == "/":
            return _TEXT, RUNNING_TEXT
        if path == "/api/version":
            return _JSON, version()
        return _JSON, await self._of_models(path, exchange)

    async def _of_models(self, path: str, exchange: Exchange) -> bytes:
        table = self._control_plane.table
        if not table.is_known:
            raise NoSnapshot("The router has not heard from the control plane yet. Try again in a moment.")
        key = caller_of(self._control_plane, exchange, self._clock.now())
        if path == "/api/show":
            name = known_name(table, key, model_to_show(await exchange.read_body(_MOST_BYTES)))
            return show(_with_targets(table, key, name), table.deployments)
        routes = [_with_targets(table, key, route.name) for route in visible_routes(table, key)]
        view = list_tags if path == "/api/tags" else list_running
        return view(routes, table.deployments)


def _with_targets(table: RoutingTable, key: ApiKeyRecord, name: str) -> RouteRecord:
    """Return a route with what it leads to in the end: an alias has nothing of its own. Raises ModelNotFound."""
    found = resolve(table, key, name)
    return msgspec.structs.replace(found.named, name=name, targets=found.targets, model_kind=found.route.model_kind)

"""`GET /v1/models`: the names that a key may send as `model`."""

from typing import Final

import msgspec

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord
from roundhouse_router.domain.errors import ModelNotFound
from roundhouse_router.domain.routing import visible_routes
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["list_models", "show_model"]

_OWNER: Final = "roundhouse"


class _Model(msgspec.Struct, kw_only=True):
    id: str
    object: str = "model"
    created: int
    owned_by: str = _OWNER


class _Models(msgspec.Struct, kw_only=True):
    object: str = "list"
    data: list[_Model]


def list_models(table: RoutingTable, key: ApiKeyRecord) -> bytes:
    return msgspec.json.encode(_Models(data=[_shown(route) for route in visible_routes(table, key)]))


def show_model(table: RoutingTable, key: ApiKeyRecord, name: str) -> bytes:
    """Return one model. Raises ModelNotFound."""
    for route in visible_routes(table, key):
        if route.name == name:
            return msgspec.json.encode(_shown(route))
    raise ModelNotFound(name)


def _shown(route: RouteRecord) -> _Model:
    return _Model(id=route.name, created=int(route.created_at))

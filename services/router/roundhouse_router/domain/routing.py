"""Where a model's name leads: a tenant's own routes before the platform's, exact names before patterns, then aliases.

What is not open to a key is the same ModelNotFound as what does not exist. What a key is kept from by its own list of
models is refused before anything is looked up: that tells nothing either.
"""

from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.routing import MOST_ALIASES, fits_pattern, sent_model
from roundhouse_router.domain.errors import ModelNotFound, ModelNotPermitted
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.targets import Resolution

__all__ = ["resolve", "visible_routes"]

_RESOLVED_MOST: Final = 10_000
"""Resolutions that are kept; then all are forgotten: a pattern fits any number of names."""
_NAME_MOST: Final = 512
"""Characters; what is longer is no route's name and is not looked for among the patterns."""


def resolve(table: RoutingTable, key: ApiKeyRecord, model: str) -> Resolution:
    """Return where a name leads for this key. Raises ModelNotFound and ModelNotPermitted.

    Depends on the table's routes, on the key's record and on the name, and on nothing else of the request.
    """
    resolved = table.routes.resolved
    known = resolved.get((key.sha256, model))
    if known is not None and known.key is key:
        return known
    if not _is_listed(key, model):
        raise ModelNotPermitted(model)
    found = _resolution(table, key, model)
    if found is None:
        raise ModelNotFound(model)
    if len(resolved) >= _RESOLVED_MOST:
        resolved.clear()
    resolved[key.sha256, model] = found
    return found


def visible_routes(table: RoutingTable, key: ApiKeyRecord) -> list[RouteRecord]:
    """Return the routes that the key may use by their names, sorted; patterns have none."""
    names = (name for name in sorted(table.routes.names_for(key.tenant_id)) if _is_listed(key, name))
    found = (_resolution(table, key, name) for name in names)
    return [resolution.named for resolution in found if resolution is not None]


def _resolution(table: RoutingTable, key: ApiKeyRecord, model: str) -> Resolution | None:
    named = table.routes.find(key, model) if len(model) <= _NAME_MOST else None
    route = _meant(table, key, named) if named is not None else None
    if named is None or route is None:
        return None
    targets = tuple(sent_model(target, named.name, model) for target in route.targets if _may_use(key, target))
    return Resolution(named=named, route=route, key=key, model=model, targets=targets) if targets else None


def _meant(table: RoutingTable, key: ApiKeyRecord, named: RouteRecord) -> RouteRecord | None:
    """Return the route at the end of the aliases; None if one is missing, not for this key, or they never end."""
    route: RouteRecord | None = named
    for _ in range(MOST_ALIASES + 1):
        if route is None or (route.key_ids and key.key_id not in route.key_ids):
            return None
        if not route.alias_of:
            return route
        route = table.routes.aliased(route, key.tenant_id)
    return None


def _is_listed(key: ApiKeyRecord, model: str) -> bool:
    return not key.models or any(fits_pattern(listed, model) for listed in key.models)


def _may_use(key: ApiKeyRecord, target: RouteTarget) -> bool:
    return not key.deployment_ids or target.deployment_id in key.deployment_ids

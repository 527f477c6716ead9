"""All live routes, as requests look for them."""

from collections.abc import Iterable, Iterator, Mapping

from roundhouse_common.contracts.routing import Access, ApiKeyRecord, RouteRecord
from roundhouse_common.routing import MOST_ALIASES, PLATFORM, fits_pattern, is_pattern, pattern_rank
from roundhouse_router.domain.targets import Resolution

__all__ = ["RouteTable", "by_name", "is_open_to"]

_EVERYBODY = "*"
"""The owner under which routes that are open to all tenants are found once more; no tenant's id."""


class RouteTable(Mapping[tuple[str, str], RouteRecord]):
    """Routes by tenant and name. Immutable but for `resolved`, which forgets itself with the table."""

    __slots__ = ("_names", "_patterns", "_public", "resolved", "shared")

    def __init__(self, names: Mapping[tuple[str, str], RouteRecord]) -> None:
        self._names = dict(names)
        self._public: dict[str, RouteRecord] = {}
        self._patterns: dict[str, list[RouteRecord]] = {}
        for (tenant_id, name), route in self._names.items():
            is_public = tenant_id != PLATFORM and route.access is Access.PUBLIC
            if is_pattern(name):
                for owner in (tenant_id, _EVERYBODY) if is_public else (tenant_id,):
                    self._patterns.setdefault(owner, []).append(route)
            elif is_public and (name not in self._public or route.route_id < self._public[name].route_id):
                self._public[name] = route
        self.resolved: dict[tuple[str, str], Resolution] = {}
        """What keys asked for before, by the digest of the secret and the name sent."""
        self.shared = self._shared()
        """Ids of the deployments that more than one tenant may use."""

    def __getitem__(self, name: tuple[str, str]) -> RouteRecord:
        return self._names[name]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def find(self, key: ApiKeyRecord, model: str) -> RouteRecord | None:
        """Return the route that a key means by a name: one of this name, else the pattern that fits best; of equals
        its tenant's own before the platform's before those that other tenants opened to all."""
        exact = self.named(key, model)
        if exact is not None or not self._patterns:
            return exact
        fitting = [
            (pattern_rank(route.name), place, route.route_id, route)
            for place, owner in enumerate((key.tenant_id, PLATFORM, _EVERYBODY))
            for route in self._patterns.get(owner, ())
            if fits_pattern(route.name, model) and is_open_to(route, key)
        ]
        return min(fitting, key=lambda one: one[:3])[3] if fitting else None

    def named(self, key: ApiKeyRecord, name: str) -> RouteRecord | None:
        """Return the route of exactly this name that a key means. What is not open to it hides nothing."""
        for route in (
            self._names.get((key.tenant_id, name)),
            self._names.get((PLATFORM, name)),
            self._public.get(name),
        ):
            if route is not None and is_open_to(route, key):
                return route
        return None

    def aliased(self, alias: RouteRecord, asker: str) -> RouteRecord | None:
        """Return the route that an alias means: of its own tenant, else the platform's if that is for the one who asks.

        Whoever opens an alias opens what it stands for.
        """
        own = self._names.get((alias.tenant_id, alias.alias_of))
        if own is None and alias.tenant_id != PLATFORM:
            own = self._names.get((PLATFORM, alias.alias_of))
        return own if own is not None and (own.tenant_id != PLATFORM or _is_for(own, asker)) else None

    def _shared(self) -> frozenset[str]:
        users: dict[str, set[str]] = {}
        for named in self._names.values():
            tenants = _tenants_of(named)
            for route in self._meant(named):
                for target in route.targets:
                    users.setdefault(target.deployment_id, set()).update(tenants)
        return frozenset(one for one, tenants in users.items() if one and (len(tenants) > 1 or _EVERYBODY in tenants))

    def _meant(self, route: RouteRecord) -> Iterator[RouteRecord]:
        """Yield the route, and what it stands for as an alias, whoever asks."""
        for _ in range(MOST_ALIASES + 1):
            yield route
            alias = route
            if not alias.alias_of:
                return
            found = self._names.get((alias.tenant_id, alias.alias_of)) or self._names.get((PLATFORM, alias.alias_of))
            if found is None:
                return
            route = found

    def names_for(self, tenant_id: str) -> set[str]:
        """Return every name but patterns that keys of a tenant may mean something by."""
        own = {name for owner, name in self._names if owner in (tenant_id, PLATFORM) and not is_pattern(name)}
        return own | self._public.keys()


def _tenants_of(route: RouteRecord) -> tuple[str, ...]:
    """Return whose keys may use a route."""
    if route.tenant_id == PLATFORM:
        return route.tenant_ids or (_EVERYBODY,)
    return (_EVERYBODY,) if route.access is Access.PUBLIC else (route.tenant_id,)


def by_name(routes: Iterable[RouteRecord]) -> RouteTable:
    """Return the live routes as a table wants them. Of two of one name the older wins, on every router alike."""
    named: dict[tuple[str, str], RouteRecord] = {}
    for route in sorted(routes, key=lambda route: route.route_id, reverse=True):
        if not route.is_deleted:
            named[route.tenant_id, route.name] = route
    return RouteTable(named)


def is_open_to(route: RouteRecord, key: ApiKeyRecord) -> bool:
    """Say whether a route's access lets a key use it. Depends on these two records only.

    An access that this version does not know is taken for private.
    """
    if route.tenant_id == PLATFORM:
        return _is_for(route, key.tenant_id)
    if route.access is Access.PUBLIC:
        return True
    if route.tenant_id != key.tenant_id:
        return False
    return (
        route.access is Access.TENANT
        or (bool(route.owner_id) and route.owner_id == key.user_id)
        or (bool(route.project_id) and route.project_id == key.project_id)
        or any(target.deployment_id in key.deployment_ids for target in route.targets if target.deployment_id)
    )


def _is_for(route: RouteRecord, tenant_id: str) -> bool:
    return not route.tenant_ids or tenant_id in route.tenant_ids

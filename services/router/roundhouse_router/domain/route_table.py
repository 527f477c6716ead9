"""All live routes, as requests look for them."""

from collections.abc import Iterable, Iterator, Mapping

from roundhouse_common.contracts.routing import RouteRecord
from roundhouse_common.routing import PLATFORM, fits_pattern, is_pattern, pattern_rank
from roundhouse_router.domain.targets import Resolution

__all__ = ["RouteTable", "by_name"]


class RouteTable(Mapping[tuple[str, str], RouteRecord]):
    """Routes by tenant and name. Immutable but for `resolved`, which forgets itself with the table."""

    __slots__ = ("_names", "_patterns", "resolved")

    def __init__(self, names: Mapping[tuple[str, str], RouteRecord]) -> None:
        self._names = dict(names)
        self._patterns: dict[str, list[RouteRecord]] = {}
        for (tenant_id, name), route in self._names.items():
            if is_pattern(name):
                self._patterns.setdefault(tenant_id, []).append(route)
        self.resolved: dict[tuple[str, str], Resolution] = {}
        """What keys asked for before, by key id and the name sent."""

    def __getitem__(self, name: tuple[str, str]) -> RouteRecord:
        return self._names[name]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def find(self, tenant_id: str, model: str) -> RouteRecord | None:
        """Return the route that a tenant means by a name: one of this name, else the pattern that fits best; of
        equals its own before the platform's."""
        exact = self.named(tenant_id, model, asker=tenant_id)
        if exact is not None or not self._patterns:
            return exact
        fitting = [
            route
            for owner in {tenant_id, PLATFORM}
            for route in self._patterns.get(owner, ())
            if fits_pattern(route.name, model) and _is_for(route, tenant_id)
        ]
        return min(fitting, key=lambda route: (pattern_rank(route.name), route.tenant_id == PLATFORM), default=None)

    def named(self, tenant_id: str, name: str, *, asker: str) -> RouteRecord | None:
        """Return the tenant's route of exactly this name, else the platform's if it is for the one who asks."""
        own = self._names.get((tenant_id, name))
        if own is None and tenant_id != PLATFORM:
            own = self._names.get((PLATFORM, name))
        return own if own is not None and _is_for(own, asker) else None


def by_name(routes: Iterable[RouteRecord]) -> RouteTable:
    """Return the live routes as a table wants them. Of two of one name the older wins, on every router alike."""
    named: dict[tuple[str, str], RouteRecord] = {}
    for route in sorted(routes, key=lambda route: route.route_id, reverse=True):
        if not route.is_deleted:
            named[route.tenant_id, route.name] = route
    return RouteTable(named)


def _is_for(route: RouteRecord, tenant_id: str) -> bool:
    return route.tenant_id != PLATFORM or not route.tenant_ids or tenant_id in route.tenant_ids

"""How names of models lead to routes, and which of a route's targets are for a request. Pure: routers do it, and the
catalog checks and explains it in the same words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from roundhouse_common.contracts.routing import RouteTarget

__all__ = [
    "MOST_ALIASES",
    "PLATFORM",
    "Find",
    "NamedRoute",
    "Sender",
    "find_named",
    "fits_pattern",
    "follow_alias",
    "is_pattern",
    "match_route",
    "pattern_rank",
    "sent_model",
    "shares",
    "targets_for",
]

PLATFORM: Final = ""
"""The tenant of routes, limits and providers that are the platform's."""

MOST_ALIASES: Final = 8
"""Names that may lead from one to the next; more are taken for a circle."""


class NamedRoute(Protocol):
    """What routes are to those who look for one."""

    @property
    def name(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def alias_of(self) -> str: ...


R = TypeVar("R", bound=NamedRoute)
Find = Callable[[str, str], R | None]
"""The route of a tenant with exactly this name: `find(tenant_id, name)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What of a request decides for whom a target is."""

    headers: Mapping[str, str]
    """By name, in lower case."""
    key_id: str = ""
    user_id: str = ""
    """The body's `user`, else the key's."""


def is_pattern(name: str) -> bool:
    """Say whether the name stands for many."""
    return "*" in name


def fits_pattern(pattern: str, model: str) -> bool:
    """Say whether the pattern stands for this name. A `*` is for any characters, none too; all else for itself."""
    if not is_pattern(pattern):
        return pattern == model
    first, *middle, last = pattern.split("*")
    if len(model) < len(first) + len(last) or not model.startswith(first) or not model.endswith(last):
        return False
    at, end = len(first), len(model) - len(last)
    for part in middle:
        found = model.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def pattern_rank(pattern: str) -> tuple[int, int, str]:
    """Return what patterns are sorted by, the one that wins first: the longest fixed part, then the longest beginning
    before the first `*`, then the alphabet."""
    return -len(pattern.replace("*", "")), -pattern.find("*"), pattern


def match_route(names: Iterable[str], model: str) -> str | None:
    """Return the name that is meant by a request for `model`: an exact one, else the pattern that wins."""
    fitting = []
    for name in names:
        if name == model:
            return name
        if is_pattern(name) and fits_pattern(name, model):
            fitting.append(name)
    return min(fitting, key=pattern_rank, default=None)


def find_named(find: Find[R], tenant_id: str, name: str) -> R | None:
    """Return the route that a tenant means by exactly this name: its own, else the platform's."""
    return find(tenant_id, name) or (find(PLATFORM, name) if tenant_id != PLATFORM else None)


def follow_alias(route: R, find: Find[R]) -> tuple[R | None, tuple[str, ...]]:
    """Return the route that is meant in the end, and the names passed on the way, the first included.

    None when a name is missing or they lead in a circle. A platform's route means routes of the platform, whoever
    asks: what a tenant calls its own cannot change it.
    """
    path = [route.name]
    meant: R | None = route
    while meant is not None and meant.alias_of:
        path.append(meant.alias_of)
        if len(path) > MOST_ALIASES + 1:
            return None, tuple(path)
        meant = find_named(find, meant.tenant_id, meant.alias_of)
    return meant, tuple(path)


def targets_for(targets: Sequence[RouteTarget], sender: Sender) -> tuple[RouteTarget, ...]:
    """Return the targets that are for this request: those that match it, else those for everybody."""
    matching = tuple(target for target in targets if target.match is not None and _matches(target, sender))
    return matching or tuple(target for target in targets if target.match is None)


def sent_model(target: RouteTarget, name: str, model: str) -> RouteTarget:
    """Return the target with the name that its provider is sent, of a route called `name` that `model` led to.

    That of the client where the target has none; a `*` in it stands for what the only one in `name` stood for.
    """
    if target.deployment_id:
        return target
    sent = target.model or model
    before, star, after = name.partition("*")
    if star and "*" in target.model and "*" not in after:
        sent = target.model.replace("*", model[len(before) : len(model) - len(after)])
    return target if sent == target.model else msgspec.structs.replace(target, model=sent)


def shares(targets: Sequence[RouteTarget]) -> tuple[float, ...]:
    """Return which part of its priority's requests each target gets, 0 to 1, while all of them can take some."""
    sums: dict[int, int] = {}
    for target in targets:
        sums[target.priority] = sums.get(target.priority, 0) + target.weight
    return tuple(target.weight / sums[target.priority] if sums[target.priority] else 0.0 for target in targets)


def _matches(target: RouteTarget, sender: Sender) -> bool:
    wanted = target.match
    if wanted is None:
        return True
    if wanted.header:
        value = sender.headers.get(wanted.header)
        if value is None or (wanted.value and value != wanted.value):
            return False
    if wanted.key_ids and sender.key_id not in wanted.key_ids:
        return False
    return not wanted.user_ids or sender.user_id in wanted.user_ids

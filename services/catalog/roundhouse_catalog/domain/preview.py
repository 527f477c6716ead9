"""Where a request would go, and why: what routers do with the same routes and limits, told without sending anything."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.findings import did_you_mean, quoted
from roundhouse_catalog.domain.limits import Limit
from roundhouse_catalog.domain.route_references import finder
from roundhouse_catalog.domain.routes import Route, is_for_tenant
from roundhouse_common.contracts.routing import Access, Fallback, RouteTarget
from roundhouse_common.routing import (
    MOST_ALIASES,
    PLATFORM,
    Sender,
    find_named,
    fits_pattern,
    follow_alias,
    is_pattern,
    pattern_rank,
    sent_model,
    shares,
    targets_for,
)

__all__ = ["LeadsTo", "Preview", "Sketch", "Way", "is_open", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What of a request decides where it goes."""

    model: str
    tenant_id: str
    headers: Mapping[str, str]
    """By name, in lower case."""
    user: str = ""
    """The body's `user`."""
    key_id: str = ""
    """Empty: no key in particular."""
    key_user_id: str = ""
    key_deployment_ids: Collection[str] = ()
    """Deployments that the key may call; empty: all."""
    user_id: str = ""
    """Whose private routes it may name: the key's user, without a key whoever asks."""
    project_ids: Collection[str] = ()
    """The same, of projects."""
    sees_all: bool = False
    """Whoever asks, without a key, manages the tenant's routes: no private one is hidden from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadsTo:
    """One target that the request may go to, and how likely it goes there first among those of its priority."""

    target: RouteTarget
    """With the model's name that a provider is sent."""
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A fallback, and whether this request may take it."""

    fallback: Fallback
    is_usable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Where it would go."""

    why_not: str = ""
    """Why it would be refused; empty when it would not."""
    named: Route | None = None
    """The route that the name led to first, by itself or as a pattern."""
    path: tuple[str, ...] = ()
    """The names passed, from alias to alias."""
    meant: Route | None = None
    """The route whose settings hold."""
    targets: tuple[LeadsTo, ...] = ()
    """The first priority first."""
    fallbacks: tuple[Way, ...] = ()
    limits: tuple[Limit, ...] = ()


def preview(sketch: Sketch, routes: Collection[Route], limits: Iterable[Limit]) -> Preview:
    """Say where the request would go. `routes` and `limits` are those of its tenant and of the platform."""
    visible = [one for one in routes if is_for_tenant(one, sketch.tenant_id)]
    opened = [one for one in visible if is_open(sketch, one)]
    named = _named(sketch, opened)
    if named is None:
        hint = did_you_mean(sketch.model, sorted({one.name for one in opened}))
        return Preview(why_not=f"no route has the name {quoted(sketch.model)}, and no pattern fits it.{hint}")
    find = finder(visible)
    meant, path = follow_alias(named, find)
    if why_not := _refusal(sketch, named, meant, path, find):
        return Preview(why_not=why_not, named=named, path=path)
    assert meant is not None  # `_refusal` says so otherwise
    usable = tuple(target for target in meant.targets if _may_use(sketch, target))
    found = _targets(sketch, named, usable)
    return Preview(
        why_not=_no_target(meant, usable, found),
        named=named,
        path=path,
        meant=meant,
        targets=found,
        fallbacks=tuple(
            Way(fallback=one, is_usable=_is_usable(sketch, meant, one.route, find)) for one in meant.settings.fallbacks
        ),
        limits=tuple(one for one in limits if _applies(one, sketch, meant.route_id)),
    )


def is_open(sketch: Sketch, route: Route) -> bool:
    """Say whether the request may name the route, as routers decide it. What stands behind a name need not be open."""
    if sketch.sees_all or route.is_platform or route.settings.access in (Access.TENANT, Access.PUBLIC):
        return True
    if route.owner_id and route.owner_id == sketch.user_id:
        return True
    if route.settings.project_id and route.settings.project_id in sketch.project_ids:
        return True
    return any(one.deployment_id in sketch.key_deployment_ids for one in route.targets if one.deployment_id)


def _named(sketch: Sketch, routes: Collection[Route]) -> Route | None:
    """Return the route of this name, else the pattern that wins; of equals the tenant's own before the platform's."""
    exact = find_named(finder(routes), sketch.tenant_id, sketch.model)
    if exact is not None:
        return exact
    fitting = [one for one in routes if is_pattern(one.name) and fits_pattern(one.name, sketch.model)]
    return min(fitting, key=lambda one: (pattern_rank(one.name), one.tenant_id == PLATFORM), default=None)


def _refusal(
    sketch: Sketch,
    named: Route,
    meant: Route | None,
    path: tuple[str, ...],
    find: Callable[[str, str], Route | None],
) -> str:
    """Return why the way ends before any target, or nothing."""
    passed: Route | None = named
    for name in (*path[1:], ""):
        if passed is not None and passed.settings.key_ids and sketch.key_id not in passed.settings.key_ids:
            return f"the route {quoted(passed.name)} is for other API keys"
        passed = find_named(find, passed.tenant_id, name) if passed is not None and name else None
    if meant is None:
        reason = "more than" if len(path) > MOST_ALIASES + 1 else "a name that no route has, within"
        return f"the aliases {' -> '.join(path)} lead over {reason} {MOST_ALIASES} names"
    return ""


def _may_use(sketch: Sketch, target: RouteTarget) -> bool:
    """A key for certain deployments may call no provider."""
    return not sketch.key_deployment_ids or target.deployment_id in sketch.key_deployment_ids


def _targets(sketch: Sketch, named: Route, usable: tuple[RouteTarget, ...]) -> tuple[LeadsTo, ...]:
    sender = Sender(headers=sketch.headers, key_id=sketch.key_id, user_id=sketch.user or sketch.key_user_id)
    chosen = targets_for(usable, sender)
    found = [
        LeadsTo(target=sent_model(target, named.name, sketch.model), share=share)
        for target, share in zip(chosen, shares(chosen), strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (one.target.priority, -one.share)))


def _no_target(meant: Route, usable: tuple[RouteTarget, ...], found: tuple[LeadsTo, ...]) -> str:
    if found:
        return ""
    if not usable:
        return f"the API key may call other deployments than those of {quoted(meant.name)}"
    return f"every target of {quoted(meant.name)} is for requests that match, and this one matches none"


def _is_usable(sketch: Sketch, meant: Route, name: str, find: Callable[[str, str], Route | None]) -> bool:
    other = find_named(find, meant.tenant_id, name)
    if other is None:
        return False
    last, path = follow_alias(other, find)
    if last is None or _refusal(sketch, other, last, path, find):
        return False
    return any(_may_use(sketch, target) for target in last.targets)


def _applies(limit: Limit, sketch: Sketch, route_id: str) -> bool:
    """Requests count for the route that is meant, whatever its alias, and for the user of their key."""
    if not limit.is_platform and limit.tenant_id != sketch.tenant_id:
        return False
    named = (
        (limit.tenant_ids, sketch.tenant_id),
        (limit.user_ids, sketch.key_user_id),
        (limit.key_ids, sketch.key_id),
        (limit.route_ids, route_id),
    )
    return all(not ids or one in ids for ids, one in named)

"""What routes name: deployments, providers, keys, tenants, each other. Nothing named may be missing or lead back."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.route_drafts import RouteDraft
from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.domain.shapes import choice_fault
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.routing import MOST_ALIASES, find_named, follow_alias

__all__ = ["KINDS", "Known", "Target", "check_circles", "check_references", "finder", "kind_of", "users_of_name"]

KINDS: Mapping[str, ModelKind] = {one.value: one for one in ModelKind if one is not ModelKind.UNKNOWN}


class Target(NamedTuple):
    """A deployment that a route may lead to."""

    name: str
    model_kind: ModelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is, for whom the route is: of the tenant, and of the platform."""

    routes: Collection[Route] = ()
    """Not deleted ones."""
    deployments: Mapping[str, Target] = field(default_factory=dict)
    """By id."""
    provider_ids: Collection[str] = ()
    key_ids: Collection[str] = ()
    tenant_ids: Collection[str] = ()


def finder(routes: Iterable[Route]) -> Callable[[str, str], Route | None]:
    """Return the function that finds a route by its tenant and its exact name."""
    by_name = {(one.tenant_id, one.name): one for one in routes}
    return lambda tenant_id, name: by_name.get((tenant_id, name))


def check_references(draft: RouteDraft, tenant_id: str, known: Known, findings: Findings) -> None:
    """Add a fault for everything that is named and is not there."""
    for index, target in enumerate(draft.targets):
        if target.deployment_id and target.deployment_id not in known.deployments:
            findings.add(f"targets.{index}.deployment_id", _missing("deployment", target.deployment_id, "deployments"))
        if target.provider_id and target.provider_id not in known.provider_ids:
            findings.add(f"targets.{index}.provider_id", _missing("provider", target.provider_id, "providers"))
        for number, key_id in enumerate(target.match.key_ids if target.match else ()):
            if key_id not in known.key_ids:
                findings.add(f"targets.{index}.match.key_ids.{number}", _missing("API key", key_id, "api-keys"))
    for index, key_id in enumerate(draft.key_ids):
        if key_id not in known.key_ids:
            findings.add(f"key_ids.{index}", _missing("API key", key_id, "api-keys"))
    for index, one in enumerate(draft.tenant_ids):
        if draft.is_platform and one not in known.tenant_ids:
            findings.add(f"tenant_ids.{index}", f"there is no tenant with the id {quoted(one)}")
    named = [("alias_of", draft.alias_of)] if draft.alias_of else []
    named += [(f"fallbacks.{index}.route", one.route) for index, one in enumerate(draft.fallbacks)]
    find = finder(known.routes)
    for where, name in named:
        if name == draft.name:
            findings.add(where, f"{quoted(name)} is the route itself; name another one")
        elif find_named(find, tenant_id, name) is None:
            hint = did_you_mean(name, sorted({one.name for one in known.routes}))
            findings.add(where, f"there is no route {quoted(name)}; GET /api/v1/routes lists them.{hint}")


def kind_of(draft: RouteDraft, tenant_id: str, known: Known, findings: Findings) -> ModelKind:
    """Return which kind of models the route serves; everything that it leads to must be of one kind."""
    kinds = {
        target.deployment_id: known.deployments[target.deployment_id]
        for target in draft.targets
        if target.deployment_id in known.deployments
    }
    found = {one.model_kind for one in kinds.values()}
    if len(found) > 1:
        told = ", ".join(f"{one.name} ({one.model_kind})" for one in kinds.values())
        findings.add("targets", f"they are of several kinds: {told}; a route leads to models of one kind")
    find = finder(known.routes)
    aliased = find_named(find, tenant_id, draft.alias_of) if draft.alias_of else None
    meant = follow_alias(aliased, find)[0] if aliased else None
    found |= {meant.model_kind} if meant else set()
    if draft.model_kind is not None:
        findings.add("model_kind", choice_fault(draft.model_kind, KINDS))
    stated = KINDS.get(draft.model_kind or "")
    if len(found) == 1 and stated is not None and stated not in found:
        findings.add("model_kind", f"{stated} found, and it leads to models of the kind {next(iter(found))}")
    kind = next(iter(found), None) or stated or draft.kind_before
    _check_fallback_kinds(draft, tenant_id, kind, find, findings)
    return kind


def _check_fallback_kinds(
    draft: RouteDraft,
    tenant_id: str,
    kind: ModelKind,
    find: Callable[[str, str], Route | None],
    findings: Findings,
) -> None:
    for index, fallback in enumerate(draft.fallbacks):
        other = find_named(find, tenant_id, fallback.route)
        if other is not None and other.name != draft.name and other.model_kind is not kind:
            findings.add(
                f"fallbacks.{index}.route",
                f"{quoted(other.name)} leads to models of the kind {other.model_kind}, and this route to {kind}",
            )


def check_circles(route: Route, routes: Collection[Route], findings: Findings) -> None:
    """Add a fault when names lead from the route back to it, or over too many aliases to it or from it.

    `routes` has the route as it would be. Aliases and fallbacks of every reason count alike: a request may take them
    all, one after the other.
    """
    find = finder(routes)
    if circle := _circle(route, find):
        findings.add("alias_of" if route.alias_of else "fallbacks", f"it leads in a circle: {' -> '.join(circle)}")
        return
    for one in routes if route.alias_of else ():
        meant, path = follow_alias(one, find)
        if meant is None and len(path) > MOST_ALIASES + 1:
            told = f"{quoted(one.name)} would lead over more than {MOST_ALIASES} aliases: {' -> '.join(path)}"
            findings.add("alias_of", f"{told}; name the last route itself")
            return


def users_of_name(route: Route, routes: Collection[Route]) -> list[str]:
    """Return the names of the routes that mean this one by an alias or a fallback."""
    find = finder(routes)
    return sorted({one.name for one in routes if any(_means(one, name, route, find) for name in _named_by(one))})


def _means(one: Route, name: str, route: Route, find: Callable[[str, str], Route | None]) -> bool:
    meant = find_named(find, one.tenant_id, name)
    return meant is not None and meant.route_id == route.route_id


def _named_by(route: Route) -> list[str]:
    return [*([route.alias_of] if route.alias_of else ()), *(one.route for one in route.settings.fallbacks)]


def _circle(route: Route, find: Callable[[str, str], Route | None]) -> list[str]:
    """Return the names on a way from the route back to it, or nothing."""
    seen: set[str] = set()
    ways: list[tuple[Route, list[str]]] = [(route, [route.name])]
    while ways:
        one, path = ways.pop()
        for name in _named_by(one):
            following = find_named(find, one.tenant_id, name)
            if following is None:
                continue
            if following.route_id == route.route_id:
                return [*path, name]
            if following.route_id not in seen:
                seen.add(following.route_id)
                ways.append((following, [*path, name]))
    return []


def _missing(noun: str, identifier: str, path: str) -> str:
    return f"there is no {noun} with the id {quoted(identifier)}; GET /api/v1/{path} lists them"

"""What becomes of a route when somebody makes, changes or deletes it. Every function decides; none does."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from roundhouse_catalog.domain.errors import DeploymentInUse, NameTaken, RouteInUse, RouteOfDeployment
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.route_drafts import BalancingDraft, RouteDraft, RoutePatch, patched
from roundhouse_catalog.domain.route_references import (
    Known,
    check_circles,
    check_references,
    finder,
    kind_of,
    users_of_name,
)
from roundhouse_catalog.domain.route_shapes import FALLBACK_REASONS, SPLITS, STRATEGIES, check_shape
from roundhouse_catalog.domain.routes import Route, RouteSettings
from roundhouse_catalog.domain.settings import ACCESSES
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import Balancing, Fallback
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import UnixTime

__all__ = ["Change", "create_route", "delete_route", "require_unrouted", "revise_route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changes something, and when."""

    at: UnixTime
    actor: str


def create_route(draft: RouteDraft, known: Known, *, route_id: str, tenant_id: str, change: Change) -> Route:
    """Return the route. Raises InvalidInput with every fault, and NameTaken."""
    owner = PLATFORM if draft.is_platform else tenant_id
    findings = Findings()
    kind = _check(draft, owner, known, findings)
    findings.refuse()
    route = Route(
        route_id=route_id,
        tenant_id=owner,
        name=draft.name,
        model_kind=kind,
        targets=draft.targets,
        alias_of=draft.alias_of,
        settings=_settings(draft),
        created_at=change.at,
        created_by=change.actor,
        updated_at=change.at,
        updated_by=change.actor,
    )
    _require_free(route, known)
    _refuse_circles(route, known)
    return route


def revise_route(route: Route, patch: RoutePatch, known: Known, *, change: Change) -> Route:
    """Return the changed route, the same when nothing changes.

    Raises InvalidInput with every fault, NameTaken, and RouteInUse for another name or kind while routes name this one.
    """
    draft = patched(route, patch)
    findings = Findings()
    kind = _check(draft, route.tenant_id, known, findings)
    _check_own(route, draft, findings)
    findings.refuse()
    revised = replace(
        route,
        name=draft.name,
        model_kind=kind,
        targets=draft.targets,
        alias_of=draft.alias_of,
        settings=_settings(draft),
    )
    if revised == route:
        return route
    if (revised.name, revised.model_kind) != (route.name, route.model_kind):
        _require_unnamed(route, known)
        _require_free(revised, known)
    _refuse_circles(revised, known)
    return replace(revised, generation=route.generation + 1, updated_at=change.at, updated_by=change.actor)


def delete_route(route: Route, known: Known, *, change: Change) -> Route:
    """Return the tombstone. Raises RouteOfDeployment, and RouteInUse with who names it."""
    if route.deployment_id:
        raise RouteOfDeployment(route.name, route.deployment_id)
    _require_unnamed(route, known)
    return replace(
        route, is_deleted=True, generation=route.generation + 1, updated_at=change.at, updated_by=change.actor
    )


def require_unrouted(deployment_id: str, routes: Collection[Route]) -> None:
    """Raise DeploymentInUse or RouteInUse while routes lead to a deployment that is to be deleted."""
    users = {
        one.name
        for one in routes
        if one.deployment_id != deployment_id and deployment_id in [target.deployment_id for target in one.targets]
    }
    own = next((one for one in routes if one.deployment_id == deployment_id), None)
    if own is not None and users:
        raise DeploymentInUse(own.name, sorted(users))
    if own is not None and (named_by := users_of_name(own, routes)):
        raise RouteInUse(own.name, named_by)


def _check(draft: RouteDraft, tenant_id: str, known: Known, findings: Findings) -> ModelKind:
    check_shape(draft, findings)
    check_references(draft, tenant_id, known, findings)
    return kind_of(draft, tenant_id, known, findings)


def _check_own(route: Route, draft: RouteDraft, findings: Findings) -> None:
    """A deployment's own route has its name, and leads to it."""
    if not route.deployment_id:
        return
    if draft.name != route.name:
        findings.add(
            "name",
            f"{quoted(draft.name)} found; it is the own route of the deployment {quoted(route.name)} and keeps its "
            "name: make an alias of it for another name",
        )
    for name in ("access", "project_id"):
        if (now := getattr(draft, name)) != str(getattr(route.settings, name)):
            findings.add(name, f"{quoted(now)} found; it is the deployment's: change it there ({route.deployment_id})")
    if route.deployment_id not in [target.deployment_id for target in draft.targets]:
        findings.add(
            "targets",
            f"the deployment {quoted(route.name)} itself ({route.deployment_id}) is missing; it stays a target of its "
            "own route, with a weight of 0 if need be",
        )


def _require_free(route: Route, known: Known) -> None:
    other = finder(known.routes)(route.tenant_id, route.name)
    if other is not None and other.route_id != route.route_id:
        raise NameTaken("deployment" if other.deployment_id else "route", route.name)


def _require_unnamed(route: Route, known: Known) -> None:
    if users := users_of_name(route, known.routes):
        raise RouteInUse(route.name, users)


def _refuse_circles(route: Route, known: Known) -> None:
    findings = Findings()
    others = [one for one in known.routes if one.route_id != route.route_id]
    check_circles(route, [*others, route], findings)
    findings.refuse()


def _settings(draft: RouteDraft) -> RouteSettings:
    """Return the settings of a draft whose words are known."""
    return RouteSettings(
        balancing=_balancing(draft.balancing),
        split_by=SPLITS[draft.split_by],
        fallbacks=tuple(Fallback(reason=FALLBACK_REASONS[one.reason], route=one.route) for one in draft.fallbacks),
        timeouts=draft.timeouts,
        retries=draft.retries,
        queue=draft.queue,
        cache=draft.cache,
        is_coalesced=draft.is_coalesced,
        is_continued=draft.is_continued,
        key_ids=tuple(dict.fromkeys(draft.key_ids)),
        tenant_ids=tuple(dict.fromkeys(draft.tenant_ids)),
        access=ACCESSES[draft.access],
        project_id=draft.project_id,
    )


def _balancing(draft: BalancingDraft) -> Balancing:
    return Balancing(
        strategy=STRATEGIES[draft.strategy],
        weights=dict(draft.weights),
        session_header=draft.session_header,
        load_ceiling=draft.load_ceiling,
        is_local_preferred=draft.is_local_preferred,
        spill_in_flight=draft.spill_in_flight,
    )

"""Lays a plan of an import over what there is: the same names are changed, not doubled; the rest stays. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from roundhouse_catalog.domain.errors import NameTaken, RouteInUse
from roundhouse_catalog.domain.limits import Limit, LimitDraft, LimitPatch, Members, create_limit, revise_limit
from roundhouse_catalog.domain.litellm_plan import ImportPlan, WantedLimit, WantedProvider, WantedRoute
from roundhouse_catalog.domain.litellm_providers import KNOWN
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_catalog.domain.providers import (
    Provider,
    ProviderDraft,
    ProviderPatch,
    SealedKey,
    add_keys,
    create_provider,
    revise_provider,
    secret_fault,
)
from roundhouse_catalog.domain.route_changes import Change, create_route, revise_route
from roundhouse_catalog.domain.route_drafts import (
    BalancingDraft,
    FallbackDraft,
    RouteDraft,
    RoutePatch,
    balancing_draft,
)
from roundhouse_catalog.domain.route_references import Known
from roundhouse_catalog.domain.routes import Route
from roundhouse_common.contracts.routing import RouteCache, RouteRetries, RouteTarget
from roundhouse_common.errors import InvalidInput

__all__ = ["Existing", "Outcome", "Settled", "Settling", "settle"]

T = TypeVar("T", Provider, Route, Limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What the tenant has already."""

    known: Known
    """With every route that it can name."""
    providers: Mapping[str, Provider]
    """Its own, by name."""
    secrets: Mapping[str, frozenset[str]] = field(repr=False)
    """Those that its providers have, opened, by provider id."""
    limits: Mapping[str, Limit]
    """Its own, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Who imports, and where new ids and sealed keys come from."""

    tenant_id: str
    change: Change
    new_id: Callable[[str], str]
    seal: Callable[[str], SealedKey]


@dataclass(slots=True)
class Outcome(Generic[T]):
    """Things by name, told apart by what has to be written."""

    created: list[T] = field(default_factory=list)
    updated: list[T] = field(default_factory=list)
    unchanged: list[T] = field(default_factory=list)

    def put(self, before: T | None, after: T) -> None:
        (self.created if before is None else self.unchanged if after is before else self.updated).append(after)


@dataclass(slots=True)
class Settled:
    """What has to be written for the plan to be true."""

    providers: Outcome[Provider] = field(default_factory=Outcome)
    routes: Outcome[Route] = field(default_factory=Outcome)
    limits: Outcome[Limit] = field(default_factory=Outcome)


def settle(plan: ImportPlan, existing: Existing, settling: Settling, report: Report) -> Settled:
    """Return what to write. What cannot be had is left out with the reason in the report."""
    settled = Settled()
    providers = {}
    for wanted in plan.providers:
        provider = _provider(wanted, existing, settling, report)
        if provider is not None:
            providers[wanted.name] = provider
            settled.providers.put(existing.providers.get(wanted.name), provider)
    known = replace(existing.known, provider_ids={*existing.known.provider_ids, *_ids(providers)})
    routes = _Routes(known, settling, report)
    routes.lay(plan.routes, _ids_by_name(providers))
    routes.tell(settled.routes)
    for limit in plan.limits:
        _settle_limit(limit, routes, existing, settling, settled.limits, report)
    return settled


def _provider(wanted: WantedProvider, existing: Existing, settling: Settling, report: Report) -> Provider | None:
    """Return the provider with every secret that is wanted among its keys; those it has besides stay."""
    before = existing.providers.get(wanted.name)
    if before is not None and (before.base_url, before.format) != (wanted.base_url, KNOWN[wanted.prefix].format):
        why = f"a provider called {wanted.name} speaks {before.format.value} at {before.base_url} already"
        report.left_out(wanted.place, f"{why}; give that one another name by making it anew")
        return None
    secrets = existing.secrets.get(before.provider_id, frozenset()) if before else frozenset()
    new = [secret for secret in wanted.secrets if secret not in secrets]
    try:
        if faults := [fault for secret in new if (fault := secret_fault(secret))]:
            report.left_out(wanted.place, f"the key of {wanted.name}: {faults[0]}")
            return None
        return _with_keys(_described(wanted, before, settling), new, settling)
    except InvalidInput as error:
        report.left_out(wanted.place, f"the provider {wanted.name}: {_faults(error)}")
        return None


def _described(wanted: WantedProvider, before: Provider | None, settling: Settling) -> Provider:
    at, actor = settling.change.at, settling.change.actor
    if before is not None:
        return revise_provider(before, ProviderPatch(headers=wanted.headers), now=at, actor=actor)
    draft = ProviderDraft(
        name=wanted.name,
        format=KNOWN[wanted.prefix].format.value,
        base_url=wanted.base_url,
        headers=wanted.headers,
    )
    return create_provider(
        draft, provider_id=settling.new_id("prv"), tenant_id=settling.tenant_id, keys=(), now=at, actor=actor
    )


def _with_keys(provider: Provider, secrets: Sequence[str], settling: Settling) -> Provider:
    if not secrets:
        return provider
    sealed = [settling.seal(secret) for secret in secrets]
    added = add_keys(provider, sealed, now=settling.change.at, actor=settling.change.actor)
    return replace(added, generation=provider.generation)


class _Routes:
    """The routes as they will be. Fallbacks come when every route is there that they may name."""

    def __init__(self, known: Known, settling: Settling, report: Report) -> None:
        self._known = known
        self._settling = settling
        self._report = report
        self._before = {one.name: one for one in known.routes if one.tenant_id == settling.tenant_id}
        self.laid: dict[str, Route] = {}

    def lay(self, wanted: Sequence[WantedRoute], provider_ids: Mapping[str, str]) -> None:
        """Make or change all of these: targets first, then aliases, then fallbacks."""
        ordered = [*(one for one in wanted if not one.alias_of), *_in_order(wanted)]
        for one in ordered:
            self._attempt(one, "", self._draft(one, provider_ids))
        for one in ordered:
            if one.name in self.laid and (one.fallbacks or self.laid[one.name].settings.fallbacks):
                self._attempt(one, "its fallbacks: ", self._patch_of_fallbacks(one))

    def tell(self, outcome: Outcome[Route]) -> None:
        """Tell what has to be written: one generation each, whatever it took to get there."""
        for name, route in self.laid.items():
            before = self._before.get(name)
            if before is None:
                outcome.put(None, replace(route, generation=1))
            elif _is_same(route, before):
                outcome.put(before, before)
            else:
                outcome.put(before, replace(route, generation=before.generation + 1))

    def _draft(self, wanted: WantedRoute, provider_ids: Mapping[str, str]) -> RouteDraft:
        targets = [one for one in wanted.targets if one.provider in provider_ids]
        balancing = BalancingDraft(strategy=wanted.strategy.value, weights={})
        return RouteDraft(
            name=wanted.name,
            model_kind=wanted.kind.value if wanted.kind else None,
            targets=tuple(
                RouteTarget(
                    provider_id=provider_ids[one.provider], model=one.model, weight=one.weight, priority=one.priority
                )
                for one in targets
            ),
            alias_of=wanted.alias_of,
            balancing=balancing,
            timeouts=wanted.timeouts,
            retries=RouteRetries(max_attempts=wanted.max_attempts),
            cache=RouteCache(ttl_s=wanted.cache_ttl_s),
        )

    def _patch_of_fallbacks(self, wanted: WantedRoute) -> RoutePatch:
        fallbacks = tuple(FallbackDraft(reason=reason.value, route=name) for reason, name in wanted.fallbacks)
        return RoutePatch(fallbacks=fallbacks)

    def _attempt(self, wanted: WantedRoute, what: str, asked: RouteDraft | RoutePatch) -> None:
        try:
            route = self._created_or_revised(wanted, asked)
        except (InvalidInput, NameTaken, RouteInUse) as error:
            why = _faults(error) if isinstance(error, InvalidInput) else error.message
            self._report.left_out(wanted.place, f"the route {wanted.name}: {what}{why}")
            return
        if route is not None:
            self.laid[wanted.name] = route
            others = [one for one in self._known.routes if one.route_id != route.route_id]
            self._known = replace(self._known, routes=[*others, route])

    def _created_or_revised(self, wanted: WantedRoute, asked: RouteDraft | RoutePatch) -> Route | None:
        before = self.laid.get(wanted.name) or self._before.get(wanted.name)
        change = self._settling.change
        if before is not None and before.deployment_id:
            self._report.left_out(wanted.place, f"the deployment {wanted.name} has the route of this name: it stays")
            return None
        if isinstance(asked, RoutePatch):
            return revise_route(before, asked, self._known, change=change) if before else None
        if before is None:
            route_id, tenant_id = self._settling.new_id("rte"), self._settling.tenant_id
            return create_route(asked, self._known, route_id=route_id, tenant_id=tenant_id, change=change)
        return revise_route(before, _patch(asked, before), self._known, change=change)


def _is_same(route: Route, before: Route) -> bool:
    stamps = (before.generation, before.updated_at, before.updated_by)
    return replace(route, generation=stamps[0], updated_at=stamps[1], updated_by=stamps[2]) == before


def _patch(draft: RouteDraft, before: Route) -> RoutePatch:
    """Return what an import says about a route; what it says nothing about stays, fallbacks come later."""
    balancing = replace(balancing_draft(before.settings.balancing), strategy=draft.balancing.strategy)
    return RoutePatch(
        model_kind=draft.model_kind,
        targets=draft.targets,
        alias_of=draft.alias_of,
        balancing=balancing,
        fallbacks=(),
        timeouts=draft.timeouts,
        retries=draft.retries,
        cache=draft.cache,
    )


def _settle_limit(
    wanted: WantedLimit,
    routes: _Routes,
    existing: Existing,
    settling: Settling,
    outcome: Outcome[Limit],
    report: Report,
) -> None:
    route, before = routes.laid.get(wanted.route), existing.limits.get(wanted.name)
    if route is None:
        report.left_out(wanted.place, f"the limit {wanted.name}: its route is left out")
        return
    members, at, actor = Members(route_ids={route.route_id: ""}), settling.change.at, settling.change.actor
    try:
        if before is None:
            draft = LimitDraft(name=wanted.name, route_ids=(route.route_id,), bounds=wanted.bounds)
            limit = create_limit(
                draft, members, limit_id=settling.new_id("lim"), tenant_id=settling.tenant_id, now=at, actor=actor
            )
        else:
            patch = LimitPatch(route_ids=(route.route_id,), bounds=wanted.bounds)
            limit = revise_limit(before, patch, members, now=at, actor=actor)
    except InvalidInput as error:
        report.left_out(wanted.place, f"the limit {wanted.name}: {_faults(error)}")
        return
    outcome.put(before, limit)


def _in_order(wanted: Sequence[WantedRoute]) -> list[WantedRoute]:
    """Return the aliases so that one comes after the alias that it means."""
    aliases = {one.name: one for one in wanted if one.alias_of}
    ordered: dict[str, WantedRoute] = {}
    for one in aliases.values():
        path: list[WantedRoute] = []
        following: WantedRoute | None = one
        while following is not None and following not in path and following.name not in ordered:
            path.append(following)
            following = aliases.get(following.alias_of)
        ordered |= {step.name: step for step in reversed(path)}
    return list(ordered.values())


def _faults(error: InvalidInput) -> str:
    return "; ".join(f"{fault.field}: {fault.message}" for fault in error.fields) or error.message


def _ids(providers: Mapping[str, Provider]) -> set[str]:
    return {one.provider_id for one in providers.values()}


def _ids_by_name(providers: Mapping[str, Provider]) -> dict[str, str]:
    return {name: one.provider_id for name, one in providers.items()}

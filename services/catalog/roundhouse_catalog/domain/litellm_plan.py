"""Turns a LiteLLM configuration into providers, routes and limits. Pure: what there is already is not looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roundhouse_catalog.domain.litellm_config import LiteLLMConfig, read_config
from roundhouse_catalog.domain.litellm_entries import Entry
from roundhouse_catalog.domain.litellm_fallbacks import FallbackPlan, plan_fallbacks
from roundhouse_catalog.domain.litellm_providers import provider_name
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_catalog.domain.litellm_weights import priorities, weights
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import FallbackReason, RouteTimeouts, Strategy

__all__ = ["ImportPlan", "WantedLimit", "WantedProvider", "WantedRoute", "WantedTarget", "plan_import"]

_Identity = tuple[str, str, tuple[tuple[str, str], ...]]
"""Prefix, address and headers: what entries of one provider have in common."""

_NO_TIMEOUTS = RouteTimeouts()
_STRATEGIES: Mapping[str, Strategy] = {
    "least-busy": Strategy.LEAST_IN_FLIGHT,
    "latency-based-routing": Strategy.LOWEST_LATENCY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProvider:
    """A provider, with the secrets that it must have among its keys."""

    place: str
    name: str
    prefix: str
    base_url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTarget:
    provider: str
    """By name."""
    model: str
    weight: int
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRoute:
    """A route: with targets, or an alias."""

    place: str
    name: str
    kind: ModelKind | None = None
    targets: tuple[WantedTarget, ...] = ()
    alias_of: str = ""
    fallbacks: tuple[tuple[FallbackReason, str], ...] = ()
    timeouts: RouteTimeouts = _NO_TIMEOUTS
    max_attempts: int = 0
    strategy: Strategy = Strategy.LEAST_IN_FLIGHT
    cache_ttl_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLimit:
    """What all requests to a route may use together."""

    place: str
    name: str
    route: str
    bounds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What must be there in the end."""

    providers: tuple[WantedProvider, ...]
    routes: tuple[WantedRoute, ...]
    limits: tuple[WantedLimit, ...]
    variables_needed: tuple[str, ...]


def plan_import(document: object, environment: Mapping[str, str], report: Report) -> ImportPlan:
    """Return what a configuration asks for, given the variables that it names."""
    config = read_config(document, environment, report)
    providers = _providers(config.entries, report)
    names = {one.place: _name(one, providers) for one in config.entries}
    groups: dict[str, list[Entry]] = {}
    for entry in config.entries:
        groups.setdefault(entry.model_name, []).append(entry)
    targets = {name: _targets(entries, names, report) for name, entries in groups.items()}
    fallbacks = plan_fallbacks(config, list(groups), report)
    routes = [_route(name, groups, targets, fallbacks, config, report) for name in groups]
    return ImportPlan(
        providers=tuple(providers.values()),
        routes=(*(one for one in routes if one.targets), *_aliases(config, groups, report)),
        limits=tuple(_limits(groups, config, report)),
        variables_needed=tuple(config.variables_needed),
    )


def _providers(entries: Sequence[Entry], report: Report) -> dict[_Identity, WantedProvider]:
    """Return a provider for each address with the headers of its own, by prefix, address and headers."""
    found: dict[_Identity, list[Entry]] = {}
    for entry in entries:
        found.setdefault(_identity(entry), []).append(entry)
    taken: dict[str, int] = {}
    providers = {}
    for identity, users in found.items():
        first = users[0]
        name = provider_name(first.prefix, first.base_url)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:  # the same address with other headers
            name = f"{name[:58]}-{taken[name]}"
        secrets = tuple(dict.fromkeys(one.secret for one in users if one.secret))
        providers[identity] = WantedProvider(
            place=first.place,
            name=name,
            prefix=first.prefix,
            base_url=first.base_url,
            headers=first.headers,
            secrets=secrets,
        )
        count = f"{len(secrets)} keys" if len(secrets) != 1 else "1 key"
        report.taken(first.place, f"the provider {name} at {first.base_url}, with {count}")
        if _are_apart(users):
            report.changed(first.place, f"the keys of {name} are used for all of its models, whichever entry has them")
    return providers


def _are_apart(entries: Sequence[Entry]) -> bool:
    """Whether names differ in the keys that they use: LiteLLM would keep them apart."""
    by_name: dict[str, set[str]] = {}
    for entry in entries:
        by_name.setdefault(entry.model_name, set()).add(entry.secret)
    return len({frozenset(secrets) for secrets in by_name.values()}) > 1


def _identity(entry: Entry) -> _Identity:
    return entry.prefix, entry.base_url, tuple(sorted(entry.headers.items()))


def _name(entry: Entry, providers: Mapping[_Identity, WantedProvider]) -> str:
    return providers[_identity(entry)].name


def _targets(entries: Sequence[Entry], names: Mapping[str, str], report: Report) -> tuple[WantedTarget, ...]:
    """Return the targets of one name. Entries that differ in their keys only are one target."""
    found: dict[tuple[str, str, int], WantedTarget] = {}
    ranks = priorities(entries)
    for entry, weight in zip(entries, weights(entries, ranks), strict=True):
        model = _model(entry, report)
        if model is None:
            continue
        target = WantedTarget(provider=names[entry.place], model=model, weight=weight, priority=ranks[entry.place])
        at = (target.provider, target.model, target.priority)
        before = found.get(at)
        found[at] = target if before is None else _merged(before, target)
        detail = f"a target of the route {entry.model_name}: {target.provider}, {model or 'the name that came'}"
        share = f", weight {weight}" + (f", priority {target.priority}" if target.priority else "")
        report.taken(entry.place, detail + share)
    return tuple(found.values())


def _merged(one: WantedTarget, other: WantedTarget) -> WantedTarget:
    return WantedTarget(provider=one.provider, model=one.model, weight=one.weight + other.weight, priority=one.priority)


def _model(entry: Entry, report: Report) -> str | None:
    """Return the provider's name of the model: empty for the name that came; None where it cannot be said."""
    stars, wanted = entry.model_name.count("*"), entry.model.count("*")
    if not wanted:
        return entry.model
    if entry.model == entry.model_name:
        return ""
    if stars == 1:
        return entry.model
    if not stars:
        report.left_out(entry.place, "its model has a * and its model_name has none: nothing says what it stands for")
        return None
    report.left_out(entry.place, "its model_name has several * and its model differs: make entries of their own")
    return None


def _route(
    name: str,
    groups: Mapping[str, Sequence[Entry]],
    targets: Mapping[str, tuple[WantedTarget, ...]],
    fallbacks: FallbackPlan,
    config: LiteLLMConfig,
    report: Report,
) -> WantedRoute:
    entries = groups[name]
    kinds = list(dict.fromkeys(entry.kind for entry in entries))
    if len(kinds) > 1:
        report.changed(entries[0].place, f"{name} is of several kinds; {kinds[0].value} is taken")
    return WantedRoute(
        place=entries[0].place,
        name=name,
        kind=kinds[0],
        targets=_with_inlined(targets[name], [targets.get(one, ()) for one in fallbacks.inlined.get(name, ())]),
        fallbacks=tuple(fallbacks.edges.get(name, ())),
        timeouts=_timeouts(entries, config),
        max_attempts=0 if config.retries is None else min(config.retries + 1, 10),
        strategy=_STRATEGIES.get(config.strategy, Strategy.LEAST_IN_FLIGHT),
        cache_ttl_s=config.cache_ttl_s,
    )


def _with_inlined(
    own: tuple[WantedTarget, ...], others: Sequence[tuple[WantedTarget, ...]]
) -> tuple[WantedTarget, ...]:
    """Return the targets with those of others behind them: each on priorities after the last."""
    found = list(own)
    for targets in others if own else ():
        after = max(one.priority for one in found) + 1
        known = {(one.provider, one.model) for one in found}
        found += [
            WantedTarget(
                provider=one.provider, model=one.model, weight=max(one.weight, 1), priority=after + one.priority
            )
            for one in targets
            if (one.provider, one.model) not in known and one.model and "*" not in one.model
        ]
    return tuple(found)


def _timeouts(entries: Sequence[Entry], config: LiteLLMConfig) -> RouteTimeouts:
    """The longest that any entry of the route states, else the router's own."""
    first = max((entry.timeout_s for entry in entries), default=0.0) or config.timeout_s
    idle = max((entry.stream_timeout_s for entry in entries), default=0.0) or config.stream_timeout_s
    return RouteTimeouts(first_token_s=first, idle_s=idle)


def _aliases(config: LiteLLMConfig, groups: Mapping[str, object], report: Report) -> list[WantedRoute]:
    found = []
    for alias, meant in config.aliases.items():
        place = f"router_settings.model_group_alias.{alias}"
        if alias in groups:
            report.left_out(place, f"{alias} is a model_name too, which goes first")
        elif alias == meant:
            report.left_out(place, "it means itself")
        else:
            report.taken(place, f"the route {alias}, an alias of {meant}")
            found.append(WantedRoute(place=place, name=alias, alias_of=meant))
    return found


def _limits(groups: Mapping[str, Sequence[Entry]], config: LiteLLMConfig, report: Report) -> list[WantedLimit]:
    """Return the sums of rpm and tpm, where LiteLLM would hold requests to them and every entry states them."""
    found = []
    for name, entries in groups.items():
        bounds = {}
        for field_, bound in (("rpm", "requests_per_minute"), ("tpm", "tokens_per_minute")):
            stated = [value for entry in entries if (value := getattr(entry, field_)) is not None]
            place = f"{entries[0].place}.litellm_params.{field_}"
            if not stated:
                continue
            if not config.is_rate_enforced:
                report.changed(place, "a weight of its target; LiteLLM enforces it only with usage-based routing")
            elif len(stated) < len(entries):
                report.left_out(place, f"not every entry of {name} states it, so the route has no bound")
            else:
                bounds[bound] = sum(stated)
                report.taken(place, f"a limit of the route {name}: {sum(stated)} {bound.replace('_', ' ')}")
        if bounds:
            found.append(WantedLimit(place=entries[0].place, name=f"litellm {name}", route=name, bounds=bounds))
    return found

"""Bodies of `/routes:preview`."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from roundhouse_catalog.api.route_parts import FallbackBody
from roundhouse_catalog.api.route_schemas import RouteToCreate, SettingsView
from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.limits import BOUNDS, Limit
from roundhouse_catalog.domain.preview import LeadsTo, Preview, Way
from roundhouse_catalog.domain.routes import Route

__all__ = ["PreviewToMake", "PreviewView"]


class RequestBody(Body):
    """What of a request decides where it goes."""

    model: str = Field(description="As the client sends it.")
    key_id: str = Field(default="", description="The id of the API key; empty: no key in particular.")
    headers: dict[str, str] = {}
    user: str = Field(default="", description="The body's `user`.")


class PreviewToMake(Body):
    """A request, and a route that there may not be yet."""

    request: RequestBody
    route: RouteToCreate | None = Field(
        default=None, description="Looked at as if it were there, in the place of the one with its name."
    )


class NamedRouteView(View):
    """A route, in short."""

    id: str
    name: str
    is_platform: bool

    @classmethod
    def of(cls, route: Route) -> Self:
        return cls(id=route.route_id, name=route.name, is_platform=route.is_platform)


class PreviewTargetView(View):
    """A target that the request may go to."""

    deployment_id: str
    deployment_name: str = Field(description="Empty for a provider's target, and for another tenant's deployment.")
    provider_id: str
    model: str = Field(description="What a provider is sent as `model`.")
    priority: int
    weight: int
    percent: float = Field(description="How many of a hundred such requests go there first, within its priority.")

    @classmethod
    def of(cls, one: LeadsTo, names: Mapping[str, str]) -> Self:
        target = one.target
        return cls(
            deployment_id=target.deployment_id,
            deployment_name=names.get(target.deployment_id, ""),
            provider_id=target.provider_id,
            model=target.model,
            priority=target.priority,
            weight=target.weight,
            percent=round(one.share * 100, 4),
        )


class PreviewFallbackView(FallbackBody):
    """A fallback, and whether this request may take it."""

    is_usable: bool

    @classmethod
    def of(cls, way: Way) -> Self:
        return cls(reason=way.fallback.reason.value, route=way.fallback.route, is_usable=way.is_usable)


class PreviewLimitView(View):
    """A limit that the request falls under."""

    name: str
    is_platform: bool
    per: list[str]
    bounds: dict[str, int]

    @classmethod
    def of(cls, limit: Limit) -> Self:
        bounds = {name: limit.bounds[name] for name in BOUNDS if name in limit.bounds}
        return cls(name=limit.name, is_platform=limit.is_platform, per=[one.value for one in limit.per], bounds=bounds)


class PreviewView(View):
    """Where the request would go, and why."""

    is_routed: bool
    why_not: str = Field(description="Why it would be refused; empty when it would not.")
    named: NamedRouteView | None = Field(description="The route that the name fits.")
    path: list[str] = Field(description="Names passed from alias to alias, the last one meant.")
    route: NamedRouteView | None = Field(description="The route that is meant.")
    targets: list[PreviewTargetView] = Field(description="Those for this request, by priority.")
    fallbacks: list[PreviewFallbackView]
    settings: SettingsView | None
    limits: list[PreviewLimitView] = Field(description="All of them hold.")

    @classmethod
    def of(cls, found: Preview, names: Mapping[str, str]) -> Self:
        return cls(
            is_routed=not found.why_not,
            why_not=found.why_not,
            named=NamedRouteView.of(found.named) if found.named else None,
            path=list(found.path),
            route=NamedRouteView.of(found.meant) if found.meant else None,
            targets=[PreviewTargetView.of(one, names) for one in found.targets],
            fallbacks=[PreviewFallbackView.of(one) for one in found.fallbacks],
            settings=SettingsView.settings_of(found.meant) if found.meant else None,
            limits=[PreviewLimitView.of(one) for one in found.limits],
        )

"""Routes: names that clients send as `model`, and where each leads. Every function decides; none does."""

from dataclasses import dataclass, replace

import msgspec

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_common.contracts.catalog import DeploymentDesired, ModelKind
from roundhouse_common.contracts.routing import (
    Access,
    Balancing,
    Fallback,
    RouteCache,
    RouteQueue,
    RouteRecord,
    RouteRetries,
    RouteTarget,
    RouteTimeouts,
    SplitBy,
)
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import UnixTime

__all__ = ["Route", "RouteSettings", "followed", "is_for_tenant", "own_route", "route_record"]


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How requests of a route are spread, bounded and kept. What an older row lacks is the default."""

    balancing: Balancing = Balancing()
    split_by: SplitBy = SplitBy.REQUEST
    fallbacks: tuple[Fallback, ...] = ()
    timeouts: RouteTimeouts = RouteTimeouts()
    retries: RouteRetries = RouteRetries()
    queue: RouteQueue = RouteQueue()
    cache: RouteCache = RouteCache()
    is_coalesced: bool = False
    is_continued: bool = False
    key_ids: tuple[str, ...] = ()
    tenant_ids: tuple[str, ...] = ()
    access: Access = Access.TENANT
    """Of a deployment's own route the deployment's, as is the next."""
    project_id: str = ""


_DEFAULTS = RouteSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route."""

    route_id: str
    tenant_id: str
    """Empty: of the platform."""
    name: str
    deployment_id: str = ""
    """Of a deployment's own route, which lives and dies with it; empty for routes that somebody made."""
    model_kind: ModelKind
    targets: tuple[RouteTarget, ...]
    alias_of: str = ""
    settings: RouteSettings = _DEFAULTS
    generation: int = 1
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str
    is_deleted: bool = False

    @property
    def owner_id(self) -> str:
        """Who made it: keys of this user may use it also where it is private."""
        return self.created_by.partition(":")[2]

    @property
    def is_platform(self) -> bool:
        return self.tenant_id == PLATFORM


def own_route(deployment: Deployment, *, route_id: str) -> Route:
    """Return the route that a new deployment comes with."""
    return Route(
        route_id=route_id,
        tenant_id=deployment.tenant_id,
        name=deployment.name,
        deployment_id=deployment.deployment_id,
        model_kind=deployment.version.spec.model_kind,
        targets=(RouteTarget(deployment_id=deployment.deployment_id),),
        settings=RouteSettings(access=deployment.settings.access, project_id=deployment.project_id),
        created_at=deployment.created_at,
        created_by=deployment.created_by,
        updated_at=deployment.updated_at,
        updated_by=deployment.updated_by,
    )


def followed(route: Route, deployment: Deployment) -> Route:
    """Return a deployment's own route as the deployment is now; its other settings stay."""
    kind, is_deleted = deployment.version.spec.model_kind, deployment.desired is DeploymentDesired.DELETE
    access, project_id = deployment.settings.access, deployment.project_id
    settings = msgspec.structs.replace(route.settings, access=access, project_id=project_id)
    if (route.model_kind, route.is_deleted, route.settings) == (kind, is_deleted, settings):
        return route
    return replace(
        route,
        model_kind=kind,
        is_deleted=is_deleted,
        settings=settings,
        generation=route.generation + 1,
        updated_at=deployment.updated_at,
        updated_by=deployment.updated_by,
    )


def is_for_tenant(route: Route, tenant_id: str) -> bool:
    """Say whether the tenant may mean it: its own, or one of the platform that is not for others."""
    return route.tenant_id == tenant_id or (
        route.is_platform and (not route.settings.tenant_ids or tenant_id in route.settings.tenant_ids)
    )


def route_record(route: Route) -> RouteRecord:
    """Return the route as routers see it."""
    settings = msgspec.structs.asdict(route.settings)
    return RouteRecord(
        route_id=route.route_id,
        name=route.name,
        tenant_id=route.tenant_id,
        targets=route.targets,
        model_kind=route.model_kind,
        created_at=route.created_at,
        is_deleted=route.is_deleted,
        alias_of=route.alias_of,
        owner_id=route.owner_id,
        **settings,
    )

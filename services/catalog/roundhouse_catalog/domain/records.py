"""The catalog's records as other services see them on the bus."""

from dataclasses import dataclass

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_common.contracts.catalog import DeploymentDesired, DeploymentSpec, ModelKind
from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.runtime import DeploymentId, UnixTime

__all__ = ["Route", "key_record", "route_of", "route_record", "spec_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The name of a deployment as clients use it. It lives and dies with the deployment."""

    route_id: str
    tenant_id: str
    name: str
    deployment_id: DeploymentId
    model_kind: ModelKind
    created_at: UnixTime
    is_deleted: bool


def route_of(deployment: Deployment, *, route_id: str) -> Route:
    """Return the route that the deployment implies now."""
    return Route(
        route_id=route_id,
        tenant_id=deployment.tenant_id,
        name=deployment.name,
        deployment_id=deployment.deployment_id,
        model_kind=deployment.version.spec.model_kind,
        created_at=deployment.created_at,
        is_deleted=deployment.desired is DeploymentDesired.DELETE,
    )


def spec_record(deployment: Deployment) -> DeploymentSpec:
    settings = deployment.settings
    return DeploymentSpec(
        deployment_id=deployment.deployment_id,
        name=deployment.name,
        tenant_id=deployment.tenant_id,
        generation=deployment.generation,
        desired=deployment.desired,
        replicas=deployment.replicas,
        version=deployment.version.spec,
        disconnect_grace_s=settings.disconnect_grace_s,
        drain_timeout_s=settings.drain_timeout_s,
        rollout=settings.rollout,
        autoscale=settings.autoscale,
        is_paused=deployment.is_paused,
        is_evictable=settings.is_evictable,
        wake_timeout_s=settings.wake_timeout_s,
        failure_budget=settings.failure_budget,
        restarts=deployment.restarts,
    )


def key_record(key: ApiKey) -> ApiKeyRecord:
    return ApiKeyRecord(
        key_id=key.key_id,
        sha256=key.sha256,
        name=key.name,
        tenant_id=key.tenant_id,
        user_id=key.user_id,
        deployment_ids=key.deployment_ids,
        expires_at=key.expires_at,
        is_revoked=key.is_revoked,
    )


def route_record(route: Route) -> RouteRecord:
    return RouteRecord(
        route_id=route.route_id,
        name=route.name,
        tenant_id=route.tenant_id,
        targets=(RouteTarget(deployment_id=route.deployment_id),),
        model_kind=route.model_kind,
        created_at=route.created_at,
        is_deleted=route.is_deleted,
    )

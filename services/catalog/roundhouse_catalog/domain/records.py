"""The catalog's records as other services see them on the bus."""

from collections.abc import Collection

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.routing import ApiKeyRecord

__all__ = ["key_record", "spec_record"]


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
        project_id=deployment.project_id,
    )


def key_record(key: ApiKey, *, is_blocked: bool = False, lost: Collection[str] = ()) -> ApiKeyRecord:
    """`lost` are deployments that the key names and its owner may not use any more; never all of them."""
    return ApiKeyRecord(
        key_id=key.key_id,
        sha256=key.sha256,
        name=key.name,
        tenant_id=key.tenant_id,
        user_id=key.user_id,
        deployment_ids=tuple(one for one in key.deployment_ids if one not in lost),
        expires_at=key.expires_at,
        is_revoked=key.is_revoked,
        priority=key.priority,
        project_id=key.project_id,
        models=key.models,
        ip_ranges=key.ip_ranges,
        previous_sha256=key.previous_sha256,
        previous_until=key.previous_until,
        is_blocked=is_blocked,
    )

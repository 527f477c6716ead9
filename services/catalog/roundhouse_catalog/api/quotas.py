"""Holds deployments and uploads to the quotas of their tenant and project."""

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.quotas import Holder, require_replicas, require_storage
from roundhouse_catalog.domain.uploads import Upload
from roundhouse_catalog.store.deployments import list_deployments
from roundhouse_catalog.store.projects import find_project, find_tenant
from roundhouse_catalog.store.uploads import stored_bytes
from roundhouse_common.database import ReadSession

__all__ = ["require_room_for_deployment", "require_room_for_upload"]

_MOST = 1_000_000


async def require_room_for_deployment(session: ReadSession, before: Deployment | None, after: Deployment) -> None:
    """Raise QuotaExceeded when the deployment would want more than is left to its tenant or project."""
    holders = await _holders(session, after.tenant_id, after.project_id)
    if all(one.quota.devices is None and one.quota.replicas is None for one in holders):
        return
    every = await list_deployments(session, after.tenant_id, limit=_MOST)
    require_replicas(holders, (one for one in every if one.deployment_id != after.deployment_id), before, after)


async def require_room_for_upload(session: ReadSession, upload: Upload) -> None:
    """Raise QuotaExceeded when the upload has more bytes than are left to its tenant or project."""
    holders = await _holders(session, upload.tenant_id, upload.project_id)
    require_storage(holders, await stored_bytes(session, upload.tenant_id), upload.total_bytes)


async def _holders(session: ReadSession, tenant_id: str, project_id: str) -> list[Holder]:
    tenant = await find_tenant(session, tenant_id)
    project = await find_project(session, tenant_id, project_id) if project_id else None
    found = []
    if tenant is not None:
        found.append(Holder(place=f'The tenant "{tenant.name}"', quota=tenant.quota))
    if project is not None:
        found.append(Holder(place=f'The project "{project.name}"', project_id=project_id, quota=project.quota))
    return found

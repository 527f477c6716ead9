"""Deployments and their versions in SQL. A decision is written whole: row, version, own route and event."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update

from roundhouse_catalog.domain.deployments import Decision, Deployment
from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.routes import followed, own_route
from roundhouse_catalog.domain.settings import Settings
from roundhouse_catalog.domain.versions import Version
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.routes import find_own_route, find_route_named, insert_route, update_route
from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.registry import DEPLOYMENT_CHANGED
from roundhouse_common.contracts.routing import Access
from roundhouse_common.database import ReadSession, WriteSession, enqueue
from roundhouse_common.runtime import DeploymentId, UnixTime

__all__ = [
    "all_deployments",
    "deployment_names",
    "find_deployment",
    "find_deployment_anywhere",
    "find_version",
    "insert_deployment",
    "list_deployments",
    "list_versions",
    "named_deployments",
    "note_failed_numbers",
    "successor_of",
    "update_deployment",
]

_D = tables.deployments.c
_V = tables.versions.c


async def list_deployments(
    session: ReadSession,
    tenant_id: str,
    *,
    limit: int,
    after: str = "",
    name: str | None = None,
    project_ids: Collection[str] | None = None,
) -> list[Deployment]:
    """Return deployments, not deleted ones, in the order of their creation, beginning after the id `after`.

    With `project_ids` those of these projects only.
    """
    query = _living(tenant_id).where(_D.id > after).order_by(_D.id).limit(limit)
    if name is not None:
        query = query.where(_D.name == name)
    if project_ids is not None:
        query = query.where(_D.project_id.in_(project_ids))
    return [_deployment(row) for row in await session.execute(query)]


async def deployment_names(session: ReadSession, tenant_id: str, project_ids: Collection[str] | None) -> dict[str, str]:
    """Return the names of all deployments, not deleted ones, by their ids; with `project_ids` those of these only."""
    query = select(_D.id, _D.name).where(_D.tenant_id == tenant_id, _D.deleted_at.is_(None))
    if project_ids is not None:
        query = query.where(_D.project_id.in_(project_ids))
    return {row.id: row.name for row in await session.execute(query)}


async def all_deployments(session: ReadSession) -> list[Deployment]:
    """Return the deployments of every tenant, tombstones too: what the scheduler must know."""
    return [_deployment(row) for row in await session.execute(_joined())]


async def find_deployment(session: ReadSession, tenant_id: str, deployment_id: str) -> Deployment | None:
    """Return the deployment unless it is deleted."""
    row = (await session.execute(_living(tenant_id).where(_D.id == deployment_id))).one_or_none()
    return None if row is None else _deployment(row)


async def find_deployment_anywhere(session: ReadSession, deployment_id: str) -> Deployment | None:
    """Return the deployment of whichever tenant unless it is deleted: for what comes over the bus."""
    row = (await session.execute(_joined().where(_D.id == deployment_id, _D.deleted_at.is_(None)))).one_or_none()
    return None if row is None else _deployment(row)


async def note_failed_numbers(session: WriteSession, deployment: Deployment) -> None:
    """Write which versions failed. That is no change of what is wanted: no generation, no event."""
    await session.execute(
        update(tables.deployments)
        .where(_D.id == deployment.deployment_id)
        .values(failed_numbers=deployment.failed_numbers)
    )


async def named_deployments(session: ReadSession, tenant_id: str, ids: Collection[str]) -> list[Deployment]:
    """Return those of the ids that are deployments of the tenant."""
    rows = await session.execute(_living(tenant_id).where(_D.id.in_(ids)))
    return [_deployment(row) for row in rows]


async def insert_deployment(session: WriteSession, decision: Decision, *, route_id: str) -> None:
    """Add the deployment with its first version, its route and its event. Raises NameTaken."""
    deployment = decision.deployment
    others = _living(deployment.tenant_id).where(_D.name == deployment.name)
    if (await session.execute(others)).first() is not None:  # writers are serial: it stays free until this one ends
        raise NameTaken("deployment", deployment.name)
    if await find_route_named(session, deployment.tenant_id, deployment.name) is not None:
        raise NameTaken("route", deployment.name)
    await session.execute(insert(tables.deployments).values(id=deployment.deployment_id, **_columns(deployment)))
    await _write_versions(session, decision)
    await insert_route(session, own_route(deployment, route_id=route_id))
    await _enqueue_event(session, decision)


async def update_deployment(session: WriteSession, decision: Decision) -> None:
    """Write what the decision changed of a deployment that was read in the same transaction, and its event."""
    deployment = decision.deployment
    await session.execute(
        update(tables.deployments).where(_D.id == deployment.deployment_id).values(**_columns(deployment))
    )
    await _write_versions(session, decision)
    route = await find_own_route(session, deployment.deployment_id)
    if route is not None and (now := followed(route, deployment)) is not route:
        await update_route(session, now)
    await _enqueue_event(session, decision)


async def list_versions(
    session: ReadSession, deployment_id: DeploymentId, *, limit: int, after: int = 0
) -> list[Version]:
    """Return versions in the order of their numbers, beginning after the number `after`."""
    query = (
        select(tables.versions)
        .where(_V.deployment_id == deployment_id, _V.number > after)
        .order_by(_V.number)
        .limit(limit)
    )
    return [_version(row) for row in await session.execute(query)]


async def find_version(session: ReadSession, deployment_id: DeploymentId, number: int) -> Version | None:
    """Return one version of a deployment."""
    query = select(tables.versions).where(_V.deployment_id == deployment_id, _V.number == number)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _version(row)


async def successor_of(session: ReadSession, deployment: Deployment, number: int) -> Version | None:
    """Return what would be active if this version were not there: the one before it, else the newest; or None."""
    query = select(tables.versions).where(_V.deployment_id == deployment.deployment_id, _V.number != number)
    rows = (await session.execute(query.order_by(_V.number.desc()))).all()
    before = [row for row in rows if row.number == deployment.previous_number]
    return _version([*before, *rows][0]) if rows else None


async def _write_versions(session: WriteSession, decision: Decision) -> None:
    deployment_id, version = decision.deployment.deployment_id, decision.added
    if version is not None:
        await session.execute(
            insert(tables.versions).values(
                id=version.spec.version_id,
                deployment_id=deployment_id,
                number=version.spec.number,
                model_id=version.spec.model_id,
                spec=version.spec,
                created_at=version.created_at,
                created_by=version.created_by,
            )
        )
    if decision.removed:
        mine = (_V.deployment_id == deployment_id) & (_V.number == decision.removed)
        await session.execute(delete(tables.versions).where(mine))


async def _enqueue_event(session: WriteSession, decision: Decision) -> None:
    event = decision.event
    await enqueue(session, DEPLOYMENT_CHANGED, event, event.deployment_id, event_id=event.event_id)


def _joined() -> Select[Any]:  # Any: rows of deployments with their active version
    active = (_V.deployment_id == _D.id) & (_V.number == _D.active_number)
    return select(
        tables.deployments, _V.spec, _V.created_at.label("version_at"), _V.created_by.label("version_by")
    ).join(tables.versions, active)


def _living(tenant_id: str) -> Select[Any]:
    return _joined().where(_D.tenant_id == tenant_id, _D.deleted_at.is_(None))


def _columns(deployment: Deployment) -> dict[str, object]:
    is_deleted = deployment.desired is DeploymentDesired.DELETE
    settings = deployment.settings
    return {
        "tenant_id": deployment.tenant_id,
        "name": deployment.name,
        "desired": deployment.desired.value,
        "replicas": deployment.replicas,
        "generation": deployment.generation,
        "active_number": deployment.version.spec.number,
        "disconnect_grace_s": settings.disconnect_grace_s,
        "drain_timeout_s": settings.drain_timeout_s,
        "rollout": settings.rollout,
        "autoscale": settings.autoscale,
        "is_paused": deployment.is_paused,
        "is_evictable": settings.is_evictable,
        "wake_timeout_s": settings.wake_timeout_s,
        "failure_budget": settings.failure_budget,
        "access": settings.access.value,
        "restarts": deployment.restarts,
        "last_number": deployment.last_number,
        "previous_number": deployment.previous_number,
        "failed_numbers": deployment.failed_numbers,
        "activated_generation": deployment.activated_generation,
        "created_at": deployment.created_at,
        "created_by": deployment.created_by,
        "updated_at": deployment.updated_at,
        "updated_by": deployment.updated_by,
        "deleted_at": deployment.updated_at if is_deleted else None,
        "project_id": deployment.project_id,
    }


def _deployment(row: Row[Any]) -> Deployment:
    return Deployment(
        deployment_id=DeploymentId(row.id),
        tenant_id=row.tenant_id,
        name=row.name,
        desired=DeploymentDesired(row.desired),
        replicas=row.replicas,
        generation=row.generation,
        version=Version(spec=row.spec, created_at=UnixTime(row.version_at), created_by=row.version_by),
        settings=Settings(
            disconnect_grace_s=row.disconnect_grace_s,
            drain_timeout_s=row.drain_timeout_s,
            rollout=row.rollout,
            autoscale=row.autoscale,
            is_evictable=row.is_evictable,
            wake_timeout_s=row.wake_timeout_s,
            failure_budget=row.failure_budget,
            access=Access(row.access),
        ),
        is_paused=row.is_paused,
        restarts=row.restarts,
        last_number=row.last_number,
        previous_number=row.previous_number,
        failed_numbers=row.failed_numbers,
        activated_generation=row.activated_generation,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        updated_at=UnixTime(row.updated_at),
        updated_by=row.updated_by,
        project_id=row.project_id,
    )


def _version(row: Row[Any]) -> Version:
    return Version(spec=row.spec, created_at=UnixTime(row.created_at), created_by=row.created_by)

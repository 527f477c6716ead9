"""Tenants and projects in SQL. Deleted ones stay as tombstones: nobody takes absence for an order."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.tenants import Project, Tenant, touched
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.history import history_columns, history_of
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "all_projects",
    "all_tenants",
    "find_project",
    "find_tenant",
    "holdings",
    "insert_project",
    "insert_tenant",
    "list_projects",
    "list_tenants",
    "touch_tenant",
    "update_project",
    "update_tenant",
]

_T = tables.tenants.c
_P = tables.projects.c


async def list_tenants(
    session: ReadSession, ids: Collection[str] | None, *, limit: int, after: str = "", name: str | None = None
) -> list[Tenant]:
    """Return tenants, not deleted ones, in the order of their ids, beginning after `after`; None: of any id."""
    query = select(tables.tenants).where(_T.deleted_at.is_(None), _T.id > after).order_by(_T.id).limit(limit)
    if ids is not None:
        query = query.where(_T.id.in_(ids))
    if name is not None:
        query = query.where(_T.name == name)
    return [_tenant(row) for row in await session.execute(query)]


async def all_tenants(session: ReadSession) -> list[Tenant]:
    """Return every tenant, tombstones too: what the other services must know."""
    return [_tenant(row) for row in await session.execute(select(tables.tenants))]


async def find_tenant(session: ReadSession, tenant_id: str) -> Tenant | None:
    """Return the tenant unless it is deleted."""
    query = select(tables.tenants).where(_T.id == tenant_id, _T.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _tenant(row)


async def insert_tenant(session: WriteSession, tenant: Tenant) -> None:
    """Add a tenant. Raises NameTaken."""
    await _require_free_tenant(session, tenant)
    await session.execute(insert(tables.tenants).values(id=tenant.tenant_id, **_tenant_columns(tenant)))


async def update_tenant(session: WriteSession, tenant: Tenant) -> None:
    """Write a tenant that was read in the same transaction. Raises NameTaken."""
    await _require_free_tenant(session, tenant)
    await session.execute(update(tables.tenants).where(_T.id == tenant.tenant_id).values(**_tenant_columns(tenant)))


async def touch_tenant(session: WriteSession, tenant_id: str, *, now: UnixTime, actor: str) -> None:
    """Write the tenant's next generation: a project, which belongs to its record, changed."""
    tenant = await find_tenant(session, tenant_id)
    if tenant is not None:
        await update_tenant(session, touched(tenant, now=now, actor=actor))


async def list_projects(
    session: ReadSession, tenant_id: str, *, limit: int, after: str = "", name: str | None = None
) -> list[Project]:
    """Return projects, not deleted ones, in the order of their creation, beginning after the id `after`."""
    query = select(tables.projects).where(_P.tenant_id == tenant_id, _P.deleted_at.is_(None), _P.id > after)
    if name is not None:
        query = query.where(_P.name == name)
    return [_project(row) for row in await session.execute(query.order_by(_P.id).limit(limit))]


async def all_projects(session: ReadSession) -> list[Project]:
    """Return the projects of every tenant, tombstones too, in the order of their creation."""
    return [_project(row) for row in await session.execute(select(tables.projects).order_by(_P.id))]


async def find_project(session: ReadSession, tenant_id: str, project_id: str) -> Project | None:
    """Return the project unless it is deleted."""
    query = select(tables.projects).where(_P.tenant_id == tenant_id, _P.id == project_id, _P.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _project(row)


async def insert_project(session: WriteSession, project: Project) -> None:
    """Add a project. Raises NameTaken."""
    await _require_free_project(session, project)
    await session.execute(insert(tables.projects).values(id=project.project_id, **_project_columns(project)))


async def update_project(session: WriteSession, project: Project) -> None:
    """Write a project that was read in the same transaction. Raises NameTaken."""
    await _require_free_project(session, project)
    await session.execute(
        update(tables.projects).where(_P.id == project.project_id).values(**_project_columns(project))
    )


async def holdings(session: ReadSession, tenant_id: str, project_id: str | None = None) -> tuple[int, int]:
    """Return how many deployments and uploads a tenant has, or one of its projects."""
    found = []
    for table, living in (
        (tables.deployments, tables.deployments.c.deleted_at.is_(None)),
        (tables.uploads, tables.uploads.c.id.is_not(None)),
    ):
        query = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id, living)
        if project_id is not None:
            query = query.where(table.c.project_id == project_id)
        found.append(await session.scalar(query) or 0)
    return found[0], found[1]


async def _require_free_tenant(session: ReadSession, tenant: Tenant) -> None:
    """Writers are serial: the name stays free until this one ends."""
    query = select(_T.id).where(_T.name == tenant.name, _T.id != tenant.tenant_id)
    if await session.scalar(query) is not None:
        raise NameTaken("tenant", tenant.name)


async def _require_free_project(session: ReadSession, project: Project) -> None:
    others = await list_projects(session, project.tenant_id, limit=2, name=project.name)
    if any(one.project_id != project.project_id for one in others):
        raise NameTaken("project", project.name)


def _tenant_columns(tenant: Tenant) -> dict[str, object]:
    return {
        "name": tenant.name,
        "is_suspended": tenant.is_suspended,
        "quota": tenant.quota,
        "request_log": tenant.request_log,
        "deleted_at": tenant.deleted_at,
        **history_columns(tenant.history),
    }


def _project_columns(project: Project) -> dict[str, object]:
    return {
        "tenant_id": project.tenant_id,
        "name": project.name,
        "description": project.description,
        "quota": project.quota,
        "deleted_at": project.deleted_at,
        **history_columns(project.history),
    }


def _tenant(row: Row[Any]) -> Tenant:  # Any: a row of `tenants`
    return Tenant(
        tenant_id=row.id,
        name=row.name,
        is_suspended=row.is_suspended,
        quota=row.quota,
        request_log=row.request_log,
        deleted_at=None if row.deleted_at is None else UnixTime(row.deleted_at),
        history=history_of(row),
    )


def _project(row: Row[Any]) -> Project:  # Any: a row of `projects`
    return Project(
        project_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        description=row.description,
        quota=row.quota,
        deleted_at=None if row.deleted_at is None else UnixTime(row.deleted_at),
        history=history_of(row),
    )

"""`/api/v1/projects`: parts of a tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.api.tenant_schemas import ProjectChanges, ProjectToCreate, ProjectView
from roundhouse_catalog.domain.directory_errors import ProjectInUse, ProjectNotFound
from roundhouse_catalog.domain.tenants import Project, create_project, delete_project, revise_project
from roundhouse_catalog.store import projects as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])
Reader = Annotated[Subject, Depends(requires("members:read"))]
Writer = Annotated[Subject, Depends(requires("members:write"))]


@router.post("", status_code=201, response_model=ProjectView, responses=CONFLICT)
async def add_project(body: ProjectToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Create a project."""

    async def work(session: WriteSession) -> Response:
        project = create_project(
            body.name,
            body.description,
            body.quota.patch(),
            project_id=catalog.ids.new("prj"),
            tenant_id=subject.tenant_id,
            now=catalog.clock.now(),
            actor=subject.actor,
        )
        await store.insert_project(session, project)
        await enter_change(session, after=ProjectView.of(project), project_id=project.project_id)
        await store.touch_tenant(session, subject.tenant_id, now=catalog.clock.now(), actor=subject.actor)
        session.after_commit(catalog.wake)
        return _shown(project, 201, {"location": f"{router.prefix}/{project.project_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_projects(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the project with this name.")] = None,
) -> Page[ProjectView]:
    """List projects in the order of their creation. `GET /me` lists those that the caller has a role in."""
    async with catalog.db.read() as session:
        rows = await store.list_projects(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda one: one.project_id, item=ProjectView.of)


@router.get("/{project_id}", response_model=ProjectView, responses=MISSING)
async def show_project(project_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a project."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, project_id))


@router.patch("/{project_id}", response_model=ProjectView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_project(
    project_id: str, body: ProjectChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a project. A smaller quota ends nothing that runs."""
    async with catalog.db.write() as session:
        project = await _found(session, subject, project_id)
        require_if_match(if_match, project.history.generation)
        revised = revise_project(project, body.patch(), now=catalog.clock.now(), actor=subject.actor)
        was, now = ProjectView.of(project), ProjectView.of(revised)
        await enter_change(session, before=was, after=now, project_id=project_id)
        if revised is not project:
            await store.update_project(session, revised)
            await store.touch_tenant(session, subject.tenant_id, now=catalog.clock.now(), actor=subject.actor)
            session.after_commit(catalog.wake)
    return _shown(revised)


@router.delete("/{project_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_project(project_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a project that has neither deployments nor uploads."""
    async with catalog.db.write() as session:
        project = await _found(session, subject, project_id)
        if if_match is not None:
            require_if_match(if_match, project.history.generation)
        deployments, uploads = await store.holdings(session, subject.tenant_id, project_id)
        if deployments or uploads:
            raise ProjectInUse(project.name, deployments, uploads)
        await store.update_project(session, delete_project(project, now=catalog.clock.now(), actor=subject.actor))
        await enter_change(session, before=ProjectView.of(project), project_id=project_id)
        await store.touch_tenant(session, subject.tenant_id, now=catalog.clock.now(), actor=subject.actor)
        session.after_commit(catalog.wake)


async def _found(session: ReadSession, subject: Subject, project_id: str) -> Project:
    """Return the project. Raises ProjectNotFound."""
    project = await store.find_project(session, subject.tenant_id, project_id)
    if project is None:
        raise ProjectNotFound(project_id)
    return project


def _shown(project: Project, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(ProjectView.of(project), status, {**(headers or {}), **tagged(project.history.generation)})

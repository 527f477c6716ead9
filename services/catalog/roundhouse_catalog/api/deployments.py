"""`/api/v1/deployments`. Every write is one transaction: row, version, route and event; then the publishers look."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.deployment_schemas import (
    DeploymentChanges,
    DeploymentToCreate,
    DeploymentView,
    ValidatedView,
)
from roundhouse_catalog.api.finding import applied, find_deployment, require_same
from roundhouse_catalog.api.key_access import require_open
from roundhouse_catalog.api.launching import launch_of, prepare
from roundhouse_catalog.api.project_access import require_in_project, require_project_there, seen_projects
from roundhouse_catalog.api.quotas import require_room_for_deployment
from roundhouse_catalog.api.responses import AWAY, CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain import deployments as decide
from roundhouse_catalog.domain.deployments import Decision, Deployment
from roundhouse_catalog.domain.route_changes import require_unrouted
from roundhouse_catalog.store import deployments as store
from roundhouse_catalog.store.routes import living_routes
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import IdempotencyKey, reply
from roundhouse_common.runtime import DeploymentId, VersionId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/deployments", tags=["deployments"])
Reader = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
Writer = Annotated[Subject, Depends(requires("deployments:write", in_projects=True))]


@router.post("", status_code=201, response_model=DeploymentView, responses=CONFLICT)
async def create_deployment(
    body: DeploymentToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Create a deployment with its first version. It starts at once.

    With a template, only the model must be stated. The model's files are read by a node when the memory that it needs
    is stated nowhere.
    """
    require_open(subject, body.access)
    require_in_project(subject, "deployments:write", body.project_id)
    unread = await prepare(catalog, subject, body)

    async def work(session: WriteSession) -> Response:
        decision = await _created(session, subject, body, catalog, unread=unread)
        await require_room_for_deployment(session, None, decision.deployment)
        await store.insert_deployment(session, decision, route_id=catalog.ids.new("rte"))
        await catalog.audit.enter(session, after=DeploymentView.of(decision.deployment))
        session.after_commit(catalog.wake)
        location = f"{router.prefix}/{decision.deployment.deployment_id}"
        return _shown(decision.deployment, 201, {"location": location})

    return await catalog.idempotency.run(key, subject, work)


@router.post(":validate", response_model=ValidatedView)
async def validate_deployment(body: DeploymentToCreate, subject: Writer, catalog: CatalogHere) -> Response:
    """Check a deployment without creating it: what it would be, and what memory it needs. Safe to repeat."""
    require_in_project(subject, "deployments:write", body.project_id)
    unread = await prepare(catalog, subject, body)
    async with catalog.db.read() as session:
        deployment = (await _created(session, subject, body, catalog, unread=unread)).deployment
    shown = DeploymentView.of(deployment)
    return reply(
        ValidatedView(name=shown.name, replicas=shown.replicas, version=shown.active_version, autoscale=shown.autoscale)
    )


@router.get("")
async def list_deployments(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the deployment with this name.")] = None,
    project_id: Annotated[str | None, Query(description="Only deployments of this project.")] = None,
) -> Page[DeploymentView]:
    """List deployments in the order of their creation: those that the caller's roles let them see."""
    seen = seen_projects(subject, "deployments:read")
    if project_id is not None:
        seen = [project_id] if seen is None or project_id in seen else []
    async with catalog.db.read() as session:
        rows = await store.list_deployments(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", name=name, project_ids=seen
        )
    return page_of(rows, paging, key=lambda deployment: deployment.deployment_id, item=DeploymentView.of)


@router.get("/{deployment_id}", response_model=DeploymentView, responses=MISSING)
async def show_deployment(deployment_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show what is wanted of one deployment."""
    async with catalog.db.read() as session:
        return _shown(await find_deployment(session, subject, deployment_id))


@router.patch("/{deployment_id}", response_model=DeploymentView, responses={**MISSING, **PRECONDITIONS})
async def change_deployment(
    deployment_id: str, body: DeploymentChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Scale a deployment or change its settings, or whose API keys may use it."""
    require_open(subject, body.access)
    async with catalog.db.write() as session:
        before = await find_deployment(session, subject, deployment_id, to_write=True)
        require_if_match(if_match, before.generation)
        decision = decide.revise_deployment(before, body.patch(), stamp=catalog.stamp(subject))
        return _shown(await applied(session, catalog, before, decision))


@router.delete("/{deployment_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS, **AWAY})
async def delete_deployment(
    deployment_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> None:
    """Delete a deployment without an active version: stopped and shut down, or in Error. Its name becomes free.

    Refused while other routes than its own lead to it, or name its own.
    """
    async with catalog.db.read() as session:
        seen = await find_deployment(session, subject, deployment_id, to_write=True)
    if if_match is not None:
        require_if_match(if_match, seen.generation)
    states = await catalog.version_states(seen)
    async with catalog.db.write() as session:
        before = await find_deployment(session, subject, deployment_id, to_write=True)
        require_same(seen, before)
        require_unrouted(deployment_id, await living_routes(session))
        decision = decide.delete_deployment(before, states, stamp=catalog.stamp(subject))
        await applied(session, catalog, before, decision)


@router.post("/{deployment_id}:start", response_model=DeploymentView, responses=MISSING)
async def start_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Start a stopped deployment; nothing changes when it is to run already."""
    return await _switch(catalog, subject, key, deployment_id, decide.start_deployment)


@router.post("/{deployment_id}:stop", response_model=DeploymentView, responses=MISSING)
async def stop_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Stop a deployment: requests in flight are finished first. Nothing changes when it is to stop already."""
    return await _switch(catalog, subject, key, deployment_id, decide.stop_deployment)


@router.post("/{deployment_id}:pause", response_model=DeploymentView, responses=MISSING)
async def pause_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Hold rollouts and automatic scaling; failed and lost replicas are still replaced."""
    return await _switch(catalog, subject, key, deployment_id, decide.pause_deployment)


@router.post("/{deployment_id}:resume", response_model=DeploymentView, responses=MISSING)
async def resume_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Let rollouts and automatic scaling go on."""
    return await _switch(catalog, subject, key, deployment_id, decide.resume_deployment)


Switch = Callable[..., Decision | None]


async def _switch(
    catalog: Catalog, subject: Subject, key: IdempotencyKey | None, deployment_id: str, decided: Switch
) -> Response:
    async def work(session: WriteSession) -> Response:
        before = await find_deployment(session, subject, deployment_id, to_write=True)
        return _shown(await applied(session, catalog, before, decided(before, stamp=catalog.stamp(subject))))

    return await catalog.idempotency.run(key, subject, work)


async def _created(
    session: ReadSession, subject: Subject, body: DeploymentToCreate, catalog: Catalog, *, unread: str
) -> Decision:
    await require_project_there(session, subject, body.project_id)
    launch = await launch_of(session, subject, body)
    return decide.create_deployment(
        launch.draft,
        launch.model,
        deployment_id=DeploymentId(catalog.ids.new("dep")),
        version_id=VersionId(catalog.ids.new("ver")),
        tenant_id=subject.tenant_id,
        project_id=body.project_id,
        stamp=catalog.stamp(subject),
        unread=unread,
    )


def _shown(deployment: Deployment, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(DeploymentView.of(deployment), status, {**(headers or {}), **tagged(deployment.generation)})

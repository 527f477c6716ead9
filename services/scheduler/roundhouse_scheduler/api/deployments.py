"""/api/v1/deployment-statuses, /api/v1/deployments/{id}/status, /versions and /events"""

from typing import Annotated

from fastapi import APIRouter, Depends

from roundhouse_common.auth import Reach, Subject, reach_of
from roundhouse_common.http import Page, PageRequest, moment_of, page_of, page_request, requires
from roundhouse_scheduler.api.deployment_views import DeploymentStatusView, VersionStateView
from roundhouse_scheduler.api.preparing import with_progress
from roundhouse_scheduler.api.replica_views import EventView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.deployment_state import status_of
from roundhouse_scheduler.domain.records import Deployment, Replica, VersionFailure
from roundhouse_scheduler.domain.version_state import version_status
from roundhouse_scheduler.store.pages import (
    Event,
    find_deployment,
    list_deployments,
    list_events,
    replicas_of,
)
from roundhouse_scheduler.store.versions import VersionRow, failures_of, versions_of

__all__ = ["deployment_routes"]

_Reader = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
_Page = Annotated[PageRequest, Depends(page_request)]


def deployment_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["deployments"])

    def view(
        deployment: Deployment, replicas: list[Replica], failures: dict[str, VersionFailure]
    ) -> DeploymentStatusView:
        mine = [item for item in replicas if item.deployment_id == deployment.deployment_id]
        failure = failures.get(deployment.version_id)
        status = status_of(deployment, mine, scheduler.rules, now=scheduler.clock.now(), failure=failure)
        return DeploymentStatusView.of(deployment, status)

    def version_view(deployment: Deployment, row: VersionRow, replicas: list[Replica]) -> VersionStateView:
        status = version_status(deployment, row.version_id, row.failure, replicas, scheduler.rules)
        return VersionStateView.of(row, status, is_active=row.version_id == deployment.version_id)

    @routes.get("/deployment-statuses")
    async def get_statuses(subject: _Reader, page: _Page) -> Page[DeploymentStatusView]:
        """List the state of every deployment that the caller's roles let them see."""
        async with scheduler.db.read() as session:
            rows = await list_deployments(session, _seen(subject), limit=page.fetch, after=page.after or "")
            found = await replicas_of(session, [row.deployment_id for row in rows])
            replicas = await with_progress(scheduler, session, found)
            failures = await failures_of(session, [row.version_id for row in rows])
        return page_of(rows, page, key=_deployment_key, item=lambda row: view(row, replicas, failures))

    @routes.get("/deployments/{deployment_id}/status")
    async def get_status(subject: _Reader, deployment_id: str) -> DeploymentStatusView:
        """Show the state of one deployment. 404 until the scheduler has heard of it."""
        async with scheduler.db.read() as session:
            deployment = await find_deployment(session, _seen(subject), deployment_id)
            replicas = await with_progress(scheduler, session, await replicas_of(session, [deployment_id]))
            failures = await failures_of(session, [deployment.version_id])
        return view(deployment, replicas, failures)

    @routes.get("/deployments/{deployment_id}/versions")
    async def get_versions(subject: _Reader, deployment_id: str, page: _Page) -> Page[VersionStateView]:
        """List the versions that ever were to run, the oldest first, with their states and first errors."""
        async with scheduler.db.read() as session:
            deployment = await find_deployment(session, _seen(subject), deployment_id)
            replicas = await with_progress(scheduler, session, await replicas_of(session, [deployment_id]))
            rows = await versions_of(session, [deployment_id])
        later = [row for row in rows if page.after is None or _version_key(row) > page.after]
        return page_of(
            later[: page.fetch], page, key=_version_key, item=lambda row: version_view(deployment, row, replicas)
        )

    @routes.get("/deployments/{deployment_id}/events")
    async def get_events(subject: _Reader, deployment_id: str, page: _Page) -> Page[EventView]:
        """List what happened to a deployment and its replicas, the oldest first."""
        async with scheduler.db.read() as session:
            await find_deployment(session, _seen(subject), deployment_id)
            after = None if page.after is None else moment_of(page.after)
            rows = await list_events(session, deployment_id, limit=page.fetch, after=after)
        return page_of(rows, page, key=_event_key, item=EventView.of)

    return routes


def _seen(subject: Subject) -> Reach:
    return reach_of(subject, "deployments:read")


def _deployment_key(deployment: Deployment) -> str:
    return deployment.deployment_id


def _version_key(row: VersionRow) -> str:
    return f"{row.spec.number:010d}"


def _event_key(event: Event) -> str:
    return event.key

"""`/api/v1/deployments`. Every write is one transaction: row, version, route and event; then the publishers look."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey, may_see_unpublished
from roundhouse_catalog.api.deployment_schemas import (
    DeploymentChanges,
    DeploymentToCreate,
    DeploymentView,
    VersionToCreate,
    VersionView,
)
from roundhouse_catalog.api.responses import CONFLICT, IN_USE, MISSING, PRECONDITIONS, tagged
from roundhouse_catalog.domain import deployments as decide
from roundhouse_catalog.domain.deployments import Decision, Deployment
from roundhouse_catalog.domain.errors import DeploymentNotFound
from roundhouse_catalog.domain.versions import ModelChoice
from roundhouse_catalog.store import deployments as store
from roundhouse_catalog.store.models import choose_model
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import IdempotencyKey, reply
from roundhouse_common.runtime import DeploymentId, VersionId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/deployments", tags=["deployments"])
Reader = Annotated[Subject, Depends(requires("deployments:read"))]
Writer = Annotated[Subject, Depends(requires("deployments:write"))]


@router.post("", status_code=201, response_model=DeploymentView, responses=CONFLICT)
async def create_deployment(
    body: DeploymentToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Create a deployment with its first version. It starts at once."""

    async def work(session: WriteSession) -> Response:
        decision = decide.create_deployment(
            body.draft(),
            await _choose(session, subject, body.model),
            deployment_id=DeploymentId(catalog.ids.new("dep")),
            version_id=VersionId(catalog.ids.new("ver")),
            tenant_id=subject.tenant_id,
            stamp=catalog.stamp(subject),
        )
        await store.insert_deployment(session, decision, route_id=catalog.ids.new("rte"))
        session.after_commit(catalog.wake)
        location = f"{router.prefix}/{decision.deployment.deployment_id}"
        return _shown(decision.deployment, 201, {"location": location})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_deployments(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the deployment with this name.")] = None,
) -> Page[DeploymentView]:
    """List deployments in the order of their creation."""
    async with catalog.db.read() as session:
        rows = await store.list_deployments(
            session, subject.tenant_id, limit=paging.fetch, after=paging.after or "", name=name
        )
    return page_of(rows, paging, key=lambda deployment: deployment.deployment_id, item=DeploymentView.of)


@router.get("/{deployment_id}", response_model=DeploymentView, responses=MISSING)
async def show_deployment(deployment_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show what is wanted of one deployment."""
    async with catalog.db.read() as session:
        return _shown(await _found(session, subject, deployment_id))


@router.patch("/{deployment_id}", response_model=DeploymentView, responses={**MISSING, **PRECONDITIONS})
async def change_deployment(
    deployment_id: str, body: DeploymentChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Scale a deployment or change its timeouts."""
    async with catalog.db.write() as session:
        before = await _found(session, subject, deployment_id)
        require_if_match(if_match, before.generation)
        decision = decide.revise_deployment(before, body.patch(), stamp=catalog.stamp(subject))
        return _shown(await _apply(session, catalog, before, decision))


@router.delete("/{deployment_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def delete_deployment(
    deployment_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> None:
    """Delete a deployment that is stopped. Its name becomes free."""
    async with catalog.db.write() as session:
        before = await _found(session, subject, deployment_id)
        if if_match is not None:
            require_if_match(if_match, before.generation)
        await _apply(session, catalog, before, decide.delete_deployment(before, stamp=catalog.stamp(subject)))


@router.post("/{deployment_id}:start", response_model=DeploymentView, responses=MISSING)
async def start_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Start a stopped deployment; nothing changes when it is to run already."""
    return await _switch(catalog, subject, key, deployment_id, decide.start_deployment)


@router.post("/{deployment_id}:stop", response_model=DeploymentView, responses=MISSING)
async def stop_deployment(deployment_id: str, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Stop a deployment: requests in flight are finished first. Nothing changes when it is to stop already."""
    return await _switch(catalog, subject, key, deployment_id, decide.stop_deployment)


@router.get("/{deployment_id}/versions", responses=MISSING)
async def list_versions(deployment_id: str, subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[VersionView]:
    """List the versions of a deployment, the oldest first."""
    async with catalog.db.read() as session:
        deployment = await _found(session, subject, deployment_id)
        after = _number(paging.after)
        rows = await store.list_versions(session, deployment.deployment_id, limit=paging.fetch, after=after)
    return page_of(rows, paging, key=lambda version: str(version.spec.number), item=VersionView.of)


@router.post("/{deployment_id}/versions", status_code=201, response_model=VersionView, responses=MISSING)
async def add_version(
    deployment_id: str, body: VersionToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Add a version, which becomes the active one; what the body leaves out stays as in the version before."""

    async def work(session: WriteSession) -> Response:
        before = await _found(session, subject, deployment_id)
        wanted = before.version.spec.model_id if body.model is None else body.model
        decision = decide.add_version(
            before,
            body.patch(),
            await _choose(session, subject, wanted, is_in_use=body.model is None),
            version_id=VersionId(catalog.ids.new("ver")),
            stamp=catalog.stamp(subject),
        )
        after = await _apply(session, catalog, before, decision)
        return reply(VersionView.of(after.version), 201, tagged(after.generation))

    return await catalog.idempotency.run(key, subject, work)


Switch = Callable[..., Decision | None]


async def _switch(
    catalog: Catalog, subject: Subject, key: IdempotencyKey | None, deployment_id: str, decided: Switch
) -> Response:
    async def work(session: WriteSession) -> Response:
        before = await _found(session, subject, deployment_id)
        return _shown(await _apply(session, catalog, before, decided(before, stamp=catalog.stamp(subject))))

    return await catalog.idempotency.run(key, subject, work)


async def _apply(session: WriteSession, catalog: Catalog, before: Deployment, decision: Decision | None) -> Deployment:
    """Write the decision, if there is one, and return the deployment as it is then."""
    if decision is None:
        return before
    await store.update_deployment(session, decision, before=before)
    session.after_commit(catalog.wake)
    return decision.deployment


async def _choose(session: ReadSession, subject: Subject, wanted: str, *, is_in_use: bool = False) -> ModelChoice:
    published_only = not (is_in_use or may_see_unpublished(subject))
    return await choose_model(session, subject.tenant_id, wanted, published_only=published_only)


async def _found(session: ReadSession, subject: Subject, deployment_id: str) -> Deployment:
    deployment = await store.find_deployment(session, subject.tenant_id, deployment_id)
    if deployment is None:
        raise DeploymentNotFound(deployment_id)
    return deployment


def _shown(deployment: Deployment, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return reply(DeploymentView.of(deployment), status, {**(headers or {}), **tagged(deployment.generation)})


def _number(after: str | None) -> int:
    """Return the version number that a cursor stands for."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 9):
        message = "it is a cursor of another listing"
        raise InvalidInput(f"cursor: {message}", FieldError("cursor", message))
    return int(after)

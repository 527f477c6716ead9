"""`/api/v1/deployments/{id}/versions`: added, started, restarted, deleted. At most one is active."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, Paging, RepeatKey
from roundhouse_catalog.api.deployment_schemas import DeploymentView, VersionToCreate, VersionView
from roundhouse_catalog.api.finding import applied, choose, cursor_number, find_deployment, require_same
from roundhouse_catalog.api.launching import prepare_version
from roundhouse_catalog.api.responses import AWAY, IN_USE, MISSING, tagged
from roundhouse_catalog.domain import version_life as decide
from roundhouse_catalog.domain.deployments import Decision, Deployment
from roundhouse_catalog.domain.errors import VersionNotFound
from roundhouse_catalog.domain.version_states import States
from roundhouse_catalog.domain.versions import ModelChoice, Version, apply_patch
from roundhouse_catalog.store import deployments as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.runtime import VersionId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/deployments/{deployment_id}/versions", tags=["versions"])
Reader = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
Writer = Annotated[Subject, Depends(requires("deployments:write", in_projects=True))]
Number = Annotated[int, Path(ge=1, le=2_147_483_647)]


@router.get("", responses=MISSING)
async def list_versions(deployment_id: str, subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[VersionView]:
    """List the versions of a deployment, the oldest first."""
    async with catalog.db.read() as session:
        deployment = await find_deployment(session, subject, deployment_id)
        after = cursor_number(paging.after)
        rows = await store.list_versions(session, deployment.deployment_id, limit=paging.fetch, after=after)
    active = deployment.version.spec
    return page_of(
        rows, paging, key=lambda version: str(version.spec.number), item=lambda version: VersionView.of(version, active)
    )


@router.post("", status_code=201, response_model=VersionView, responses=MISSING)
async def add_version(
    deployment_id: str, body: VersionToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Add a version, which becomes the active one unless `activate` is false.

    What the body leaves out stays as in the active version. The running version is rolled over, at most one is active.
    """
    patch = body.patch()
    async with catalog.db.read() as session:
        seen = await find_deployment(session, subject, deployment_id, to_write=True)
        model = await _model(session, subject, seen, body)
    unread = await prepare_version(catalog, apply_patch(seen.version.spec, model, patch), model)

    async def work(session: WriteSession) -> Response:
        before = await find_deployment(session, subject, deployment_id, to_write=True)
        decision = decide.add_version(
            before,
            patch,
            await _model(session, subject, before, body),
            is_activated=body.activate,
            version_id=VersionId(catalog.ids.new("ver")),
            stamp=catalog.stamp(subject),
            unread=unread,
        )
        after = await applied(session, catalog, before, decision)
        assert decision.added is not None
        location = f"/api/v1/deployments/{deployment_id}/versions/{decision.added.spec.number}"
        view = VersionView.of(decision.added, after.version.spec)
        return reply(view, 201, {"location": location, **tagged(after.generation)})

    return await catalog.idempotency.run(key, subject, work)


@router.get("/{number}", response_model=VersionView, responses=MISSING)
async def show_version(deployment_id: str, number: Number, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one version."""
    async with catalog.db.read() as session:
        deployment = await find_deployment(session, subject, deployment_id)
        version = await _found(session, deployment, number)
    return reply(VersionView.of(version, deployment.version.spec))


@router.post("/{number}:start", response_model=DeploymentView, responses=MISSING)
async def start_version(
    deployment_id: str, number: Number, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Make this version the active one and run it; the one that runs is rolled over.

    Nothing changes when it is to run already; one in Error is started anew by `:restart`.
    """

    async def work(session: WriteSession) -> Response:
        before = await find_deployment(session, subject, deployment_id, to_write=True)
        version = await _found(session, before, number)
        decision = decide.start_version(before, version, stamp=catalog.stamp(subject))
        return _shown(await applied(session, catalog, before, decision))

    return await catalog.idempotency.run(key, subject, work)


@router.post("/{number}:restart", response_model=DeploymentView, responses={**MISSING, **IN_USE, **AWAY})
async def restart_version(
    deployment_id: str, number: Number, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Run an inactive version, Stopped or in Error, with its failures forgotten. Refused while it is active."""

    async def decided(session: ReadSession, before: Deployment, version: Version, states: States) -> Decision:
        return decide.restart_version(before, version, states, stamp=catalog.stamp(subject))

    seen, states = await _asked(catalog, subject, deployment_id)

    async def work(session: WriteSession) -> Response:
        return _shown(await _decide(session, catalog, subject, seen, states, number, decided))

    return await catalog.idempotency.run(key, subject, work)


@router.delete("/{number}", status_code=204, responses={**MISSING, **IN_USE, **AWAY})
async def delete_version(deployment_id: str, number: Number, subject: Writer, catalog: CatalogHere) -> None:
    """Delete an inactive version, Stopped or in Error, for good. Refused while it is active, and for the last one.

    When it is the one that was wanted, the deployment is stopped. Its number is never used again.
    """

    async def decided(session: ReadSession, before: Deployment, version: Version, states: States) -> Decision:
        successor = await store.successor_of(session, before, number)
        return decide.delete_version(before, version, states, successor=successor, stamp=catalog.stamp(subject))

    seen, states = await _asked(catalog, subject, deployment_id)
    async with catalog.db.write() as session:
        await _decide(session, catalog, subject, seen, states, number, decided)


Decide = Callable[[ReadSession, Deployment, Version, States], Awaitable[Decision]]


async def _asked(catalog: Catalog, subject: Subject, deployment_id: str) -> tuple[Deployment, States]:
    """Return the deployment and what the scheduler says of its versions: asked outside of any transaction."""
    async with catalog.db.read() as session:
        seen = await find_deployment(session, subject, deployment_id, to_write=True)
    return seen, await catalog.version_states(seen)


async def _decide(
    session: WriteSession,
    catalog: Catalog,
    subject: Subject,
    seen: Deployment,
    states: States,
    number: int,
    decided: Decide,
) -> Deployment:
    before = await find_deployment(session, subject, seen.deployment_id, to_write=True)
    require_same(seen, before)
    version = await _found(session, before, number)
    return await applied(session, catalog, before, await decided(session, before, version, states))


async def _model(session: ReadSession, subject: Subject, before: Deployment, body: VersionToCreate) -> ModelChoice:
    wanted = before.version.spec.model_id if body.model is None else body.model
    return await choose(session, subject, wanted, is_in_use=body.model is None)


async def _found(session: ReadSession, deployment: Deployment, number: int) -> Version:
    version = await store.find_version(session, deployment.deployment_id, number)
    if version is None:
        raise VersionNotFound(deployment.deployment_id, number)
    return version


def _shown(deployment: Deployment) -> Response:
    return reply(DeploymentView.of(deployment), headers=tagged(deployment.generation))

"""`/api/v1/models`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey, may_see_unpublished
from roundhouse_catalog.api.finding import find_deployment, keep_facts, upload_behind, with_facts
from roundhouse_catalog.api.model_schemas import ModelChanges, ModelToCreate, ModelView
from roundhouse_catalog.api.responses import AWAY, CONFLICT, IN_USE, MISSING, NOT_READABLE, PRECONDITIONS, tagged
from roundhouse_catalog.domain.errors import DeploymentNotFound, ModelInUse, ModelNotFound, ModelNotReadable
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.models import Model, create_model, known_kind, revise_model
from roundhouse_catalog.domain.sources import SourceDraft
from roundhouse_catalog.domain.trials import trial_fault
from roundhouse_catalog.store import models as store
from roundhouse_catalog.store import uploads
from roundhouse_common.auth import Subject
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.model_sources import shown_uri
from roundhouse_common.runtime import ModelId

__all__ = ["adding", "found", "router"]

router = APIRouter(prefix="/api/v1/models", tags=["models"])
Reader = Annotated[Subject, Depends(requires("models:read", in_projects=True))]
Writer = Annotated[Subject, Depends(requires("models:write"))]


@router.post("", status_code=201, response_model=ModelView, responses=CONFLICT)
async def add_model(body: ModelToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a model to the catalog.

    Files that nodes would have to fetch are looked at by one of them, for up to 40 s; where none can, the model is
    added all the same, and looked at again by `:inspect` or the first deployment that needs it.
    """
    draft = body.draft()
    async with catalog.db.read() as session:
        address = await upload_behind(session, catalog, subject, draft.source)
    model = create_model(
        draft,
        model_id=ModelId(catalog.ids.new("mdl")),
        tenant_id=subject.tenant_id,
        now=catalog.clock.now(),
        address=address,
    )
    return await catalog.idempotency.run(key, subject, adding(catalog, subject, await with_facts(catalog, model)))


@router.get("")
async def list_models(
    subject: Reader,
    paging: Paging,
    catalog: CatalogHere,
    name: Annotated[str | None, Query(description="Only the model with this name.")] = None,
    kind: Annotated[str | None, Query(description="Only models of this kind.")] = None,
    published: Annotated[bool | None, Query(description="Only published models, or only the others.")] = None,
) -> Page[ModelView]:
    """List models in the order of their creation; without the permission to change models, the published ones."""
    if kind is not None:
        known_kind(kind)
    if published is False and not may_see_unpublished(subject):
        return Page[ModelView](items=[])
    async with catalog.db.read() as session:
        rows = await store.list_models(
            session,
            subject.tenant_id,
            limit=paging.fetch,
            after=paging.after or "",
            name=name,
            kind=kind,
            is_published=published if may_see_unpublished(subject) else True,
        )
    return page_of(rows, paging, key=lambda model: model.model_id, item=ModelView.of)


@router.get("/{model_id}", response_model=ModelView, responses=MISSING)
async def show_model(model_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show one model."""
    async with catalog.db.read() as session:
        model = await found(session, subject, model_id)
    return reply(ModelView.of(model), headers=tagged(model.generation))


@router.patch("/{model_id}", response_model=ModelView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_model(
    model_id: str, body: ModelChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a model. Deployments keep what they were made with: give them a new version to take the change."""
    patch = body.patch()
    async with catalog.db.write() as session:
        model = await found(session, subject, model_id)
        require_if_match(if_match, model.generation)
        address = await upload_behind(session, catalog, subject, patch.source) if patch.source else ""
        if patch.trial_deployment_id:
            await _require_trial(session, subject, model, patch.trial_deployment_id)
        revised = revise_model(model, patch, now=catalog.clock.now(), address=address)
        if revised is not model:
            await store.update_model(session, revised)
            revised = await found(session, subject, model_id)
        await catalog.audit.enter(session, before=ModelView.of(model), after=ModelView.of(revised))
    return reply(ModelView.of(revised), headers=tagged(revised.generation))


@router.post("/{model_id}:inspect", response_model=ModelView, responses={**MISSING, **NOT_READABLE, **AWAY})
async def inspect_model(model_id: str, subject: Writer, catalog: CatalogHere) -> Response:
    """Have a node that has the model's files read what they say, and keep it. Safe to repeat."""
    async with catalog.db.read() as session:
        model = await found(session, subject, model_id)
    inspected = await catalog.inspect(model.source)
    if inspected.facts is None:
        raise ModelNotReadable(model.name, inspected.error or "no node has them")
    learnt = await keep_facts(catalog, model, inspected)
    return reply(ModelView.of(learnt), headers=tagged(learnt.generation))


@router.delete("/{model_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_model(model_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Remove a model that no deployment has a version of; with it an upload that nothing else needs."""
    async with catalog.db.write() as session:
        model = await found(session, subject, model_id)
        if if_match is not None:
            require_if_match(if_match, model.generation)
        if users := await store.users_of_model(session, model.model_id):
            raise ModelInUse(model.name, users)
        await store.delete_model(session, model.model_id, now=catalog.clock.now())
        await catalog.audit.enter(session, before=ModelView.of(model))
        upload_id = await _unneeded_upload(session, model)
    if upload_id:
        await catalog.uploads.disk.remove(upload_id)


def adding(
    catalog: Catalog, subject: Subject, model: Model, view: Callable[[Model], ModelView] = ModelView.of
) -> Callable[[WriteSession], Awaitable[Response]]:
    """Return the work that adds a model, unless the upload that it is made of was deleted meanwhile."""

    async def work(session: WriteSession) -> Response:
        if model.source.kind is SourceKind.UPLOAD:
            source = SourceDraft(kind=SourceKind.UPLOAD.value, uri=shown_uri(model.source))
            await upload_behind(session, catalog, subject, source)
        await store.insert_model(session, model)
        await catalog.audit.enter(session, after=ModelView.of(model), action="model.add")
        location = f"{router.prefix}/{model.model_id}"
        return reply(view(model), 201, {"location": location, **tagged(model.generation)})

    return work


async def _require_trial(session: ReadSession, subject: Subject, model: Model, deployment_id: str) -> None:
    findings = Findings()
    try:
        deployment = await find_deployment(session, subject, deployment_id)
    except DeploymentNotFound as error:
        findings.add("trial_deployment_id", str(error))
    else:
        findings.add("trial_deployment_id", trial_fault(model, deployment))
    findings.refuse()


async def _unneeded_upload(session: WriteSession, model: Model) -> str:
    """Forget the upload of a deleted model when nobody else needs it, and return its id; else nothing."""
    if model.source.kind is not SourceKind.UPLOAD:
        return ""
    upload_id = shown_uri(model.source)
    if await uploads.users_of_upload(session, upload_id):
        return ""
    await uploads.delete_upload(session, upload_id)
    return upload_id


async def found(session: ReadSession, subject: Subject, model_id: str) -> Model:
    """Return the model. Raises ModelNotFound, also for one that the subject may not see."""
    model = await store.find_model(session, subject.tenant_id, model_id)
    if model is None or not (model.is_published or may_see_unpublished(subject)):
        raise ModelNotFound(model_id)
    return model

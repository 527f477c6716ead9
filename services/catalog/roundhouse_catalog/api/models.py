"""`/api/v1/models`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_catalog.api.context import CatalogHere, IfMatch, Paging, RepeatKey, may_see_unpublished
from roundhouse_catalog.api.finding import keep_facts
from roundhouse_catalog.api.model_schemas import ModelChanges, ModelToCreate, ModelView
from roundhouse_catalog.api.responses import AWAY, CONFLICT, IN_USE, MISSING, NOT_READABLE, PRECONDITIONS, tagged
from roundhouse_catalog.domain.errors import ModelInUse, ModelNotFound, ModelNotReadable
from roundhouse_catalog.domain.models import Model, create_model, known_kind, revise_model
from roundhouse_catalog.store import models as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.runtime import ModelId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/models", tags=["models"])
Reader = Annotated[Subject, Depends(requires("models:read"))]
Writer = Annotated[Subject, Depends(requires("models:write"))]


@router.post("", status_code=201, response_model=ModelView, responses=CONFLICT)
async def add_model(body: ModelToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add a model to the catalog."""

    async def work(session: WriteSession) -> Response:
        model = create_model(
            body.draft(),
            model_id=ModelId(catalog.ids.new("mdl")),
            tenant_id=subject.tenant_id,
            now=catalog.clock.now(),
        )
        await store.insert_model(session, model)
        location = f"{router.prefix}/{model.model_id}"
        return reply(ModelView.of(model), 201, {"location": location, **tagged(model.generation)})

    return await catalog.idempotency.run(key, subject, work)


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
        model = await _found(session, subject, model_id)
    return reply(ModelView.of(model), headers=tagged(model.generation))


@router.patch("/{model_id}", response_model=ModelView, responses={**MISSING, **CONFLICT, **PRECONDITIONS})
async def change_model(
    model_id: str, body: ModelChanges, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Change a model. Deployments keep what they were made with: give them a new version to take the change."""
    async with catalog.db.write() as session:
        model = await _found(session, subject, model_id)
        require_if_match(if_match, model.generation)
        revised = revise_model(model, body.patch(), now=catalog.clock.now())
        if revised is not model:
            await store.update_model(session, revised)
    return reply(ModelView.of(revised), headers=tagged(revised.generation))


@router.post("/{model_id}:inspect", response_model=ModelView, responses={**MISSING, **NOT_READABLE, **AWAY})
async def inspect_model(model_id: str, subject: Writer, catalog: CatalogHere) -> Response:
    """Have a node that has the model's files read what they say, and keep it. Safe to repeat."""
    async with catalog.db.read() as session:
        model = await _found(session, subject, model_id)
    inspected = await catalog.inspect(model.source)
    if inspected.facts is None:
        raise ModelNotReadable(model.name, inspected.error or "no node has them")
    learnt = await keep_facts(catalog, model, inspected.facts)
    return reply(ModelView.of(learnt), headers=tagged(learnt.generation))


@router.delete("/{model_id}", status_code=204, responses={**MISSING, **IN_USE, **PRECONDITIONS})
async def remove_model(model_id: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Remove a model that no deployment has a version of."""
    async with catalog.db.write() as session:
        model = await _found(session, subject, model_id)
        if if_match is not None:
            require_if_match(if_match, model.generation)
        if users := await store.users_of_model(session, model.model_id):
            raise ModelInUse(model.name, users)
        await store.delete_model(session, model.model_id, now=catalog.clock.now())


async def _found(session: ReadSession, subject: Subject, model_id: str) -> Model:
    model = await store.find_model(session, subject.tenant_id, model_id)
    if model is None or not (model.is_published or may_see_unpublished(subject)):
        raise ModelNotFound(model_id)
    return model

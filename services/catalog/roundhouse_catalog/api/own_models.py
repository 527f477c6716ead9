"""`/api/v1/models`: own models made of others: copies, and what a Modelfile describes."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from roundhouse_catalog.api.context import Catalog, CatalogHere, RepeatKey
from roundhouse_catalog.api.finding import choose, upload_behind, with_facts
from roundhouse_catalog.api.model_schemas import CopyToMake, ModelFromModelfile, ModelImportedView, ModelView
from roundhouse_catalog.api.models import adding, found
from roundhouse_catalog.api.responses import CONFLICT, MISSING, UNWRITABLE
from roundhouse_catalog.domain.modelfile import Modelfile, read_modelfile
from roundhouse_catalog.domain.models import Model, copy_model
from roundhouse_catalog.domain.own_models import files_of, make_model, make_variant, write_modelfile
from roundhouse_common.auth import Subject
from roundhouse_common.http import requires
from roundhouse_common.runtime import ModelId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/models", tags=["models"])
Reader = Annotated[Subject, Depends(requires("models:read"))]
Writer = Annotated[Subject, Depends(requires("models:write"))]


@router.post("/{model_id}:copy", status_code=201, response_model=ModelView, responses={**MISSING, **CONFLICT})
async def copy(model_id: str, body: CopyToMake, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add the same model under another name. Files are not copied: both refer to the same."""
    async with catalog.db.read() as session:
        original = await found(session, subject, model_id)
    model = copy_model(original, body.name, model_id=ModelId(catalog.ids.new("mdl")), now=catalog.clock.now())
    return await catalog.idempotency.run(key, subject, adding(catalog, subject, model))


@router.post(":from-modelfile", status_code=201, response_model=ModelImportedView, responses=CONFLICT)
async def add_from_modelfile(
    body: ModelFromModelfile, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Add a model that a Modelfile describes.

    FROM names a model here, whose files and defaults are taken over, or the files themselves. `notes` say what was not
    taken, and where it is stated instead; what would make another model than meant is refused.
    """
    modelfile = read_modelfile(body.modelfile)
    model = await with_facts(catalog, await _described(catalog, subject, body, modelfile))
    view = partial(ModelImportedView.with_notes, notes=modelfile.notes)
    return await catalog.idempotency.run(key, subject, adding(catalog, subject, model, view))


@router.get(
    "/{model_id}/modelfile",
    response_class=PlainTextResponse,
    responses={**MISSING, **UNWRITABLE, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_modelfile(model_id: str, subject: Reader, catalog: CatalogHere) -> Response:
    """Show a model as a Modelfile that makes the same one here."""
    async with catalog.db.read() as session:
        model = await found(session, subject, model_id)
    return PlainTextResponse(write_modelfile(model))


async def _described(catalog: Catalog, subject: Subject, body: ModelFromModelfile, modelfile: Modelfile) -> Model:
    source = files_of(modelfile.base)
    model_id, now = ModelId(catalog.ids.new("mdl")), catalog.clock.now()
    async with catalog.db.read() as session:
        if source is None:
            base = await choose(session, subject, modelfile.base)
            return make_variant(
                modelfile,
                base,
                name=body.name,
                kind=body.kind,
                is_published=body.is_published,
                model_id=model_id,
                now=now,
            )
        address = await upload_behind(session, catalog, subject, source)
    return make_model(
        modelfile,
        source,
        name=body.name,
        kind=body.kind,
        is_published=body.is_published,
        model_id=model_id,
        tenant_id=subject.tenant_id,
        now=now,
        address=address,
    )

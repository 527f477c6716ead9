"""`/api/v1/models`: own models made of others: copies, and what a Modelfile describes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import CatalogHere, RepeatKey
from roundhouse_catalog.api.model_schemas import CopyToMake, ModelView
from roundhouse_catalog.api.models import adding, found
from roundhouse_catalog.api.responses import CONFLICT, MISSING
from roundhouse_catalog.domain.models import copy_model
from roundhouse_common.auth import Subject
from roundhouse_common.http import requires
from roundhouse_common.runtime import ModelId

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/models", tags=["models"])
Writer = Annotated[Subject, Depends(requires("models:write"))]


@router.post("/{model_id}/copy", status_code=201, response_model=ModelView, responses={**MISSING, **CONFLICT})
async def copy(model_id: str, body: CopyToMake, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Add the same model under another name. Files are not copied: both refer to the same."""
    async with catalog.db.read() as session:
        original = await found(session, subject, model_id)
    model = copy_model(original, body.name, model_id=ModelId(catalog.ids.new("mdl")), now=catalog.clock.now())
    return await catalog.idempotency.run(key, subject, adding(catalog, subject, model))

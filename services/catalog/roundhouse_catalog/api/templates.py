"""`/api/v1/templates`: what operators settle once, so that deploying needs only a model."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, IfMatch, Paging, RepeatKey
from roundhouse_catalog.api.finding import cursor_number, find_template
from roundhouse_catalog.api.responses import CONFLICT, MISSING, STALE, tagged
from roundhouse_catalog.api.template_documents import (
    JSON_TYPES,
    MOST_BYTES,
    YAML_TYPES,
    Lines,
    TooLarge,
    located,
    read_documents,
    write_yaml,
)
from roundhouse_catalog.api.template_schemas import (
    ImportedView,
    NewRecipe,
    TemplatesImported,
    TemplateToCreate,
    TemplateView,
)
from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.templates import Recipe, Template, TemplateName, check_recipe
from roundhouse_catalog.store import templates as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import WriteSession
from roundhouse_common.errors import InvalidInput
from roundhouse_common.http import Page, page_of, require_if_match, requires
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/templates", tags=["templates"])
Reader = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
Writer = Annotated[Subject, Depends(requires("deployments:write"))]
Format = Annotated[str, Query(pattern="^(json|yaml)$", description="yaml: a document that `templates:import` takes.")]

_IMPORTED: Any = {  # Any: a part of an OpenAPI document
    "requestBody": {
        "required": True,
        "description": "One template or a list, as `POST /templates` takes it; YAML may have several documents.",
        "content": {
            kind: {"schema": {"$ref": "#/components/schemas/TemplateToCreate"}} for kind in (*JSON_TYPES, *YAML_TYPES)
        },
    }
}
_YAML: Any = {  # Any: what FastAPI takes as `responses`
    **MISSING,
    200: {"content": {YAML_TYPES[0]: {"schema": {"type": "object"}}}},
}


@router.post("", status_code=201, response_model=TemplateView, responses=CONFLICT)
async def create_template(body: TemplateToCreate, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Create a template."""
    recipe = body.recipe()
    check_recipe(body.name, recipe)

    async def work(session: WriteSession) -> Response:
        if await store.find_template(session, subject.tenant_id, TemplateName(name=body.name)) is not None:
            raise NameTaken("template", body.name)
        return _shown(await _insert(session, catalog, subject, body.name, recipe), 201)

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_templates(subject: Reader, paging: Paging, catalog: CatalogHere) -> Page[TemplateView]:
    """List the newest number of every template in the order of their names."""
    async with catalog.db.read() as session:
        rows = await store.list_templates(session, subject.tenant_id, limit=paging.fetch, after=paging.after or "")
    return page_of(rows, paging, key=lambda template: template.name, item=TemplateView.of)


@router.get("/{name}", response_model=TemplateView, responses=_YAML)
async def show_template(name: str, subject: Reader, catalog: CatalogHere, format: Format = "json") -> Response:  # noqa: A002
    """Show the newest number of a template."""
    return await _show(catalog, subject, TemplateName(name=name), format)


@router.delete("/{name}", status_code=204, responses=MISSING | STALE)
async def delete_template(name: str, subject: Writer, catalog: CatalogHere, if_match: IfMatch = None) -> None:
    """Delete a template with all its numbers. Deployments keep what they were made with."""
    async with catalog.db.write() as session:
        template = await find_template(session, subject, TemplateName(name=name))
        if if_match is not None:
            require_if_match(if_match, template.number)
        await store.delete_template(session, template, now=catalog.clock.now())
        await catalog.audit.enter(session, before=TemplateView.of(template))


@router.get("/{name}/versions", responses=MISSING)
async def list_template_versions(
    name: str, subject: Reader, paging: Paging, catalog: CatalogHere
) -> Page[TemplateView]:
    """List the numbers of a template, the oldest first."""
    async with catalog.db.read() as session:
        await find_template(session, subject, TemplateName(name=name))
        rows = await store.list_template_versions(
            session, subject.tenant_id, name, limit=paging.fetch, after=cursor_number(paging.after)
        )
    return page_of(rows, paging, key=lambda template: str(template.number), item=TemplateView.of)


@router.post("/{name}/versions", status_code=201, response_model=TemplateView, responses=MISSING | STALE)
async def add_template_version(
    name: str, body: NewRecipe, subject: Writer, key: RepeatKey, catalog: CatalogHere, if_match: IfMatch = None
) -> Response:
    """Add the next number to a template: the whole of it, nothing is taken over. Deployments stay as they are.

    With If-Match only after the number that it names: 412 when somebody added one meanwhile.
    """
    recipe = body.recipe()
    check_recipe(name, recipe)

    async def work(session: WriteSession) -> Response:
        before = await find_template(session, subject, TemplateName(name=name))
        if if_match is not None:
            require_if_match(if_match, before.number)
        return _shown(await _append(session, catalog, subject, before, recipe), 201)

    return await catalog.idempotency.run(key, subject, work)


@router.get("/{name}/versions/{number}", response_model=TemplateView, responses=_YAML)
async def show_template_version(
    name: str,
    number: int,
    subject: Reader,
    catalog: CatalogHere,
    format: Format = "json",  # noqa: A002 - the name of the parameter in the API
) -> Response:
    """Show one number of a template."""
    return await _show(catalog, subject, TemplateName(name=name, number=max(0, min(number, 2**31 - 1)) or -1), format)


@router.post(":import", response_model=TemplatesImported, openapi_extra=_IMPORTED)
async def import_templates(request: Request, subject: Writer, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Import recipes from JSON or YAML: all of them, or none when one has a fault.

    A name that is there gets the next number when the recipe differs from its newest.
    """
    documents, lines = read_documents(await _body(request), request.headers.get("content-type", ""))
    _check_all(documents, lines)

    async def work(session: WriteSession) -> Response:
        items = [await _import(session, catalog, subject, one) for one in documents]
        return reply(TemplatesImported(items=items))

    return await catalog.idempotency.run(key, subject, work)


async def _body(request: Request) -> bytes:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise TooLarge(f"More than {MOST_BYTES} bytes found; import the recipes in several parts.")
    return content


def _check_all(documents: list[TemplateToCreate], lines: Lines) -> None:
    names: set[str] = set()
    is_list = len(documents) > 1 or (0,) in lines
    for index, one in enumerate(documents):
        try:
            check_recipe(one.name, one.recipe())
            if one.name in names:
                raise NameTaken("document of this import", one.name)
        except InvalidInput as error:
            raise located(error, index, lines, is_list=is_list) from error
        names.add(one.name)


async def _import(session: WriteSession, catalog: Catalog, subject: Subject, body: TemplateToCreate) -> ImportedView:
    recipe = body.recipe()
    before = await store.find_template(session, subject.tenant_id, TemplateName(name=body.name))
    if before is None:
        created = await _insert(session, catalog, subject, body.name, recipe)
        return ImportedView(name=body.name, number=created.number, change="created")
    if before.recipe == recipe:
        return ImportedView(name=body.name, number=before.number, change="unchanged")
    after = await _append(session, catalog, subject, before, recipe)
    return ImportedView(name=body.name, number=after.number, change="updated")


async def _insert(session: WriteSession, catalog: Catalog, subject: Subject, name: str, recipe: Recipe) -> Template:
    template = await store.insert_template(
        session,
        template_id=catalog.ids.new("tpl"),
        tenant_id=subject.tenant_id,
        name=name,
        recipe=recipe,
        at=catalog.clock.now(),
        by=subject.actor,
    )
    await catalog.audit.enter(session, after=TemplateView.of(template), action="template.create")
    return template


async def _append(
    session: WriteSession, catalog: Catalog, subject: Subject, before: Template, recipe: Recipe
) -> Template:
    """Add the next number."""
    after = await store.append_template(session, before, recipe=recipe, at=catalog.clock.now(), by=subject.actor)
    was, now = TemplateView.of(before), TemplateView.of(after)
    await catalog.audit.enter(session, before=was, after=now, action="template.add-version")
    return after


async def _show(catalog: Catalog, subject: Subject, wanted: TemplateName, format: str) -> Response:  # noqa: A002
    async with catalog.db.read() as session:
        template = await find_template(session, subject, wanted)
    view = TemplateView.of(template)
    if format == "yaml":
        return Response(write_yaml(view.document()), media_type=YAML_TYPES[0])
    return reply(view, headers=tagged(template.number))


def _shown(template: Template, status: int) -> Response:
    headers = {"location": f"{router.prefix}/{template.name}", **tagged(template.number)}
    return reply(TemplateView.of(template), status, headers)

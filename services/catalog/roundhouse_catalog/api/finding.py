"""What several nouns look up and write: deployments, models with their facts, templates."""

from dataclasses import replace

from roundhouse_catalog.api.context import Catalog, may_see_unpublished
from roundhouse_catalog.api.deployment_schemas import DeploymentView
from roundhouse_catalog.api.project_access import require_in_project
from roundhouse_catalog.api.quotas import require_room_for_deployment
from roundhouse_catalog.domain.deployments import Decision, Deployment
from roundhouse_catalog.domain.errors import DeploymentNotFound, SchedulerAway, TemplateNotFound
from roundhouse_catalog.domain.findings import did_you_mean, quoted
from roundhouse_catalog.domain.models import Model, learn
from roundhouse_catalog.domain.sources import SourceDraft, is_upload_id
from roundhouse_catalog.domain.templates import Template, TemplateName
from roundhouse_catalog.domain.versions import ModelChoice
from roundhouse_catalog.store import deployments as store
from roundhouse_catalog.store import models as model_store
from roundhouse_catalog.store import templates as template_store
from roundhouse_catalog.store import uploads as upload_store
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Conflict, FieldError, InvalidInput

__all__ = [
    "applied",
    "choose",
    "cursor_number",
    "find_deployment",
    "find_template",
    "keep_facts",
    "read_files",
    "require_same",
    "upload_behind",
    "with_facts",
]


async def find_deployment(
    session: ReadSession, subject: Subject, deployment_id: str, *, to_write: bool = False
) -> Deployment:
    """Return the deployment. Raises DeploymentNotFound, also for those of projects that they may not see, and Forbidden
    for those that they may only see."""
    deployment = await store.find_deployment(session, subject.tenant_id, deployment_id)
    if deployment is None or not allowed(subject, "deployments:read", subject.tenant_id, deployment.project_id):
        raise DeploymentNotFound(deployment_id)
    if to_write:
        require_in_project(subject, "deployments:write", deployment.project_id)
    return deployment


def require_same(seen: Deployment, now: Deployment) -> None:
    """Raise Conflict when the deployment changed while the scheduler was asked about it."""
    if seen.generation != now.generation:
        raise Conflict(f'The deployment "{now.name}" was changed at the same moment. Look at it, and try again.')


async def applied(session: WriteSession, catalog: Catalog, before: Deployment, decision: Decision | None) -> Deployment:
    """Write the decision, if there is one, and return the deployment as it is then."""
    was = DeploymentView.of(before)
    if decision is None:
        await catalog.audit.enter(session, before=was, after=was)
        return before
    await require_room_for_deployment(session, before, decision.deployment)
    await store.update_deployment(session, decision)
    now, detail = DeploymentView.of(decision.deployment), decision.event.detail
    await catalog.audit.enter(session, before=was, after=now, detail=detail, object_kind="deployment")
    session.after_commit(catalog.wake)
    return decision.deployment


async def choose(session: ReadSession, subject: Subject, wanted: str, *, is_in_use: bool = False) -> ModelChoice:
    """Return the model that the subject means. One that a deployment has already may be unpublished since."""
    published_only = not (is_in_use or may_see_unpublished(subject))
    return await model_store.choose_model(session, subject.tenant_id, wanted, published_only=published_only)


async def find_template(session: ReadSession, subject: Subject, wanted: TemplateName) -> Template:
    """Return the number that is meant, or the newest. Raises TemplateNotFound, with close names."""
    template = await template_store.find_template(session, subject.tenant_id, wanted)
    if template is None:
        reference = f"{wanted.name}@{wanted.number}" if wanted.number else wanted.name
        names = await template_store.template_names(session, subject.tenant_id)
        raise TemplateNotFound(reference, did_you_mean(wanted.name, [name for name in names if name != wanted.name]))
    return template


async def read_files(catalog: Catalog, model: Model) -> str:
    """Have a node read the model's files and keep what it found; return why that was not possible, or nothing."""
    try:
        inspected = await catalog.inspect(model.source)
    except SchedulerAway as error:
        return f"its files could not be read: {error.why}"
    if inspected.facts is None:
        return f"its files could not be read: {inspected.error or 'no node has them'}"
    await keep_facts(catalog, model, inspected)
    return ""


async def upload_behind(session: ReadSession, catalog: Catalog, subject: Subject, source: SourceDraft) -> str:
    """Return where nodes read the upload that a source names, or nothing for other sources.

    Raises InvalidInput unless it is there and complete. A source with another fault is left to its own check.
    """
    if source.kind != SourceKind.UPLOAD.value or not is_upload_id(source.uri):
        return ""
    upload = await upload_store.find_upload(session, subject.tenant_id, source.uri)
    if upload is None:
        fault = f"there is no upload {quoted(source.uri)}; GET /api/v1/uploads lists those there are"
    elif not upload.is_complete:
        fault = f"{quoted(source.uri)} is not complete; send the rest of its files first"
    else:
        return catalog.uploads.address_of(upload)
    raise InvalidInput(f"source.uri: {fault}", FieldError("source.uri", fault))


async def with_facts(catalog: Catalog, model: Model) -> Model:
    """Return a model that is not kept yet with what a node reads in files that it would have to fetch.

    A repository's branch is pinned so at the first moment. Where no node can, that is done later: nothing is lost.
    """
    if not model.is_remote or model.facts is not None:
        return model
    try:
        inspected = await catalog.inspect(model.source)
    except SchedulerAway:
        return model
    return replace(learn(model, inspected, now=model.updated_at), generation=model.generation)


async def keep_facts(catalog: Catalog, model: Model, inspected: ModelInspected) -> Model:
    """Write what was read unless the model was deleted or has another source by now; return the model as it is then."""
    async with catalog.db.write() as session:
        current = await model_store.find_model(session, model.tenant_id, model.model_id)
        if current is None or current.source != model.source:
            return model if current is None else current
        learnt = learn(current, inspected, now=catalog.clock.now())
        if learnt is not current:
            await model_store.update_model(session, learnt)
        return learnt


def cursor_number(after: str | None) -> int:
    """Return the number that a cursor stands for."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 9):
        message = "it is a cursor of another listing"
        raise InvalidInput(f"cursor: {message}", FieldError("cursor", message))
    return int(after)

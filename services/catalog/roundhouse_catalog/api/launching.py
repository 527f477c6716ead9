"""From the body of a request to a draft and a model: the template is looked up, and files are read where it needs."""

from dataclasses import dataclass

from roundhouse_catalog.api.context import Catalog
from roundhouse_catalog.api.deployment_schemas import DeploymentToCreate
from roundhouse_catalog.api.finding import choose, find_template, read_files
from roundhouse_catalog.domain.drafts import DeploymentDraft, VersionDraft
from roundhouse_catalog.domain.errors import TemplateNotFound
from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.memory import needs_memory
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.runnable import depends_on_files
from roundhouse_catalog.domain.templates import Template, lay_over, parse_reference, unsuited
from roundhouse_catalog.domain.versions import ModelChoice
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession
from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["Launch", "launch_of", "prepare", "prepare_version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is to be created."""

    draft: DeploymentDraft
    model: ModelChoice


async def launch_of(session: ReadSession, subject: Subject, body: DeploymentToCreate) -> Launch:
    """Return the draft with its template laid under it, and the model. Raises InvalidInput for the template."""
    model = await choose(session, subject, body.model)
    template = await _template(session, subject, body)
    if template is not None and isinstance(model, Model) and (fault := unsuited(template, model)) is not None:
        raise _template_fault(fault)
    return Launch(draft=_draft(body, template), model=model)


async def prepare(catalog: Catalog, subject: Subject, body: DeploymentToCreate) -> str:
    """Read the model's files where the launch depends on them; return why that was not possible, or nothing.

    Asks a node, so it comes before the transaction that creates, which finds any fault.
    """
    async with catalog.db.read() as session:
        model = await choose(session, subject, body.model)
        try:
            template = await _template(session, subject, body)
        except InvalidInput:
            return ""
    asks_architecture = template is not None and bool(template.recipe.suits.architectures)
    if asks_architecture and isinstance(model, Model) and model.facts is None:
        return await read_files(catalog, model)
    return await prepare_version(catalog, _draft(body, template).version, model)


async def prepare_version(catalog: Catalog, draft: VersionDraft, model: ModelChoice) -> str:
    """Read the model's files where this version depends on them; return why that was not possible, or nothing."""
    if not isinstance(model, Model) or model.facts is not None:
        return ""
    if model.is_moving or needs_memory(draft, model) or depends_on_files(draft, model):
        return await read_files(catalog, model)
    return ""


async def _template(session: ReadSession, subject: Subject, body: DeploymentToCreate) -> Template | None:
    if not body.template:
        return None
    wanted = parse_reference(body.template)
    if wanted is None:
        raise _template_fault(f"{quoted(body.template)} found; state the name of a template, or name@number")
    try:
        return await find_template(session, subject, wanted)
    except TemplateNotFound as error:
        raise _template_fault(error.message) from error


def _draft(body: DeploymentToCreate, template: Template | None) -> DeploymentDraft:
    stated = body.launch(body.name)
    return stated if template is None else lay_over(template, stated, body.model_fields_set)


def _template_fault(message: str) -> InvalidInput:
    return InvalidInput(f"template: {message}", FieldError("template", message))

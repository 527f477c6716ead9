"""`/api/v1/routes:import-litellm`: a LiteLLM configuration becomes providers, routes and limits, all at once."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere, RepeatKey
from roundhouse_catalog.api.knowing import known_to
from roundhouse_catalog.api.litellm_documents import read_litellm_yaml
from roundhouse_catalog.api.litellm_schemas import LiteLLMConfigToImport, LiteLLMImportedView
from roundhouse_catalog.api.responses import SEALING
from roundhouse_catalog.api.routes import change_by
from roundhouse_catalog.domain.litellm_plan import ImportPlan, plan_import
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_catalog.domain.litellm_settling import Existing, Settled, Settling, settle
from roundhouse_catalog.domain.providers import Provider, SealedKey, shown_ending
from roundhouse_catalog.store import limits, providers, routes
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import requires
from roundhouse_common.http.idempotency import reply

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/routes", tags=["routes"])
Writer = Annotated[Subject, Depends(requires("routes:write"))]


@router.post(
    ":import-litellm",
    dependencies=[Depends(requires("providers:write")), Depends(requires("limits:write"))],
    response_model=LiteLLMImportedView,
    responses=SEALING,
)
async def import_litellm(
    body: LiteLLMConfigToImport, subject: Writer, key: RepeatKey, catalog: CatalogHere
) -> Response:
    """Make what a LiteLLM `config.yaml` asks for, and tell what became of every line of it.

    All in one transaction. Repeating it changes what has the same names and doubles nothing; keys that a provider has
    already are not added again, and nothing is removed. Without a variable that the file names nothing is made, unless
    that is allowed.
    """
    report = Report()
    plan = plan_import(read_litellm_yaml(body.config), body.environment, report)
    if body.is_dry_run:
        async with catalog.db.read() as session:
            existing = await _existing(session, catalog, subject)
        settled = settle(plan, existing, _settling(catalog, subject, is_sealed=False), report)
        return reply(LiteLLMImportedView.of(settled, report, plan.variables_needed, is_dry_run=True))
    if plan.variables_needed and not body.allows_missing_keys:
        raise _missing(plan)

    async def work(session: WriteSession) -> Response:
        existing = await _existing(session, catalog, subject)
        settled = settle(plan, existing, _settling(catalog, subject, is_sealed=True), report)
        await _write(session, settled)
        await _enter(session, catalog, settled)
        session.after_commit(catalog.wake)
        return reply(LiteLLMImportedView.of(settled, report, plan.variables_needed, is_dry_run=False))

    return await catalog.idempotency.run(key, subject, work)


async def _existing(session: ReadSession, catalog: Catalog, subject: Subject) -> Existing:
    found = await providers.named_providers(session, subject.tenant_id)
    return Existing(
        known=await known_to(session, subject.tenant_id),
        providers=found,
        secrets={one.provider_id: _opened(catalog, one) for one in found.values()},
        limits={one.name: one for one in await limits.living_limits(session, [subject.tenant_id])},
    )


def _opened(catalog: Catalog, provider: Provider) -> frozenset[str]:
    return frozenset(catalog.secrets.box().open(key.sealed) for key in provider.keys)


def _settling(catalog: Catalog, subject: Subject, *, is_sealed: bool) -> Settling:
    def seal(secret: str) -> SealedKey:
        return SealedKey(
            key_id=catalog.ids.new("pky"),
            name="from LiteLLM",
            sealed=catalog.secrets.box().seal(secret) if is_sealed else "",
            last_four=shown_ending(secret),
            created_at=catalog.clock.now(),
        )

    return Settling(tenant_id=subject.tenant_id, change=change_by(catalog, subject), new_id=catalog.ids.new, seal=seal)


async def _write(session: WriteSession, settled: Settled) -> None:
    for provider in settled.providers.created:
        await providers.insert_provider(session, provider)
    for provider in settled.providers.updated:
        await providers.update_provider(session, provider)
    for route in settled.routes.created:
        await routes.insert_route(session, route)
    for route in settled.routes.updated:
        await routes.update_route(session, route)
    for limit in settled.limits.created:
        await limits.insert_limit(session, limit)
    for limit in settled.limits.updated:
        await limits.update_limit(session, limit)


async def _enter(session: WriteSession, catalog: Catalog, settled: Settled) -> None:
    """Enter what came of it, one entry for each thing."""
    kinds = (("provider", settled.providers), ("route", settled.routes), ("limit", settled.limits))
    for kind, changes in kinds:
        for done, things in (("created", changes.created), ("updated", changes.updated)):
            for thing in things:
                await catalog.audit.enter(
                    session,
                    detail=done,
                    object_kind=kind,
                    object_name=thing.name,
                    object_id=getattr(thing, f"{kind}_id"),
                )


def _missing(plan: ImportPlan) -> InvalidInput:
    names = ", ".join(plan.variables_needed)
    faults = [FieldError(f"environment.{name}", "the file names it; give its value") for name in plan.variables_needed]
    return InvalidInput(
        f"The file takes {names} from the environment, and no value was given. Nothing was made: give them, or set "
        "allows_missing_keys and add the keys later.",
        *faults,
    )

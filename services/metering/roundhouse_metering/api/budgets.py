"""`/api/v1/budgets`: what may be spent, and how it stands."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from roundhouse_common.auth import Action, Subject, allowed
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.errors import Forbidden, NotFound
from roundhouse_common.http import Page, PageRequest, etag, page_of, page_request, require_if_match, requires
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import Clock, Ids
from roundhouse_metering.api.budget_schemas import (
    BudgetChanges,
    BudgetToCreate,
    BudgetView,
    NoticeView,
    WebhookSecret,
)
from roundhouse_metering.domain.budgets import Budget, Charge, create_budget, revise_budget
from roundhouse_metering.domain.notices import webhook_secret
from roundhouse_metering.store.budgets import (
    find_budget,
    insert_budget,
    list_budgets,
    recount,
    spent_of,
    update_budget,
)
from roundhouse_metering.store.notices import note_thresholds, notices_of

__all__ = ["budget_routes"]

_Reader = Annotated[Subject, Depends(requires("budgets:read"))]
_Writer = Annotated[Subject, Depends(requires("budgets:write"))]
_IfMatch = Annotated[str | None, Header(description="The ETag of what was read, or `*`.")]


def budget_routes(db: Database, clock: Clock, ids: Ids, wake: Callable[[], None], *, webhook_key: bytes) -> APIRouter:
    """Return the routes below /api/v1/budgets. `wake` hurries what publishes them and tells people."""
    routes = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])

    @routes.post("", status_code=201)
    async def add_budget(body: BudgetToCreate, subject: _Writer, response: Response) -> BudgetView:
        """Add a budget. What was spent in the period that is now counts already."""
        draft, now = body.draft(), clock.now()
        if draft.is_platform:
            _require_platform(subject, "budgets:write")
        budget = create_budget(
            draft, budget_id=ids.new("bud"), tenant_id=subject.tenant_id, now=now, actor=subject.actor
        )
        async with db.write() as session:
            await insert_budget(session, budget)
            await recount(session, budget, now)
            await note_thresholds(session, [budget], now=now, ids=ids)
            session.after_commit(wake)
            charge = await _charge(session, budget, now)
        response.headers["location"] = f"{routes.prefix}/{budget.budget_id}"
        return _shown(budget, charge, now, response)

    @routes.get("")
    async def list_budgets_here(
        subject: _Reader, page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[BudgetView]:
        """List the tenant's budgets in the order of their creation."""
        now = clock.now()
        async with db.read() as session:
            found = await list_budgets(session, subject.tenant_id, after=page.after or "", limit=page.fetch)
            spent = await spent_of(session, found, now)
        return page_of(
            found,
            page,
            key=lambda budget: budget.budget_id,
            item=lambda budget: BudgetView.of(budget, spent[budget.budget_id], now),
        )

    @routes.get("/{budget_id}")
    async def show_budget(budget_id: str, subject: _Reader, response: Response) -> BudgetView:
        """Show a budget: what is spent, what is left, and where it leads."""
        now = clock.now()
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
            charge = await _charge(session, budget, now)
        return _shown(budget, charge, now, response)

    @routes.get("/{budget_id}/notices")
    async def list_notices(budget_id: str, subject: _Reader) -> Page[NoticeView]:
        """List who was told of which threshold, the oldest first."""
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
            found = await notices_of(session, budget.budget_id)
        return Page(items=[NoticeView.of(row) for row in found])

    @routes.get("/{budget_id}/webhook-secret")
    async def show_webhook_secret(budget_id: str, subject: _Writer) -> WebhookSecret:
        """Show what the notices to this budget's webhook are signed with (Standard Webhooks)."""
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
        _require_owner(subject, budget)
        return WebhookSecret(secret=webhook_secret(webhook_key, budget.budget_id))

    @routes.patch("/{budget_id}")
    async def change_budget(
        budget_id: str, body: BudgetChanges, subject: _Writer, response: Response, if_match: _IfMatch = None
    ) -> BudgetView:
        """Change a budget. What was spent stays."""
        patch, now = body.patch(), clock.now()
        async with db.write() as session:
            budget = await _found(session, subject, budget_id)
            require_if_match(if_match, budget.revision)
            _require_owner(subject, budget)
            changed = revise_budget(budget, patch)
            if changed is not budget:
                await update_budget(session, changed)
                await note_thresholds(session, [changed], now=now, ids=ids)
                session.after_commit(wake)
            charge = await _charge(session, changed, now)
        return _shown(changed, charge, now, response)

    @routes.delete("/{budget_id}", status_code=204)
    async def remove_budget(budget_id: str, subject: _Writer, if_match: _IfMatch = None) -> None:
        """Delete a budget: it holds nobody any more."""
        async with db.write() as session:
            budget = await _found(session, subject, budget_id)
            if if_match is not None:
                require_if_match(if_match, budget.revision)
            _require_owner(subject, budget)
            gone = replace(budget, is_deleted=True, revision=budget.revision + 1, generation=budget.generation + 1)
            await update_budget(session, gone)
            session.after_commit(wake)

    return routes


def _require_platform(subject: Subject, action: Action) -> None:
    if not allowed(subject, action, PLATFORM):
        raise Forbidden("This budget is the platform's: only a role on the platform may change it.")


def _require_owner(subject: Subject, budget: Budget) -> None:
    if budget.is_platform:
        _require_platform(subject, "budgets:write")


async def _found(session: ReadSession, subject: Subject, budget_id: str) -> Budget:
    budget = await find_budget(session, subject.tenant_id, budget_id)
    if budget is None:
        raise NotFound(f"There is no budget {budget_id!r} here. List those that there are: GET /api/v1/budgets.")
    return budget


async def _charge(session: ReadSession, budget: Budget, now: float) -> Charge:
    return (await spent_of(session, [budget], now))[budget.budget_id]


def _shown(budget: Budget, charge: Charge, now: float, response: Response) -> BudgetView:
    response.headers["etag"] = etag(budget.revision)
    return BudgetView.of(budget, charge, now)

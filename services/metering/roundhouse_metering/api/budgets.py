"""`/api/v1/budgets`: what may be spent, and how it stands."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from roundhouse_common.auth import Action, Subject, allowed, reach_of
from roundhouse_common.contracts.money import BudgetScope
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.errors import Forbidden, NotFound
from roundhouse_common.http import Page, PageRequest, etag, page_of, page_request, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import Clock, Ids
from roundhouse_metering.api.audited import AuditedBudget
from roundhouse_metering.api.budget_schemas import (
    BudgetChanges,
    BudgetToCreate,
    BudgetView,
    NoticeView,
    WebhookSecret,
)
from roundhouse_metering.domain.budgets import Budget, Charge, create_budget, revise_budget
from roundhouse_metering.domain.signing import webhook_secret
from roundhouse_metering.store.budgets import (
    Sight,
    find_budget,
    insert_budget,
    list_budgets,
    recount,
    spent_of,
    update_budget,
)
from roundhouse_metering.store.notices import note_thresholds, notices_of, withdraw_notices

__all__ = ["budget_routes"]

_Reader = Annotated[Subject, Depends(requires("budgets:read", in_projects=True))]
_Writer = Annotated[Subject, Depends(requires("budgets:write", in_projects=True))]
_Own = Annotated[Subject, Depends(requires("usage:own", in_projects=True))]
_Id = Annotated[str | None, Query(max_length=200)]
_IfMatch = Annotated[str | None, Header(description="The ETag of what was read, or `*`.")]


_NAMED = (BudgetScope.KEY, BudgetScope.USER, BudgetScope.PROJECT)


def budget_routes(db: Database, clock: Clock, ids: Ids, wake: Callable[[], None], *, webhook_key: bytes) -> APIRouter:
    """Return the routes below /api/v1/budgets. `wake` hurries what publishes them and tells people."""
    routes = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])

    @routes.post("", status_code=201)
    async def add_budget(body: BudgetToCreate, subject: _Writer, response: Response) -> BudgetView:
        """Add a budget. What was spent in the period that is now counts already."""
        draft, now = body.draft(), clock.now()
        if draft.is_platform:
            _require_platform(subject, "budgets:write")
        _require_reach(subject, draft.scope, draft.scope_id)
        budget = create_budget(
            draft, budget_id=ids.new("bud"), tenant_id=subject.tenant_id, now=now, actor=subject.actor
        )
        async with db.write() as session:
            await insert_budget(session, budget)
            await enter_change(session, after=AuditedBudget.of(budget))
            await recount(session, budget, now)
            await note_thresholds(session, [budget], now=now, ids=ids)
            session.after_commit(wake)
            charge = await _charge(session, budget, now)
        response.headers["location"] = f"{routes.prefix}/{budget.budget_id}"
        return _shown(budget, charge, now, response)

    @routes.get("")
    async def list_budgets_here(
        subject: _Own,
        page: Annotated[PageRequest, Depends(page_request)],
        key_id: _Id = None,
        user_id: _Id = None,
        project_id: _Id = None,
    ) -> Page[BudgetView]:
        """List budgets in the order of their creation: the tenant's, or those of any of the things that are named.

        Without `budgets:read` they are those of the caller's own, and of keys that the caller has used; whom they tell
        is left out.
        """
        now, named = clock.now(), zip(_NAMED, (key_id, user_id, project_id), strict=True)
        scopes = {scope: one for scope, one in named if one is not None}
        async with db.read() as session:
            sight = _sight(subject)
            found = await list_budgets(session, sight, after=page.after or "", limit=page.fetch, scopes=scopes)
            spent = await spent_of(session, found, now)
        return page_of(
            found,
            page,
            key=lambda budget: budget.budget_id,
            item=lambda budget: _told(subject, BudgetView.of(budget, spent[budget.budget_id], now)),
        )

    @routes.get("/{budget_id}")
    async def show_budget(budget_id: str, subject: _Reader, response: Response) -> BudgetView:
        """Show a budget: what is spent, what is left, and where it leads."""
        now = clock.now()
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
            charge = await _charge(session, budget, now)
        return _told(subject, _shown(budget, charge, now, response))

    @routes.get("/{budget_id}/notices")
    async def list_notices(budget_id: str, subject: _Reader) -> Page[NoticeView]:
        """List who was told of which threshold, the oldest first."""
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
            _require_told(subject, budget)
            found = await notices_of(session, budget.budget_id)
        return Page(items=[NoticeView.of(row) for row in found])

    @routes.get("/{budget_id}/webhook-secret")
    async def show_webhook_secret(budget_id: str, subject: _Writer) -> WebhookSecret:
        """Show what the notices to this budget's webhook are signed with (Standard Webhooks)."""
        async with db.read() as session:
            budget = await _found(session, subject, budget_id)
        _require_owner(subject, budget)
        return WebhookSecret(secret=webhook_secret(webhook_key, f"budget-webhook/{budget.budget_id}"))

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
            await enter_change(session, before=AuditedBudget.of(budget), after=AuditedBudget.of(changed))
            if changed is not budget:
                await update_budget(session, changed)
                await withdraw_notices(session, changed)
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
            await withdraw_notices(session, gone)
            await enter_change(session, before=AuditedBudget.of(budget))
            session.after_commit(wake)

    return routes


def _require_platform(subject: Subject, action: Action) -> None:
    if not allowed(subject, action, PLATFORM):
        raise Forbidden("This budget is the platform's: only a role on the platform may change it.")


def _require_owner(subject: Subject, budget: Budget) -> None:
    """Raise Forbidden unless the subject may change the budget. With a role in a project only, people change what they
    made themselves: not what the tenant has set over them."""
    if budget.is_platform:
        _require_platform(subject, "budgets:write")
    _require_reach(subject, budget.scope, budget.scope_id)
    if reach_of(subject, "budgets:write").project_ids is not None and budget.created_by != subject.actor:
        raise Forbidden(f"{subject.actor} may change the budgets that they made: this one is of {budget.created_by}.")


def _require_reach(subject: Subject, scope: BudgetScope, scope_id: str) -> None:
    reach = reach_of(subject, "budgets:write")
    if reach.project_ids is not None and (scope is not BudgetScope.PROJECT or scope_id not in reach.project_ids):
        projects = ", ".join(sorted(reach.project_ids))
        raise Forbidden(f"{subject.actor} may set budgets of its projects only: {projects}.")


def _require_told(subject: Subject, budget: Budget) -> None:
    reach = reach_of(subject, "budgets:read")
    if reach.project_ids is not None and not (budget.scope is BudgetScope.PROJECT and reach.covers(budget.scope_id)):
        raise Forbidden(f"{subject.actor} may not see whom this budget tells.")


def _sight(subject: Subject) -> Sight:
    return Sight(reach=reach_of(subject, "budgets:read"), user_id=subject.id)


def _told(subject: Subject, shown: BudgetView) -> BudgetView:
    """Leave out whom it tells, for those who may not read budgets: an address of a webhook can be a secret."""
    reach = reach_of(subject, "budgets:read")
    if reach.project_ids is None or (shown.scope == BudgetScope.PROJECT.value and reach.covers(shown.scope_id)):
        return shown
    return shown.model_copy(update={"webhook_url": "", "emails": []})


async def _found(session: ReadSession, subject: Subject, budget_id: str) -> Budget:
    budget = await find_budget(session, _sight(subject), budget_id)
    if budget is None:
        raise NotFound(f"There is no budget {budget_id!r} here. List those that there are: GET /api/v1/budgets.")
    return budget


async def _charge(session: ReadSession, budget: Budget, now: float) -> Charge:
    return (await spent_of(session, [budget], now))[budget.budget_id]


def _shown(budget: Budget, charge: Charge, now: float, response: Response) -> BudgetView:
    response.headers["etag"] = etag(budget.revision)
    return BudgetView.of(budget, charge, now)

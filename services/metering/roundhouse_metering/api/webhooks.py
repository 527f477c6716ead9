"""`/api/v1/webhooks`: where events for finance tools are sent to, and how that goes."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response

from roundhouse_common.auth import Subject, allowed
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.errors import Conflict, Forbidden, NotFound
from roundhouse_common.http import Page, PageRequest, etag, page_of, page_request, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import Clock, Ids
from roundhouse_metering.api.audited import AuditedWebhook
from roundhouse_metering.api.feed_places import Redelivery, place_of, required_place
from roundhouse_metering.api.webhook_schemas import (
    SecretRotation,
    TestResult,
    WebhookChanges,
    WebhookToCreate,
    WebhookView,
    WebhookWithSecret,
)
from roundhouse_metering.domain.feed import EventType, trial_event
from roundhouse_metering.domain.webhooks import Webhook, create_webhook, revise_webhook, rotate, secrets_of
from roundhouse_metering.loops.posting import NotSent
from roundhouse_metering.loops.webhooks import WebhookSender
from roundhouse_metering.store.feed import feed_head
from roundhouse_metering.store.webhooks import (
    count_webhooks,
    delete_webhook,
    find_webhook,
    insert_webhook,
    list_webhooks,
    update_webhook,
)

__all__ = ["webhook_routes"]

_Reader = Annotated[Subject, Depends(requires("webhooks:read"))]
_Writer = Annotated[Subject, Depends(requires("webhooks:write"))]
_IfMatch = Annotated[str | None, Header(description="The ETag of what was read, or `*`.")]
_MOST: Final = 50
"""Webhooks of one tenant."""


def webhook_routes(db: Database, clock: Clock, ids: Ids, sender: WebhookSender) -> APIRouter:
    """Return the routes below /api/v1/webhooks."""
    routes = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])

    @routes.post("", status_code=201)
    async def add_webhook(body: WebhookToCreate, subject: _Writer, response: Response) -> WebhookWithSecret:
        """Add a webhook. Its secret is shown this once; `:rotate-secret` makes a new one."""
        draft, now = body.draft(), clock.now()
        _require_events(subject, draft.covers or subject.tenant_id, draft.types)
        async with db.write() as session:
            if await count_webhooks(session, subject.tenant_id) >= _MOST:
                raise Conflict(f"There are {_MOST} webhooks, and no tenant may have more: remove one first.")
            webhook = create_webhook(
                draft,
                webhook_id=ids.new("whk"),
                tenant_id=subject.tenant_id,
                cursor=await place_of(session, body.after, body.since) or await feed_head(session),
                now=now,
                actor=subject.actor,
            )
            await insert_webhook(session, webhook)
            await enter_change(session, after=AuditedWebhook.of(webhook))
        response.headers["location"] = f"{routes.prefix}/{webhook.webhook_id}"
        response.headers["etag"] = etag(webhook.revision)
        return WebhookWithSecret.with_secret(webhook, secrets_of(sender.key, webhook, now)[0], now)

    @routes.get("")
    async def list_webhooks_here(
        subject: _Reader, page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[WebhookView]:
        """List the tenant's webhooks in the order of their creation."""
        async with db.read() as session:
            found = await list_webhooks(session, subject.tenant_id, after=page.after or "", limit=page.fetch)
        now = clock.now()
        return page_of(
            found, page, key=lambda webhook: webhook.webhook_id, item=lambda webhook: WebhookView.of(webhook, now)
        )

    @routes.get("/{webhook_id}")
    async def show_webhook(webhook_id: str, subject: _Reader, response: Response) -> WebhookView:
        """Show a webhook: how far it came, and what was wrong when it was tried last."""
        async with db.read() as session:
            webhook = await _found(session, subject, webhook_id)
        return _shown(webhook, clock.now(), response)

    @routes.patch("/{webhook_id}")
    async def change_webhook(
        webhook_id: str, body: WebhookChanges, subject: _Writer, response: Response, if_match: _IfMatch = None
    ) -> WebhookView:
        """Change a webhook. It stays where it is in the feed, and is tried at once."""
        async with db.write() as session:
            webhook = await _found(session, subject, webhook_id)
            require_if_match(if_match, webhook.revision)
            changed = revise_webhook(webhook, body.patch())
            _require_events(subject, changed.covers, changed.types)
            await enter_change(session, before=AuditedWebhook.of(webhook), after=AuditedWebhook.of(changed))
            if changed is not webhook:
                await update_webhook(session, changed)
        return _shown(changed, clock.now(), response)

    @routes.delete("/{webhook_id}", status_code=204)
    async def remove_webhook(webhook_id: str, subject: _Writer, if_match: _IfMatch = None) -> None:
        """Delete a webhook: nothing is sent to it any more."""
        async with db.write() as session:
            webhook = await _found(session, subject, webhook_id)
            if if_match is not None:
                require_if_match(if_match, webhook.revision)
            _require_owner(subject, webhook)
            await delete_webhook(session, webhook_id)
            await enter_change(session, before=AuditedWebhook.of(webhook))

    _add_actions(routes, db, clock, ids, sender)
    return routes


def _add_actions(routes: APIRouter, db: Database, clock: Clock, ids: Ids, sender: WebhookSender) -> None:
    @routes.post("/{webhook_id}:rotate-secret")
    async def rotate_webhook_secret(webhook_id: str, body: SecretRotation, subject: _Writer) -> WebhookWithSecret:
        """Replace the secret, and show the new one this once. For a while there are signatures by both."""
        now = clock.now()
        async with db.write() as session:
            webhook = await _found(session, subject, webhook_id)
            _require_owner(subject, webhook)
            rotated = rotate(webhook, until=now + body.overlap_s)
            await update_webhook(session, rotated)
            was = AuditedWebhook.of(webhook)
            await enter_change(session, before=was, after=was, detail="new secret", action="webhook.rotate-secret")
        return WebhookWithSecret.with_secret(rotated, secrets_of(sender.key, rotated, now)[0], now)

    @routes.post("/{webhook_id}:redeliver")
    async def redeliver(webhook_id: str, body: Redelivery, subject: _Writer, response: Response) -> WebhookView:
        """Send again what is after a place in the feed, or go on there. Ids are the same as before."""
        async with db.write() as session:
            webhook = await _found(session, subject, webhook_id)
            _require_events(subject, webhook.covers, webhook.types)
            moved = webhook.moved_to(await required_place(session, body))
            await update_webhook(session, moved, has_moved=True)
            was, now = (AuditedWebhook.of(one, has_cursor=True) for one in (webhook, moved))
            await enter_change(session, before=was, after=now, action="webhook.redeliver")
        return _shown(moved, clock.now(), response)

    @routes.post("/{webhook_id}:test")
    async def test_webhook(webhook_id: str, subject: _Writer) -> TestResult:
        """Send an event that means nothing, now, and tell what was answered. Nothing moves."""
        async with db.read() as session:
            webhook = await _found(session, subject, webhook_id)
        _require_owner(subject, webhook)
        event = trial_event(ids.new("evt"), webhook_id=webhook_id, now=clock.now())
        began, status, error = clock.monotonic(), 0, ""
        try:
            status = await sender.send(webhook, [event])
        except NotSent as fault:
            status, error = fault.status, str(fault)
        duration_ms = (clock.monotonic() - began) * 1000
        return TestResult(is_taken=not error, status=status, error=error, duration_ms=duration_ms)


def _require_events(subject: Subject, covers: str, types: tuple[EventType, ...]) -> None:
    """Whoever has events sent must be one who may read them: those of another tenant, or of all, need a role on the
    platform."""
    tenant_id = subject.tenant_id if covers == subject.tenant_id else PLATFORM
    of_usage = set(types) & {EventType.USAGE, EventType.CORRECTION}
    if of_usage and not allowed(subject, "usage:export", tenant_id):
        raise Forbidden(f"{subject.actor} may not export the usage of {covers}, and so not have it sent.")
    if EventType.BUDGET in types and not allowed(subject, "budgets:read", tenant_id):
        raise Forbidden(f"{subject.actor} may not read the budgets of {covers}, and so not have them sent.")
    if not allowed(subject, "webhooks:write", tenant_id):
        raise Forbidden(f"{subject.actor} may not have anything of {covers} sent: that takes a role on the platform.")


def _require_owner(subject: Subject, webhook: Webhook) -> None:
    if webhook.is_platform and not allowed(subject, "webhooks:write", PLATFORM):
        raise Forbidden("This webhook is the platform's: only a role on the platform may change it.")


async def _found(session: ReadSession, subject: Subject, webhook_id: str) -> Webhook:
    webhook = await find_webhook(session, subject.tenant_id, webhook_id)
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id!r} here. List those that there are: GET /api/v1/webhooks.")
    return webhook


def _shown(webhook: Webhook, now: float, response: Response) -> WebhookView:
    response.headers["etag"] = etag(webhook.revision)
    return WebhookView.of(webhook, now)

"""Sends the feed to webhooks: each on its own, in order, again and again until it is taken."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.feed import FeedCursor
from roundhouse_metering.domain.signing import signed_headers
from roundhouse_metering.domain.usage import UsageFilter
from roundhouse_metering.domain.webhooks import EVERY_TENANT, Webhook, delivered, failed, message_id, secrets_of
from roundhouse_metering.loops.posting import NotSent, Wire, post
from roundhouse_metering.store.feed import FeedPage, feed_head, read_feed
from roundhouse_metering.store.webhooks import claim_webhook, due_webhooks, settle_webhook, skip_webhook

__all__ = ["WebhookSender", "Webhooks"]

_POLL_S: Final = 1.0
_LEASE_S: Final = 45.0
"""How long a webhook is left to the instance that sends to it: longer than a POST takes."""
_PAGE_S: Final = 15.0
"""How long single events are sent before it is noted: with the last POST still within the lease."""
_AT_ONCE: Final = 64
"""POSTs in flight. A receiver that does not answer keeps one of them for some seconds, then waits longer and longer."""
_IN_A_ROW: Final = 50
"""Pages that one webhook is sent before it is looked at anew."""
_SKIPPED: Final = 1_000
"""Entries that are nothing for a webhook before its place is written."""
_log = structlog.get_logger(__name__)


class WebhookSender:
    """Signs events and POSTs them, in threads of its own: slow receivers hold up nothing else."""

    def __init__(self, key: bytes, *, may_be_private: bool, clock: Clock) -> None:
        """`key` is what secrets are made from."""
        self.key = key
        self._may_be_private = may_be_private
        self._clock = clock
        self._threads = ThreadPoolExecutor(_AT_ONCE, "webhook")

    async def send(self, webhook: Webhook, events: Sequence[CloudEvent]) -> int:
        """Return the status, a 2xx. Raises NotSent."""
        if webhook.mode == "single":
            (event,) = events
            body, kind = msgspec.json.encode(event), "application/cloudevents+json"
        else:
            body, kind = msgspec.json.encode(events), "application/cloudevents-batch+json"
        now = self._clock.now()
        headers = signed_headers(secrets_of(self.key, webhook, now), message_id(webhook, events), int(now), body)
        headers["content-type"] = f"{kind}; charset=utf-8"
        wire = Wire()
        sending = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: post(webhook.url, body, headers, may_be_private=self._may_be_private, wire=wire)
        )
        try:
            return await sending
        except asyncio.CancelledError:
            wire.cut()  # else the process could not end before the receiver has answered
            raise


class Webhooks:
    """Several instances may run: each takes a webhook for itself while it sends to it. One that dies between a 2xx and
    noting it sends the same events again, with the same ids."""

    def __init__(
        self, db: Database, sender: WebhookSender, *, batch: int, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._db = db
        self._sender = sender
        self._batch = batch
        self._clock = clock
        self._busy: set[str] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._events = Counter("roundhouse_metering_webhook_events", "Events that were taken.", registry=registry)
        self._posts = Counter("roundhouse_metering_webhook_posts", "POSTs.", ["result"], registry=registry)

    async def run(self) -> None:
        """Send what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    self._start(tasks, await self._due())
                except (DatabaseUnavailable, DatabaseBusy) as error:
                    _log.warning("webhooks_wait", why=error.message)
                await asyncio.sleep(_POLL_S)

    async def send_due(self) -> None:
        """Send what is due now, and wait until that is done."""
        async with asyncio.TaskGroup() as tasks:
            self._start(tasks, await self._due())

    async def _due(self) -> list[Webhook]:
        async with self._db.read() as session:
            return await due_webhooks(session, await feed_head(session), now=self._clock.now())

    def _start(self, tasks: asyncio.TaskGroup, due: Sequence[Webhook]) -> None:
        for webhook in due:
            if webhook.webhook_id not in self._busy:
                self._busy.add(webhook.webhook_id)
                tasks.create_task(self._serve(webhook), name=f"webhook-{webhook.webhook_id}")

    async def _serve(self, webhook: Webhook) -> None:
        try:
            async with self._slots:
                for _ in range(_IN_A_ROW):
                    following = await self._send_page(webhook)
                    if following is None:
                        return
                    webhook = following
        except (DatabaseUnavailable, DatabaseBusy) as error:
            _log.warning("webhook_waits", webhook_id=webhook.webhook_id, why=error.message)
        finally:
            self._busy.discard(webhook.webhook_id)

    async def _send_page(self, webhook: Webhook) -> Webhook | None:
        """Send some events, and return the webhook as it is then; None when there is nothing to do now."""
        page = await self._page(webhook)
        if page.has_gap:
            _log.error("webhook_missed_records", webhook_id=webhook.webhook_id, after=str(webhook.cursor))
        if not page.events:
            skipped = page.following.entry - webhook.cursor.entry
            if page.is_end and skipped < _SKIPPED and page.following.correction == webhook.cursor.correction:
                return None
            async with self._db.write() as session:
                await skip_webhook(session, webhook, page.following)
            return None if page.is_end else _moved(webhook, page.following)
        async with self._db.write() as session:
            if not await claim_webhook(session, webhook, now=self._clock.now(), lease_s=_LEASE_S):
                return None
        return await self._deliver(webhook, page)

    async def _page(self, webhook: Webhook) -> FeedPage:
        wanted = UsageFilter(tenant_id=None if webhook.covers == EVERY_TENANT else webhook.covers)
        async with self._db.read() as session:
            return await read_feed(session, webhook.cursor, wanted=wanted, types=webhook.types, limit=self._batch)

    async def _deliver(self, webhook: Webhook, page: FeedPage) -> Webhook | None:
        """Send a page, in one POST or in one for each event, and note how far that came."""
        posts = [[one] for one in page.events] if webhook.mode == "single" else [page.events]
        began, taken, after = self._clock.monotonic(), 0, webhook
        for events in posts:
            try:
                await self._sender.send(webhook, [one.event for one in events])
            except NotSent as error:
                after = failed(after, error=str(error), status=error.status, now=self._clock.now())
                self._posts.labels("failed").inc()
                _log.warning("webhook_not_taken", webhook_id=webhook.webhook_id, why=after.last_error)
                break
            taken += len(events)
            cursor = page.following if taken == len(page.events) else events[-1].cursor
            after = delivered(after, cursor=cursor, count=len(events), now=self._clock.now())
            self._posts.labels("taken").inc()
            self._events.inc(len(events))
            if self._clock.monotonic() - began > _PAGE_S:
                break
        async with self._db.write() as session:
            await settle_webhook(session, webhook, after)
        is_over = after.attempts > 0 or (page.is_end and taken == len(page.events))
        return None if is_over else after


def _moved(webhook: Webhook, cursor: FeedCursor) -> Webhook:
    return replace(webhook, cursor=cursor)

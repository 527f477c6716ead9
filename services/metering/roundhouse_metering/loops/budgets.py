"""Tells people that budgets have reached thresholds. A notice that cannot be sent is tried again, for days."""

import asyncio
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.budgets import Budget
from roundhouse_metering.domain.feed import budget_event
from roundhouse_metering.domain.notices import budget_reached, retry_after_s, words
from roundhouse_metering.domain.signing import signed_headers, webhook_secret
from roundhouse_metering.loops.mail import send_mail
from roundhouse_metering.loops.posting import NotSent, post
from roundhouse_metering.settings import MeteringSettings
from roundhouse_metering.store.notices import Notice, due_notices, has_due, postpone, settle_notice

__all__ = ["BudgetNotices"]

_POLL_S: Final = 10.0
_PAUSE_S: Final = 1.0
_LEASE_S: Final = 120.0
"""How long a notice is left to who took it."""
_AT_ONCE: Final = 20
_log = structlog.get_logger(__name__)


class BudgetNotices:
    """Several instances may run: each takes what is due for itself. One that dies between sending and noting it sends
    the same notice again, with the same id."""

    def __init__(
        self,
        db: Database,
        settings: MeteringSettings,
        *,
        key: bytes,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        """`key` is what secrets of webhooks are made from."""
        self._db = db
        self._settings = settings
        self._key = key
        self._clock = clock
        self._woken = asyncio.Event()
        self._sent = Counter(
            "roundhouse_metering_budget_notices", "Attempts to send notices.", ["kind", "result"], registry=registry
        )

    def wake(self) -> None:
        """Say that something may be due. Cheap."""
        self._woken.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                while await self.send_due():
                    pass
            except (DatabaseUnavailable, DatabaseBusy) as error:
                _log.warning("budget_notices_wait", why=error.message)
            await asyncio.sleep(_PAUSE_S)

    async def send_due(self) -> int:
        """Send some of what is due, and return how many there were."""
        now = self._clock.now()
        async with self._db.read() as session:
            if not await has_due(session, now=now):
                return 0
        async with self._db.write() as session:
            taken = await due_notices(session, now=now, lease_s=_LEASE_S, limit=_AT_ONCE)
        await asyncio.gather(*(self._send(notice, budget) for notice, budget in taken))
        return len(taken)

    async def _send(self, notice: Notice, budget: Budget) -> None:
        is_webhook = notice.recipient.startswith(("http://", "https://"))
        kind = "webhook" if is_webhook else "mail"
        try:
            await asyncio.to_thread(self._post if is_webhook else self._mail, notice, budget)
        except NotSent as error:
            wait_s = retry_after_s(notice.attempts + 1)
            due_at = None if wait_s is None else self._clock.now() + wait_s
            async with self._db.write() as session:
                await postpone(session, notice, due_at=due_at, error=str(error))
            self._sent.labels(kind, "failed" if due_at is not None else "given-up").inc()
            _log.warning("budget_notice_not_sent", notice_id=notice.notice_id, kind=kind, why=str(error))
            return
        async with self._db.write() as session:
            await settle_notice(session, notice, now=self._clock.now())
        self._sent.labels(kind, "sent").inc()

    def _post(self, notice: Notice, budget: Budget) -> None:
        reached = budget_reached(
            budget,
            event_id=notice.notice_id,
            threshold=notice.threshold,
            spent=notice.spent,
            amount=notice.amount,
            at=notice.noticed_at,
            start=notice.period_start,
        )
        body = msgspec.json.encode(budget_event(reached))
        secret = webhook_secret(self._key, f"budget-webhook/{budget.budget_id}")
        headers = signed_headers([secret], notice.notice_id, int(self._clock.now()), body)
        headers["content-type"] = "application/cloudevents+json"
        post(notice.recipient, body, headers, may_be_private=self._settings.webhooks_to_private)

    def _mail(self, notice: Notice, budget: Budget) -> None:
        subject, text = words(budget, threshold=notice.threshold, spent=notice.spent, amount=notice.amount)
        settings = self._settings
        send_mail(settings.smtp_url, settings.smtp_from, notice.recipient, subject, text, notice_id=notice.notice_id)

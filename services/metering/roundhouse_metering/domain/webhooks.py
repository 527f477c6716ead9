"""Webhooks for finance tools: what each is told, how it is signed, and when it is tried again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urlsplit

from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_metering.domain.feed import EventType, FeedCursor
from roundhouse_metering.domain.signing import webhook_secret

__all__ = [
    "EVERY_TENANT",
    "Mode",
    "Webhook",
    "WebhookDraft",
    "WebhookPatch",
    "create_webhook",
    "delivered",
    "failed",
    "is_address",
    "message_id",
    "revise_webhook",
    "rotate",
    "secrets_of",
    "state_of",
]

Mode = Literal["batch", "single"]
"""Many events in one POST, or one."""
EVERY_TENANT: Final = "all"
_FIRST_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 3_600.0
_FAILING_S: Final = 600.0
"""What has failed for so long is shown as failing, and no more as tried again."""
_GONE: Final = 410
_MOST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDraft:
    """A webhook as somebody wants it."""

    name: str
    url: str
    types: tuple[EventType, ...]
    covers: str
    mode: Mode
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPatch:
    """What to change; None: it stays."""

    name: str | None = None
    url: str | None = None
    types: tuple[EventType, ...] | None = None
    mode: Mode | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook, how far it came and how it goes. Whose events it is told never changes."""

    webhook_id: str
    tenant_id: str
    """Where it was made, and who may see it."""
    name: str
    url: str
    types: tuple[EventType, ...]
    covers: str
    """Whose events: a tenant's id, or `all`."""
    mode: Mode
    is_enabled: bool
    secret_number: int
    """Grows when the secret is replaced."""
    old_secret_until: float
    """Until then what is sent is signed with the secret before too."""
    revision: int
    """Of what people change."""
    created_at: float
    created_by: str
    cursor: FeedCursor
    """What is up to here was taken with a 2xx, or is nothing for it."""
    sent: int = 0
    attempts: int = 0
    """That failed since the last that did not."""
    failing_since: float | None = None
    due_at: float = 0.0
    tried_at: float | None = None
    sent_at: float | None = None
    last_error: str = ""

    @property
    def is_platform(self) -> bool:
        """Whether it is told of other tenants: only who has a role on the platform may change it."""
        return self.covers != self.tenant_id

    def moved_to(self, cursor: FeedCursor) -> "Webhook":
        """Return it at another place of the feed, to be tried at once."""
        return replace(self, cursor=cursor, due_at=0.0, revision=self.revision + 1)


def create_webhook(
    draft: WebhookDraft, *, webhook_id: str, tenant_id: str, cursor: FeedCursor, now: float, actor: str
) -> Webhook:
    """Return the new webhook. Raises InvalidInput."""
    _check(draft.name, draft.url, draft.types)
    return Webhook(
        webhook_id=webhook_id,
        tenant_id=tenant_id,
        name=draft.name,
        url=draft.url,
        types=draft.types,
        covers=draft.covers or tenant_id,
        mode=draft.mode,
        is_enabled=draft.is_enabled,
        secret_number=1,
        old_secret_until=0.0,
        revision=1,
        created_at=now,
        created_by=actor,
        cursor=cursor,
    )


def revise_webhook(webhook: Webhook, patch: WebhookPatch) -> Webhook:
    """Return the changed webhook, the same one where nothing changes; it is tried at once. Raises InvalidInput."""
    changes = {name: value for name in WebhookPatch.__slots__ if (value := getattr(patch, name)) is not None}
    changed = replace(webhook, **changes)
    if changed == webhook:
        return webhook
    _check(changed.name, changed.url, changed.types)
    return replace(changed, revision=webhook.revision + 1, due_at=0.0)


def rotate(webhook: Webhook, *, until: float) -> Webhook:
    """Return the webhook with a new secret; what is sent until then is signed with the old one too."""
    return replace(
        webhook, secret_number=webhook.secret_number + 1, old_secret_until=until, revision=webhook.revision + 1
    )


def secrets_of(key: bytes, webhook: Webhook, now: float) -> list[str]:
    """Return what to sign with, the current secret first."""
    numbers = [webhook.secret_number]
    if now < webhook.old_secret_until:
        numbers.append(webhook.secret_number - 1)
    return [webhook_secret(key, f"webhook/{webhook.webhook_id}/{number}") for number in numbers]


def message_id(webhook: Webhook, events: Sequence[CloudEvent]) -> str:
    """Return the id of one POST. It is made from the events: the same id never means other ones, so a receiver that
    drops what it has seen loses nothing."""
    if webhook.mode == "single":
        return events[0].id
    ids = "\n".join((webhook.webhook_id, *(event.id for event in events)))
    return "msg_" + hashlib.sha256(ids.encode()).hexdigest()[:32]


def delivered(webhook: Webhook, *, cursor: FeedCursor, count: int, now: float) -> Webhook:
    """Return the webhook after a 2xx."""
    return replace(
        webhook,
        cursor=cursor,
        sent=webhook.sent + count,
        attempts=0,
        failing_since=None,
        due_at=0.0,
        tried_at=now,
        sent_at=now,
        last_error="",
    )


def failed(webhook: Webhook, *, error: str, status: int, now: float) -> Webhook:
    """Return the webhook after an attempt that failed: it waits longer each time, and is never given up. What answers
    410 (gone) is switched off, as Standard Webhooks say; it keeps its place."""
    attempts = webhook.attempts + 1
    wait_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(attempts - 1, 20))
    return replace(
        webhook,
        attempts=attempts,
        failing_since=webhook.failing_since or now,
        due_at=now + wait_s,
        tried_at=now,
        last_error=error[:1000],
        is_enabled=webhook.is_enabled and status != _GONE,
        revision=webhook.revision + (webhook.is_enabled and status == _GONE),
    )


def state_of(webhook: Webhook, now: float) -> str:
    """Return `disabled`, `active`, `retrying` or `failing`."""
    if not webhook.is_enabled:
        return "disabled"
    if webhook.failing_since is None:
        return "active"
    return "failing" if now - webhook.failing_since >= _FAILING_S else "retrying"


def _check(name: str, url: str, types: Sequence[EventType]) -> None:
    faults = []
    if not name.strip() or len(name) > _MOST_NAME:
        faults.append(FieldError("name", f"give a name of 1 to {_MOST_NAME} characters"))
    if not is_address(url):
        faults.append(FieldError("url", "give an address such as https://finance.example.com/hook, without a password"))
    if not types or EventType.TEST in types:
        faults.append(FieldError("types", "give at least one type of event that is not the test"))
    if faults:
        raise InvalidInput(f"{faults[0].field}: {faults[0].message}", *faults)


def is_address(url: str) -> bool:
    """Say whether something can be sent there: http or https with a host, and no password in it."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = url.isprintable() and " " not in url and url.isascii()
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and is_plain and "@" not in parts.netloc
    )

"""Webhooks: what people set, and how far each came."""

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from roundhouse_common.database import Json, ReadSession, UnixSeconds, WriteSession
from roundhouse_metering.domain.feed import EventType, FeedCursor
from roundhouse_metering.domain.webhooks import Webhook
from roundhouse_metering.store.schema import metadata

__all__ = [
    "claim_webhook",
    "count_webhooks",
    "delete_webhook",
    "due_webhooks",
    "find_webhook",
    "insert_webhook",
    "list_webhooks",
    "settle_webhook",
    "skip_webhook",
    "update_webhook",
    "webhooks",
]

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("types", Json(tuple[EventType, ...]), nullable=False),
    Column("covers", Text, nullable=False),  # a tenant's id, or `all`
    Column("mode", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("secret_number", Integer, nullable=False),  # secrets are made from it and a key in a file
    Column("old_secret_until", UnixSeconds, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", Text, nullable=False),
    # How far it came: moved after a 2xx, and over what is nothing for it.
    Column("at_entry", BigInteger, nullable=False),
    Column("at_correction", BigInteger, nullable=False),
    Column("at_threshold", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failing_since", UnixSeconds, nullable=True),
    Column("due_at", UnixSeconds, nullable=False),
    Column("leased_until", UnixSeconds, nullable=False),  # by the instance that is sending to it now
    Column("tried_at", UnixSeconds, nullable=True),
    Column("sent_at", UnixSeconds, nullable=True),
    Column("last_error", Text, nullable=False),
    Index("ix_webhooks_tenant", "tenant_id", "webhook_id"),
)

_PLACES: Final = ("at_entry", "at_correction", "at_threshold")
_FIELDS: Final = tuple(name for name in Webhook.__dataclass_fields__ if name != "cursor")
_SET: Final = (*("name", "url", "types", "mode", "is_enabled"), *("secret_number", "old_secret_until", "revision"))
_GOING: Final = ("sent", "attempts", "failing_since", "due_at", "tried_at", "sent_at", "last_error", "is_enabled")


async def insert_webhook(session: WriteSession, webhook: Webhook) -> None:
    await session.execute(insert(webhooks), {**_values(webhook), "leased_until": 0.0})


async def update_webhook(session: WriteSession, webhook: Webhook, *, has_moved: bool = False) -> None:
    """Write what people set, and have it tried at once; its place too where somebody moved it."""
    values = _values(webhook)
    names = (*_SET, "due_at", *(_PLACES if has_moved else ()))
    statement = update(webhooks).where(webhooks.c.webhook_id == webhook.webhook_id)
    await session.execute(statement.values({name: values[name] for name in names}))


async def delete_webhook(session: WriteSession, webhook_id: str) -> None:
    await session.execute(delete(webhooks).where(webhooks.c.webhook_id == webhook_id))


async def find_webhook(session: ReadSession, tenant_id: str, webhook_id: str) -> Webhook | None:
    """Return a webhook that was made in the tenant."""
    found = await _webhooks(session, webhooks.c.webhook_id == webhook_id, webhooks.c.tenant_id == tenant_id)
    return found[0] if found else None


async def list_webhooks(session: ReadSession, tenant_id: str, *, after: str, limit: int) -> list[Webhook]:
    """Return a page of a tenant's webhooks in the order of their ids."""
    return await _webhooks(session, webhooks.c.tenant_id == tenant_id, webhooks.c.webhook_id > after, limit=limit)


async def due_webhooks(session: ReadSession, head: FeedCursor, *, now: float) -> list[Webhook]:
    """Return webhooks that may be sent to now and are not at the end of the feed."""
    is_behind = or_(
        webhooks.c.at_entry < head.entry,
        webhooks.c.at_correction < head.correction,
        webhooks.c.at_threshold < head.threshold,
    )
    return await _webhooks(
        session, webhooks.c.is_enabled, webhooks.c.due_at <= now, webhooks.c.leased_until <= now, is_behind
    )


async def count_webhooks(session: ReadSession, tenant_id: str) -> int:
    """Return how many a tenant has."""
    counted = select(func.count()).select_from(webhooks).where(webhooks.c.tenant_id == tenant_id)
    return await session.scalar(counted) or 0


async def claim_webhook(session: WriteSession, webhook: Webhook, *, now: float, lease_s: float) -> bool:
    """Keep other instances from it for a while. False: somebody else has it, or it was changed meanwhile."""
    statement = update(webhooks).where(_is_at(webhook), webhooks.c.leased_until <= now, webhooks.c.is_enabled)
    is_same = webhooks.c.revision == webhook.revision
    return bool((await session.execute(statement.where(is_same).values(leased_until=now + lease_s))).rowcount)


async def settle_webhook(session: WriteSession, before: Webhook, after: Webhook) -> None:
    """Write how an attempt went, and let go of it. Where somebody has moved or deleted it meanwhile, that holds."""
    values = _values(after)
    same = webhooks.c.webhook_id == before.webhook_id
    await session.execute(update(webhooks).where(same).values(leased_until=0.0))
    names = (*_PLACES, *(name for name in _GOING if name != "is_enabled" or before.is_enabled != after.is_enabled))
    changes = {name: values[name] for name in names}
    if before.revision != after.revision:
        changes["revision"] = webhooks.c.revision + 1
    await session.execute(update(webhooks).where(_is_at(before)).values(changes))


async def skip_webhook(session: WriteSession, webhook: Webhook, cursor: FeedCursor) -> None:
    """Move it over what is nothing for it."""
    places = dict(zip(_PLACES, (cursor.entry, cursor.correction, cursor.threshold), strict=True))
    await session.execute(update(webhooks).where(_is_at(webhook)).values(places))


def _is_at(webhook: Webhook) -> ColumnElement[bool]:
    """Return whether it stands where it stood when it was read."""
    cursor = webhook.cursor
    return (
        (webhooks.c.webhook_id == webhook.webhook_id)
        & (webhooks.c.at_entry == cursor.entry)
        & (webhooks.c.at_correction == cursor.correction)
        & (webhooks.c.at_threshold == cursor.threshold)
    )


async def _webhooks(session: ReadSession, *conditions: ColumnElement[bool], limit: int | None = None) -> list[Webhook]:
    statement = select(webhooks).where(*conditions).order_by(webhooks.c.webhook_id).limit(limit)
    return [_webhook(row) for row in await session.execute(statement)]


def _webhook(row: Row[Any]) -> Webhook:
    cursor = FeedCursor(row.at_entry, row.at_correction, row.at_threshold)
    return Webhook(cursor=cursor, **{name: getattr(row, name) for name in _FIELDS})


def _values(webhook: Webhook) -> dict[str, Any]:
    values = asdict(webhook)
    del values["cursor"]
    cursor = webhook.cursor
    return {**values, "at_entry": cursor.entry, "at_correction": cursor.correction, "at_threshold": cursor.threshold}

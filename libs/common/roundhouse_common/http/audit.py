"""What a service enters into the audit: writes that were done, in their transaction, and requests that were refused."""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from pydantic import BaseModel

from roundhouse_common.auth import Subject
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.identity import AuditOutcome, AuditRecord
from roundhouse_common.contracts.registry import AUDIT
from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable, WriteSession, enqueue
from roundhouse_common.http.trail import Trail, current_trail
from roundhouse_common.runtime import Clock, Ids

__all__ = ["ANONYMOUS", "Audit", "change_between", "enter_change", "to_outbox"]

Write = Callable[[WriteSession, AuditRecord], Awaitable[None]]

ANONYMOUS: Final = "anonymous"
_TOLD_BY_THE_RECORD: Final = frozenset(
    ("created_at", "created_by", "generation", "id", "secret", "updated_at", "updated_by")
)
"""Members of views that are no change of their own. `secret`: whatever shows one, the audit never does."""
_CHANGE_CHARACTERS: Final = 16_384
_REFUSALS_EVERY_S: Final = 60.0
_REFUSALS_MOST: Final = 10
_ACTORS_MOST: Final = 10_000
_log = structlog.get_logger(component=__name__)


class Audit:
    """Enters records of one service. `write` puts a record into a transaction."""

    def __init__(
        self, service: Service, db: Database, write: Write, *, clock: Clock, ids: Ids, wake: Callable[[], None]
    ) -> None:
        self._service = service
        self._db = db
        self._write = write
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._refusals: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def enter(
        self,
        session: WriteSession,
        *,
        before: BaseModel | None = None,
        after: BaseModel | None = None,
        action: str = "",
        subject: Subject | None = None,
        detail: str = "",
        **stated: Any,  # Any: other members of AuditRecord, over what follows from the request and the views
    ) -> None:
        """Record a change in its own transaction. Nothing is written when `before` and `after` say the same, unless a
        `detail` says what else there was.

        `before` and `after` are views as REST shows them, so without secrets: neither a creation without `before` nor a
        deletion without `after` needs more. Action, object and caller follow from the request unless they are stated.
        """
        trail = current_trail()
        if trail is not None:
            trail.entered += 1
        change = change_between(before, after)
        if detail and not change:
            change = {"detail": [None, detail]}
        if before is not None and after is not None and not change:
            return
        shown = after or before
        record = self._record(trail, subject, action=action)
        named = {
            "object_id": str(getattr(shown, "id", "")) or record.object_id,
            "object_name": str(getattr(shown, "name", "")),
            "change": _as_text(change),
        }
        members = {**_members(record), **named, **stated}
        await self._write(session, AuditRecord(**members))
        session.after_commit(self._wake)

    async def finish(self, trail: Trail, status: int) -> None:
        """Record what the handler of a request did not: a refusal, or a write that went by without a transaction.

        Never fails: what cannot be written is in the log instead.
        """
        refused = status in (401, 403)
        if not refused and trail.entered:
            return
        record = self._record(trail, None)
        outcome = AuditOutcome.REFUSED if refused else AuditOutcome.DONE
        stated = {**trail.told, "outcome": outcome, "reason": trail.error_code if refused else ""}
        members = {**_members(record), **stated}
        if refused and (skipped := self._skip(members["actor"], trail.client_address)) is not None:
            if not skipped:
                return
            members["change"] = json.dumps({"refusals_in_a_minute": [0, skipped]})
        try:
            async with self._db.write() as session:
                await self._write(session, AuditRecord(**members))
                session.after_commit(self._wake)
        except (DatabaseBusy, DatabaseUnavailable) as error:
            _log.error("audit_not_written", action=record.action, actor=record.actor, error=str(error))

    def _record(self, trail: Trail | None, subject: Subject | None, action: str = "") -> AuditRecord:
        subject = subject or (trail.subject if trail else None)
        action = action or (trail.action if trail else "")
        return AuditRecord(
            record_id=self._ids.new("aud"),
            at=self._clock.now(),
            service=self._service.value,
            actor=subject.actor if subject else ANONYMOUS,
            tenant_id=subject.tenant_id if subject else "",
            action=action,
            object_kind=action.partition(".")[0] if "." in action else "",
            object_id=trail.object_id if trail else "",
            client_address=trail.client_address if trail else "",
            user_agent=trail.user_agent if trail else "",
            request_id=trail.request_id if trail else "",
            session_id=subject.session_id if subject else "",
        )

    def _skip(self, actor: str, address: str) -> int | None:
        """Return None for a refusal to record, 0 for one too many; of those, each tenfold is recorded with its number.

        Whoever is refused can do it as often as they like, and must not be able to fill the disk.
        """
        who, now = f"{actor} {address}", self._clock.monotonic()
        since, count = self._refusals.pop(who, (now, 0))
        if now - since > _REFUSALS_EVERY_S:
            since, count = now, 0
        count += 1
        self._refusals[who] = (since, count)
        while len(self._refusals) > _ACTORS_MOST:
            self._refusals.popitem(last=False)
        if count <= _REFUSALS_MOST:
            return None
        return count if count in (100, 1000, 10_000, 100_000) else 0


async def enter_change(
    session: WriteSession,
    *,
    before: BaseModel | None = None,
    after: BaseModel | None = None,
    detail: str = "",
    **stated: Any,  # Any: as `Audit.enter` has it
) -> None:
    """Record a change in its own transaction, in the audit of the service that answers the request: see `Audit.enter`.

    Outside of requests, and in a service that keeps no audit, nothing is written.
    """
    trail = current_trail()
    if trail is not None and trail.end is not None:
        await trail.end.enter(session, before=before, after=after, detail=detail, **stated)


def to_outbox(service: Service) -> Write:
    """Return what sends records to the catalog, through the outbox of another service."""

    async def write(session: WriteSession, record: AuditRecord) -> None:
        await enqueue(session, AUDIT[service], record, record.record_id, event_id=record.record_id)

    return write


def change_between(before: BaseModel | None, after: BaseModel | None) -> dict[str, list[Any]]:  # Any: JSON values
    """Return the members that differ, each with its value before and after; None where there was or is nothing."""
    was = {} if before is None else before.model_dump(mode="json")
    now = {} if after is None else after.model_dump(mode="json")
    return {
        name: [was.get(name), now.get(name)]
        for name in sorted({*was, *now} - _TOLD_BY_THE_RECORD)
        if was.get(name) != now.get(name)
    }


def _as_text(change: dict[str, list[Any]]) -> str:
    """Return the change as JSON. One that is too long keeps the names of what changed."""
    if not change:
        return ""
    text = json.dumps(change, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= _CHANGE_CHARACTERS:
        return text
    return json.dumps({name: ["(too long)", "(too long)"] for name in change}, separators=(",", ":"))


def _members(record: AuditRecord) -> dict[str, Any]:  # Any: of several types
    return {name: getattr(record, name) for name in record.__struct_fields__}

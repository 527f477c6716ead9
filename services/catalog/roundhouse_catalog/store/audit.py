"""The audit in SQL: entries are added at the end of the chain, in the transaction of what they tell of.

Writes of the catalog run one after the other, also over several processes, so the end of the chain cannot fork.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select

from roundhouse_catalog.domain.audit_chain import GENESIS, Break, Entry, Head, entry_after, first_break
from roundhouse_catalog.store.audit_tables import audit, audit_seals
from roundhouse_common.contracts.identity import AuditRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "Filter",
    "Verified",
    "head",
    "list_entries",
    "record",
    "remove_sealed",
    "seal",
    "sealed_head",
    "verified_after",
]

_A = audit.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are asked for; None: any."""

    tenant_id: str | None = None
    actor: str | None = None
    action: str | None = None
    """`deployment.stop`, or `deployment.` for all that was done to deployments."""
    object_kind: str | None = None
    object_id: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None


async def record(session: WriteSession, entry: AuditRecord) -> None:
    """Enter a record if, and only if, the transaction commits. One whose id is there already is left out."""
    if await session.scalar(select(_A.sequence).where(_A.record_id == entry.record_id)) is not None:
        return
    following = entry_after(await head(session), entry)
    await session.execute(
        insert(audit).values(
            sequence=following.sequence,
            record_id=entry.record_id,
            previous_hash=following.previous_hash,
            hash=following.hash,
            record=following.record,
            at=entry.at,
            tenant_id=entry.tenant_id,
            actor=entry.actor,
            action=entry.action,
            object_kind=entry.object_kind,
            object_id=entry.object_id[:256],
            outcome=entry.outcome.value,
        )
    )


async def head(session: ReadSession) -> Head:
    """Return where the chain ends."""
    row = (await session.execute(select(_A.sequence, _A.hash).order_by(_A.sequence.desc()).limit(1))).one_or_none()
    return await sealed_head(session) if row is None else Head(sequence=row.sequence, hash=row.hash)


async def sealed_head(session: ReadSession) -> Head:
    """Return what the oldest entry that is there must follow: the last one that was removed, or the beginning."""
    query = select(audit_seals).order_by(audit_seals.c.last_sequence.desc()).limit(1)
    row = (await session.execute(query)).one_or_none()
    return Head(sequence=0, hash=GENESIS) if row is None else Head(sequence=row.last_sequence, hash=row.last_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a walk over some entries found."""

    outcome: Head | Break
    checked: int
    is_anchored: bool
    """The expected head was among them, as it was."""


async def verified_after(session: ReadSession, after: Head, expected: Head | None, *, limit: int) -> Verified | None:
    """Walk the next entries of all tenants; None when there are none. The columns for filters are held to the text."""
    query = select(audit).where(_A.sequence > after.sequence).order_by(_A.sequence).limit(limit)
    rows = (await session.execute(query)).all()
    if not rows:
        return None
    outcome = first_break([_entry(row) for row in rows], after)
    if isinstance(outcome, Head):
        outcome = next((found for row in rows if (found := _column_break(row)) is not None), outcome)
    anchors = [row for row in rows if expected is not None and row.sequence == expected.sequence]
    if expected is not None and anchors and anchors[0].hash != expected.hash and isinstance(outcome, Head):
        outcome = Break(sequence=expected.sequence, why="its hash is not the one that was kept elsewhere")
    return Verified(outcome=outcome, checked=len(rows), is_anchored=bool(anchors))


def _column_break(row: Row[Any]) -> Break | None:  # Any: a row of `audit`
    """Return the break where a column says something else than the text: filters would not find the entry."""
    record = _entry(row).read()
    said = (record.record_id, record.at, record.tenant_id, record.actor, record.action, record.object_kind)
    is_same = said == (row.record_id, row.at, row.tenant_id, row.actor, row.action, row.object_kind) and (
        record.object_id[:256],
        record.outcome.value,
    ) == (row.object_id, row.outcome)
    return None if is_same else Break(sequence=row.sequence, why="a column for filters differs from what it says")


async def list_entries(
    session: ReadSession, wanted: Filter, *, limit: int, before: int | None = None, after: int | None = None
) -> Sequence[Entry]:
    """Return what fits: the newest first, older than the number `before`; or, with `after`, the oldest first."""
    query = _filtered(select(audit), wanted)
    if after is not None:
        query = query.where(_A.sequence > after).order_by(_A.sequence)
    else:
        query = query.order_by(_A.sequence.desc())
        query = query if before is None else query.where(_A.sequence < before)
    return [_entry(row) for row in await session.execute(query.limit(limit))]


async def seal(session: WriteSession, *, before: UnixTime, at: UnixTime, actor: str) -> Head | None:
    """Seal the chain up to the last of the oldest entries that are all older than `before`; None if there is none.

    The newest entry stays: it shows where the chain goes on.
    """
    first = await session.scalar(select(func.min(_A.sequence)).where(_A.at >= before))
    end = (await head(session)).sequence if first is None else first
    query = select(_A.sequence, _A.hash).where(_A.sequence < end).order_by(_A.sequence.desc()).limit(1)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    values = {"last_sequence": row.sequence, "last_hash": row.hash, "sealed_at": at, "sealed_by": actor}
    await session.execute(insert(audit_seals).values(values))
    return Head(sequence=row.sequence, hash=row.hash)


async def remove_sealed(session: WriteSession) -> int:
    """Remove what a seal covers and return how much that was."""
    covered = await sealed_head(session)
    return (await session.execute(delete(audit).where(_A.sequence <= covered.sequence))).rowcount


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:  # Any: rows of `audit`
    for column, value in (
        (_A.tenant_id, wanted.tenant_id),
        (_A.actor, wanted.actor),
        (_A.object_kind, wanted.object_kind),
        (_A.object_id, wanted.object_id),
        (_A.outcome, wanted.outcome),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.action is not None:
        is_family = wanted.action.endswith(".")
        query = query.where(
            _A.action.startswith(wanted.action, autoescape=True) if is_family else _A.action == wanted.action
        )
    if wanted.since is not None:
        query = query.where(_A.at >= wanted.since)
    return query if wanted.until is None else query.where(_A.at < wanted.until)


def _entry(row: Row[Any]) -> Entry:  # Any: a row of `audit`
    return Entry(sequence=row.sequence, previous_hash=row.previous_hash, hash=row.hash, record=row.record)

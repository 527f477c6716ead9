"""The timeline of a deployment: what administrators changed beside what was decided and observed."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from roundhouse_common.contracts.catalog import DeploymentChanged
from roundhouse_common.database import WriteSession, upsert
from roundhouse_scheduler.store import tables

__all__ = ["forget_old", "note_changes"]

_BATCH = 1000


async def note_changes(session: WriteSession, changes: Sequence[DeploymentChanged]) -> None:
    """Add what administrators did. The event id is unique: the same change again is nothing."""
    rows = [
        {
            "event_id": change.event_id,
            "at": change.at,
            "deployment_id": change.deployment_id,
            "kind": "deployment.changed",
            "replica_id": "",
            "before": "",
            "after": change.change.value,
            "reason": change.change.value,
            "detail": change.detail,
            "actor": change.actor,
        }
        for change in changes
    ]
    if rows:
        await session.execute(upsert(session.dialect, tables.events, key=["event_id"]), rows)


async def forget_old(session: WriteSession, *, events_before: float, replicas_before: float) -> int:
    """Delete events, ended switches and ended replicas older than these times, some at a time, and return how many."""
    old_events = select(tables.events.c.event_id).where(tables.events.c.at < events_before).limit(_BATCH)
    old_replicas = select(tables.replicas.c.replica_id).where(tables.replicas.c.ended_at < replicas_before)
    old_lines = select(tables.node_events.c.event_id).where(tables.node_events.c.at < events_before).limit(_BATCH)
    lines = await session.execute(delete(tables.node_events).where(tables.node_events.c.event_id.in_(old_lines)))
    old_switches = select(tables.switches.c.switch_id).where(tables.switches.c.ended_at < events_before).limit(_BATCH)
    switches = await session.execute(delete(tables.switches).where(tables.switches.c.switch_id.in_(old_switches)))
    gone = await session.execute(delete(tables.events).where(tables.events.c.event_id.in_(old_events)))
    ended = await session.execute(
        delete(tables.replicas).where(tables.replicas.c.replica_id.in_(old_replicas.limit(_BATCH)))
    )
    return gone.rowcount + lines.rowcount + switches.rowcount + ended.rowcount

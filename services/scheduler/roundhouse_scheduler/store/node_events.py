"""The timeline of nodes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import insert, select, tuple_

from roundhouse_common.contracts.scheduler import RegisterNode
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import Ids
from roundhouse_scheduler.domain.duties import NodeEvent
from roundhouse_scheduler.domain.plan import NodeMarked
from roundhouse_scheduler.domain.records import Node, NodeState
from roundhouse_scheduler.store import tables

__all__ = ["Line", "list_node_events", "note_marks", "note_order", "note_registration"]

_SCHEDULER = "service:scheduler"
_SAID = {
    NodeState.READY: "it is heard again",
    NodeState.LATE: "its lease ran out",
    NodeState.UNREACHABLE: "it stayed silent past the grace",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a node's timeline."""

    event_id: str
    at: float
    node_id: str
    kind: str
    before: str
    after: str
    detail: str
    actor: str

    @property
    def key(self) -> str:
        """What listings are ordered by."""
        return f"{self.at!r}/{self.event_id}"


async def note_order(
    session: WriteSession, node_id: str, event: NodeEvent, *, event_id: str, at: float, actor: str
) -> None:
    """Add what an administrator did."""
    await session.execute(
        insert(tables.node_events).values(
            event_id=event_id,
            at=at,
            node_id=node_id,
            kind=event.kind,
            before=event.before,
            after=event.after,
            detail=event.detail,
            actor=actor,
        )
    )


async def note_marks(session: WriteSession, marks: Iterable[NodeMarked], *, at: float, ids: Ids) -> None:
    """Add who fell silent and who was heard again."""
    rows = [
        {
            "event_id": ids.new("evt"),
            "at": at,
            "node_id": mark.node_id,
            "kind": "node.state",
            "before": mark.before.value,
            "after": mark.after.value,
            "detail": _SAID[mark.after],
            "actor": _SCHEDULER,
        }
        for mark in marks
    ]
    if rows:
        await session.execute(insert(tables.node_events), rows)


async def note_registration(session: WriteSession, node: Node, request: RegisterNode, *, before: Node | None) -> None:
    """Add that a node agent registered and got a new epoch: every other agent of the node is superseded by it."""
    detail = f"agent {request.inventory.agent_version} on {request.inventory.hostname}"
    if before is not None:
        detail += f"; epoch {before.epoch} is superseded"
    named = hashlib.sha256(f"{node.node_id}/{node.epoch}".encode()).hexdigest()
    event = NodeEvent(
        kind="node.registered",
        before=f"epoch {before.epoch}" if before is not None else "",
        after=f"epoch {node.epoch}",
        detail=detail,
    )
    await note_order(
        session,
        node.node_id,
        event,
        event_id=f"evt_{named[:32]}",
        at=node.registered_at,
        actor="service:node-agent",
    )


async def list_node_events(
    session: ReadSession, node_id: str, *, limit: int, after: tuple[float, str] | None
) -> list[Line]:
    """Return the timeline of a node, the oldest first."""
    table = tables.node_events
    query = select(table).where(table.c.node_id == node_id)
    if after is not None:
        query = query.where(tuple_(table.c.at, table.c.event_id) > tuple_(*after))
    rows = await session.execute(query.order_by(table.c.at, table.c.event_id).limit(limit))
    return [Line(**row._mapping) for row in rows]

"""Nodes: registration and the note of when they were heard."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import bindparam, select, update

from roundhouse_common.contracts.scheduler import NodeAdmission, RegisterNode
from roundhouse_common.database import WriteSession
from roundhouse_scheduler.domain.adoption import runs
from roundhouse_scheduler.domain.errors import NodeIsHeard, NodeRemoved, UnknownNode
from roundhouse_scheduler.domain.records import Node, NodeState
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.joining import key_of_node
from roundhouse_scheduler.store.node_events import note_registration
from roundhouse_scheduler.store.rows import add, node_from, replace
from roundhouse_scheduler.store.strangers import unknown_of

__all__ = ["give_up", "note_heartbeats", "register"]


async def register(session: WriteSession, request: RegisterNode, *, at: float) -> Node:
    """Return the node with the epoch that is now valid for this incarnation.

    A new incarnation gets a higher epoch, which supersedes every other agent of the node. The same incarnation asking
    again gets the same epoch, unless it has had that one: a node refuses an epoch that does not grow. A new node that
    joined by token is what was said of it then. Raises NodeRemoved.
    """
    row = (await session.execute(select(tables.nodes).where(tables.nodes.c.node_id == request.node_id))).first()
    if row is None:
        key = await key_of_node(session, request.node_id)
        node = Node(
            node_id=request.node_id,
            epoch=request.highest_epoch + 1,
            incarnation=request.incarnation,
            inventory=request.inventory,
            state_since=at,
            registered_at=at,
            last_heartbeat_at=at,
            admission=key.admission if key else NodeAdmission.APPROVED,
            labels=key.labels if key else {},
            region=key.region if key else "",
            zone=key.zone if key else "",
            is_settled=await _is_known(session, request),
        )
        await add(session, tables.nodes, node)
        await note_registration(session, node, request, before=None)
        return node
    before = node_from(row)
    if before.admission is NodeAdmission.REMOVED:
        raise NodeRemoved(request.node_id)
    if before.incarnation == request.incarnation and before.epoch > request.highest_epoch:
        return before
    node = msgspec.structs.replace(
        before,
        epoch=max(before.epoch, request.highest_epoch) + 1,
        incarnation=request.incarnation,
        inventory=request.inventory,
        registered_at=at,
        last_heartbeat_at=at,
        report_sequence=0,
        is_shutting_down=False,
        is_given_up=False,
        is_settled=await _is_known(session, request),
    )
    await replace(session, tables.nodes, node)
    await note_registration(session, node, request, before=before)
    return node


async def _is_known(session: WriteSession, request: RegisterNode) -> bool:
    """Whether the record has heard of all that runs there; if not, nothing is stopped before the planner has judged."""
    return not await unknown_of(session, [entry.replica_id for entry in request.replicas if runs(entry)])


async def give_up(session: WriteSession, node_id: str) -> Node:
    """Record that an operator says the node is dead. Raises UnknownNode, and NodeIsHeard while it is not silent."""
    row = (await session.execute(select(tables.nodes).where(tables.nodes.c.node_id == node_id))).first()
    if row is None:
        raise UnknownNode(node_id)
    before = node_from(row)
    if before.state is NodeState.READY:
        raise NodeIsHeard(node_id)
    node = msgspec.structs.replace(before, is_given_up=True)
    await replace(session, tables.nodes, node)
    return node


async def note_heartbeats(session: WriteSession, heard: Mapping[str, float]) -> None:
    """Record when nodes were last heard: for people and for the next start, no decision reads it."""
    statement = (
        update(tables.nodes)
        .where(tables.nodes.c.node_id == bindparam("of"))
        .values(last_heartbeat_at=bindparam("heard"))
    )
    await session.execute(statement, [{"of": key, "heard": at} for key, at in sorted(heard.items())])

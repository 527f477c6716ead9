"""Carry out what an administrator ordered of a node: its row, its timeline and the documents that follow, at once."""

from collections.abc import Callable

import msgspec
from sqlalchemy import select

from roundhouse_common.database import WriteSession
from roundhouse_scheduler.domain.duties import Ordered, remove
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.domain.revisions import next_document_revision
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.node_events import note_order
from roundhouse_scheduler.store.pages import find_node, owners_of, replicas_on
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import deployment_from, replace, replace_all

__all__ = ["carry_out", "remove_node"]


async def carry_out(
    session: WriteSession,
    node_id: str,
    order: Callable[[Node], Ordered],
    *,
    at: float,
    actor: str,
    event_id: str,
) -> bool:
    """Do what `order` says of the node as it is in this transaction; return whether it changed anything.

    Raises UnknownNode, and whatever the order refuses.
    """
    before = await find_node(session, node_id)
    after, event = order(before)
    if event is None:
        return False
    await replace(session, tables.nodes, after)
    await note_order(session, node_id, event, event_id=event_id, at=at, actor=actor)
    if after.in_region != before.in_region:
        await _tell_routers(session, node_id, at)
    return True


async def remove_node(session: WriteSession, node_id: str, *, at: float, actor: str, event_id: str) -> bool:
    """Remove a node. Raises UnknownNode, and NodeHoldsReplicas while something may still run there."""
    held = await replicas_on(session, [node_id])
    names = {key: owner.name for key, owner in (await owners_of(session, held)).items()}
    return await carry_out(
        session, node_id, lambda node: remove(node, held, names), at=at, actor=actor, event_id=event_id
    )


async def _tell_routers(session: WriteSession, node_id: str, at: float) -> None:
    """The region is part of the endpoints: their documents changed."""
    here = select(tables.replicas.c.deployment_id).where(
        tables.replicas.c.node_id == node_id, tables.replicas.c.ended_at.is_(None)
    )
    found = await session.execute(select(tables.deployments).where(tables.deployments.c.deployment_id.in_(here)))
    changed = [
        msgspec.structs.replace(row, endpoints_revision=next_document_revision(row.endpoints_revision, at))
        for row in map(deployment_from, found)
    ]
    await replace_all(session, tables.deployments, changed, revision=await next_revision(session))

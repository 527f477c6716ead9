"""Take an order, change it, take it back: its row, the timelines of its nodes, all in the caller's transaction."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import insert, select

from roundhouse_common.contracts.provisioning import FileWish
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.runtime import Ids
from roundhouse_scheduler.domain.errors import AlreadyOrdered, OrderIsEnding
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.provisioning import add_order, change_order
from roundhouse_scheduler.store.rows import node_from

__all__ = ["note_gone", "place_order", "remove_engine", "remove_files", "retry_order", "told_nodes", "wish_files"]

Order = TypeVar("Order", OrderedEngine, OrderedFiles)
_KINDS = {OrderedEngine: "node.engine", OrderedFiles: "node.files"}


async def told_nodes(session: ReadSession) -> list[Node]:
    """Return the nodes that were not removed, by id."""
    query = select(tables.nodes).where(tables.nodes.c.admission != NodeAdmission.REMOVED)
    return [node_from(row) for row in await session.execute(query.order_by(tables.nodes.c.node_id))]


async def place_order(
    session: WriteSession, order: Order, existing: Sequence[Order], nodes: Sequence[Node], *, ids: Ids
) -> tuple[Order, bool]:
    """Return the order and whether it is new: the same again for the same nodes is the one there is.

    An order by name is refused (AlreadyOrdered) for nodes of which another one for the same names some; orders by
    label and for all may overlap: nodes are told of the oldest.
    """
    same = [item for item in existing if item.identity == order.identity and not item.is_ending]
    for item in same:
        if item.nodes == order.nodes:
            return item, False
    for item in same:
        both = [node.node_id for node in nodes if item.is_for(node) and order.is_for(node)]
        if both and order.nodes.node_ids:
            raise AlreadyOrdered(order.in_words, item.order_id, both)
    await add_order(session, order)
    await _note(session, order, nodes, "", "ordered", ids=ids)
    return order, True


async def retry_order(
    session: WriteSession, order: Order, nodes: Sequence[Node], *, actor: str, at: float, ids: Ids
) -> Order:
    """Let nodes on which it failed try again."""
    if isinstance(order, OrderedFiles) and order.is_ending:
        raise OrderIsEnding(order.in_words, order.order_id)
    return await _change(session, order, nodes, "retried", actor=actor, at=at, ids=ids, attempt=order.attempt + 1)


async def remove_engine(
    session: WriteSession, order: OrderedEngine, nodes: Sequence[Node], *, actor: str, at: float, ids: Ids
) -> OrderedEngine:
    """Take it back: the engine goes from every node. Again changes nothing."""
    if order.is_removed:
        return order
    return await _change(session, order, nodes, "removed", actor=actor, at=at, ids=ids, is_removed=True, gone_from=())


async def remove_files(
    session: WriteSession,
    order: OrderedFiles,
    nodes: Sequence[Node],
    wish: FileWish,
    *,
    actor: str,
    at: float,
    ids: Ids,
) -> OrderedFiles:
    """Take it back, and the files with it or not. Again changes nothing; another word about the files counts."""
    if order.wish is wish:
        return order
    return await _change(session, order, nodes, wish.value, actor=actor, at=at, ids=ids, wish=wish, gone_from=())


async def wish_files(
    session: WriteSession,
    order: OrderedFiles,
    nodes: Sequence[Node],
    wish: FileWish,
    *,
    actor: str,
    at: float,
    ids: Ids,
) -> OrderedFiles:
    """Pause or resume. Raises OrderIsEnding for one that was taken back."""
    if order.is_ending:
        raise OrderIsEnding(order.in_words, order.order_id)
    if order.wish is wish:
        return order
    return await _change(session, order, nodes, wish.value, actor=actor, at=at, ids=ids, wish=wish)


async def note_gone(
    session: WriteSession, order: OrderedEngine | OrderedFiles, node_ids: Sequence[str], at: float
) -> None:
    """Add to the timelines of nodes that they have done with a removal."""
    rows = [
        {
            "event_id": _event_id(order, node_id),
            "at": at,
            "node_id": node_id,
            "kind": _KINDS[type(order)],
            "before": order.wish.value if isinstance(order, OrderedFiles) else "removed",
            "after": "gone",
            "detail": order.in_words,
            "actor": "service:node-agent",
        }
        for node_id in node_ids
    ]
    if rows:
        await session.execute(upsert(session.dialect, tables.node_events, key=["event_id"]), rows)


def _event_id(order: OrderedEngine | OrderedFiles, node_id: str) -> str:
    """The same for the same news: it may be told twice."""
    named = f"{order.order_id}/{order.changed_at!r}/{node_id}"
    return f"evt_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


async def _change(
    session: WriteSession,
    order: Order,
    nodes: Sequence[Node],
    after: str,
    *,
    actor: str,
    at: float,
    ids: Ids,
    **changes: object,
) -> Order:
    changed = msgspec.structs.replace(order, actor=actor, changed_at=at, **changes)
    await change_order(session, changed)
    await _note(session, changed, nodes, order.wish.value if isinstance(order, OrderedFiles) else "", after, ids=ids)
    return msgspec.structs.replace(changed, row_version=order.row_version + 1)


async def _note(
    session: WriteSession,
    order: OrderedEngine | OrderedFiles,
    nodes: Sequence[Node],
    before: str,
    after: str,
    *,
    ids: Ids,
) -> None:
    """One line for each node that it is for now."""
    rows = [
        {
            "event_id": ids.new("evt"),
            "at": order.changed_at,
            "node_id": node.node_id,
            "kind": _KINDS[type(order)],
            "before": before,
            "after": after,
            "detail": f"{order.in_words}, for {order.nodes.in_words}",
            "actor": order.actor,
        }
        for node in nodes
        if order.is_for(node)
    ]
    if rows:
        await session.execute(insert(tables.node_events), rows)

"""When a removal is over: every node that it concerns has said so, or is not there any more.

A node has the last word: what it was told of and has taken in, and does not have any more, is gone from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roundhouse_common.contracts.provisioning import FilesState, FileWish, NodeStore
from roundhouse_scheduler.domain.provisioning.documents import Orders, is_told
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.records import Node

__all__ = ["Settled", "settle"]

Order = OrderedEngine | OrderedFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the removals."""

    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By order, the nodes that have done with it and of which that was not known."""
    over: tuple[str, ...] = ()
    """Orders with which every node has done."""


def settle(
    orders: Orders, nodes: Mapping[str, Node], stores: Mapping[str, NodeStore], told: Mapping[str, int]
) -> Settled:
    """Return how far the removals are. `told` is the revision of each node's present document: only a node that has
    taken it in can have done what it says."""
    gone: dict[str, tuple[str, ...]] = {}
    over: list[str] = []
    for order in orders.every:
        if not order.is_ending:
            continue
        waited_for = {node.node_id for node in _concerned(order, nodes.values(), stores)} - set(order.gone_from)
        done = {key for key in waited_for if _is_done(order, key, stores.get(key), orders, nodes, told)}
        if done:
            gone[order.order_id] = tuple(sorted(done))
        if done == waited_for:
            over.append(order.order_id)
    return Settled(gone=gone, over=tuple(over))


def _concerned(order: Order, nodes: Iterable[Node], stores: Mapping[str, NodeStore]) -> Iterable[Node]:
    """Nodes that it is for, and those that have something of it though it is not for them any more."""
    for node in nodes:
        if is_told(node) and (order.is_for(node) or _has(order, stores.get(node.node_id))):
            yield node


def _has(order: Order, store: NodeStore | None) -> bool:
    if store is None:
        return False
    kept = store.engines if isinstance(order, OrderedEngine) else store.models
    return any(item.order_id == order.order_id for item in kept)


def _is_done(
    order: Order,
    node_id: str,
    store: NodeStore | None,
    orders: Orders,
    nodes: Mapping[str, Node],
    told: Mapping[str, int],
) -> bool:
    node = nodes[node_id]
    if any(item.identity == order.identity and not item.is_ending and item.is_for(node) for item in orders.every):
        return True  # another order wants it there
    revision = told.get(node_id)
    if store is None or revision is None or store.orders_revision < revision:
        return False
    if isinstance(order, OrderedEngine):
        return not _has(order, store)
    model = next((item for item in store.models if item.key == order.key), None)
    if model is None:
        return True
    if order.wish is FileWish.CANCEL:
        return model.state is FilesState.READY or model.is_in_use
    return False

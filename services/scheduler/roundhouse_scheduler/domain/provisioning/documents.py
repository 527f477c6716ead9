"""What each node is told: `content_of(node, ...)`, level-triggered from the orders and from what the nodes report.

Removal is an order too, until the node has done with it; what is not listed is left as it is.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.provisioning import (
    EngineOrder,
    FileOrder,
    FilesState,
    FileWish,
    NodeOrders,
    NodeStore,
    Peer,
)
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.records import Node

__all__ = ["Content", "Need", "Orders", "content_of", "is_told", "ready_keys"]

PeersOf = Callable[[str], tuple[Peer, ...]]
"""For a key, whom the node copies from."""
Order = TypeVar("Order", OrderedEngine, OrderedFiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All there are, the oldest first."""

    engines: Sequence[OrderedEngine] = ()
    files: Sequence[OrderedFiles] = ()

    @property
    def every(self) -> tuple[OrderedEngine | OrderedFiles, ...]:
        """Those of both kinds."""
        return (*self.engines, *self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A replica on the node needs these files, ordered or not."""

    name: str
    source: ModelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a node is told, apart from its revision."""

    engines: tuple[EngineOrder, ...] = ()
    files: tuple[FileOrder, ...] = ()
    lacking: frozenset[str] = field(default=frozenset())
    """Keys of files that it is to have and has not: it is told of new peers for them."""

    @property
    def digest(self) -> str:
        """The same for the same content."""
        return hashlib.sha256(msgspec.json.encode((self.engines, self.files))).hexdigest()

    def document(self, node_id: str, revision: int) -> NodeOrders:
        """Return it as the node reads it."""
        return NodeOrders(node_id=node_id, revision=revision, engines=self.engines, files=self.files)


def is_told(node: Node) -> bool:
    """Return whether a node is told of orders at all: one that was let in and not removed."""
    return node.admission is NodeAdmission.APPROVED


def ready_keys(store: NodeStore | None) -> frozenset[str]:
    """Return the keys of the files that a node has whole."""
    if store is None:
        return frozenset()
    return frozenset(model.key for model in store.models if model.state is FilesState.READY)


def content_of(
    node: Node, store: NodeStore | None, orders: Orders, needs: Mapping[str, Need], peers_of: PeersOf
) -> Content:
    """Return what a node is to be told now. `needs` are the files that its replicas need, by key."""
    if not is_told(node):
        return Content()
    has = {item.order_id for item in store.engines if item.order_id} if store is not None else set()
    engines = [_engine_order(order) for order in _told_of(node, orders.engines, has)]
    held = {item.order_id for item in store.models if item.order_id} if store is not None else set()
    told = _told_of(node, orders.files, held)
    ready = ready_keys(store)
    wanted = {order.key for order in told if order.wish is FileWish.FETCH}
    lacking = (wanted | needs.keys()) - ready
    files = [_file_order(order, peers_of(order.key) if order.key in lacking else ()) for order in told]
    for key in sorted(lacking - {order.key for order in told}):
        peers = peers_of(key)
        if peers:
            files.append(FileOrder(order_id="", name=needs[key].name, source=needs[key].source, peers=peers))
    return Content(engines=tuple(engines), files=tuple(files), lacking=frozenset(lacking))


def _told_of(node: Node, orders: Iterable[Order], known: set[str]) -> list[Order]:
    """Return the orders that a node is told of. Of several for the same the oldest counts, one that fetches before one
    that pauses; what some order wants, none removes."""
    mine = [order for order in orders if order.is_for(node) or order.order_id in known]
    standing: dict[tuple[str, ...], Order] = {}
    for order in sorted((item for item in mine if not item.is_ending), key=_precedence):
        if order.is_for(node):
            standing.setdefault(order.identity, order)
    told = list(standing.values())
    for order in mine:
        if order.is_ending and node.node_id not in order.gone_from and order.identity not in standing:
            told.append(order)
    return sorted(told, key=lambda order: order.order_id)


def _precedence(order: OrderedEngine | OrderedFiles) -> tuple[bool, str]:
    return isinstance(order, OrderedFiles) and order.wish is not FileWish.FETCH, order.order_id


def _engine_order(order: OrderedEngine) -> EngineOrder:
    return EngineOrder(
        order_id=order.order_id,
        engine=order.engine,
        version=order.version,
        variant=order.variant,
        method=order.method,
        path=order.path,
        image=order.image,
        is_removed=order.is_removed,
        attempt=order.attempt,
    )


def _file_order(order: OrderedFiles, peers: tuple[Peer, ...]) -> FileOrder:
    return FileOrder(
        order_id=order.order_id,
        name=order.name,
        source=order.source,
        wish=order.wish,
        peers=peers,
        attempt=order.attempt,
    )

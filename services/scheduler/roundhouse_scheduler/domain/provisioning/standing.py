"""How far each node is with an order, from its own report."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EnvironmentState,
    FilesState,
    InstallMethod,
    NodeStore,
    StoredModel,
)
from roundhouse_scheduler.domain.provisioning.documents import is_told
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.records import Node, NodeState

__all__ = ["EngineStanding", "FilesStanding", "engine_standing", "files_standing", "nodes_of", "twins_of"]

_ORDERED = "ordered"
_GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStanding:
    """One node and the engine ordered for it."""

    state: str
    """As the node says; `ordered` until it has said anything, `gone` when a removal is done with."""
    detail: str
    environment: EngineEnvironment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesStanding:
    """One node and the files ordered for it."""

    state: str
    detail: str
    model: StoredModel | None


def nodes_of(order: OrderedEngine | OrderedFiles, nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes that an order is for now, those that have done with its removal among them."""
    return [node for node in nodes if is_told(node) and order.is_for(node)]


def twins_of(order: OrderedEngine, orders: Iterable[OrderedEngine]) -> frozenset[str]:
    """Return the other orders for the same installation: a node is told of one of them only."""
    return frozenset(other.order_id for other in orders if other.identity == order.identity)


def engine_standing(
    order: OrderedEngine, node: Node, store: NodeStore | None, twins: Collection[str] = ()
) -> EngineStanding:
    """Return how far one node is. An environment of another order counts when it is the same."""
    found = _environment(order, store, twins)
    if node.node_id in order.gone_from:
        return EngineStanding(state=_GONE, detail="", environment=None)
    if found is None or (found.state is EnvironmentState.FAILED and found.attempt < order.attempt):
        return EngineStanding(state=_ORDERED, detail=_waits_for(node, store), environment=None)
    return EngineStanding(state=found.state.value, detail=found.detail, environment=found)


def files_standing(order: OrderedFiles, node: Node, store: NodeStore | None) -> FilesStanding:
    """Return how far one node is."""
    found = next((item for item in store.models if item.key == order.key), None) if store is not None else None
    if node.node_id in order.gone_from:
        return FilesStanding(state=_GONE, detail="", model=None)
    if found is None or (found.state is FilesState.FAILED and found.attempt < order.attempt):
        return FilesStanding(state=_ORDERED, detail=_waits_for(node, store), model=found)
    return FilesStanding(state=found.state.value, detail=found.detail, model=found)


def _environment(order: OrderedEngine, store: NodeStore | None, twins: Collection[str]) -> EngineEnvironment | None:
    if store is None:
        return None
    mine = next((item for item in store.engines if item.order_id == order.order_id), None)
    if mine is not None or order.is_removed:
        return mine
    return next((item for item in store.engines if item.order_id in twins or _is_same(order, item)), None)


def _is_same(order: OrderedEngine, found: EngineEnvironment) -> bool:
    """Return whether it was built for a newer order that means the same: an older one's says nothing of this one.

    By path or as an image only the same order is the same: what a node reports does not name the place.
    """
    return (
        order.method is found.method is InstallMethod.ENVIRONMENT
        and found.engine == order.engine.value
        and found.order_id > order.order_id
        and order.version in ("", found.version)
        and order.variant in ("", found.variant)
    )


def _waits_for(node: Node, store: NodeStore | None) -> str:
    if node.state is not NodeState.READY:
        return "the node is silent; it hears of the order when it is back"
    if store is None:
        return "the node has not said yet what it keeps"
    return "the node has not taken it up yet"

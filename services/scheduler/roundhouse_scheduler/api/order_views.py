"""Orders for engines and model files as REST shows them, with how far each node is."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import BaseModel, Field

from roundhouse_common.contracts.catalog import EngineKind, ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileWish, InstallMethod, NodeStore, StoredModel, TransferProgress
from roundhouse_common.http import Timestamp
from roundhouse_common.model_sources import shown_uri
from roundhouse_scheduler.domain.provisioning.orders import NodeSelector, OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.provisioning.standing import engine_standing, files_standing, nodes_of, twins_of
from roundhouse_scheduler.domain.records import Node

__all__ = ["EngineOrderView", "FileOrderView", "SourceView", "TransferView"]

Live = Callable[[str, str], TransferProgress | None]
"""How far a node is with a key, as it said a moment ago."""


class SelectorView(BaseModel):
    """Which nodes an order is for; exactly one is set."""

    node_ids: list[str]
    labels: dict[str, str]
    all: bool

    @classmethod
    def of(cls, selector: NodeSelector) -> "SelectorView":
        return cls(node_ids=list(selector.node_ids), labels=selector.labels, all=selector.is_all)


class SourceView(BaseModel):
    """Where a model's files come from."""

    kind: SourceKind
    uri: str = Field(description="Of an upload its id.")
    revision: str
    patterns: list[str]
    sha256: str

    @classmethod
    def of(cls, source: ModelSource) -> "SourceView":
        """Return the view of a source, without what lets nodes read it."""
        return cls(
            kind=source.kind,
            uri=shown_uri(source),
            revision=source.revision,
            patterns=list(source.patterns),
            sha256=source.sha256,
        )


class TransferView(BaseModel):
    """How far a transfer is; live while its node tells."""

    stored_bytes: int
    total_bytes: int = Field(description="0 while not known.")
    rate_bytes_s: float = Field(description="0 while nothing is being fetched.")
    left_s: float | None = Field(description="Until it is whole, at this rate; null when that cannot be told.")
    origin: str = Field(description="Where it comes from at the moment, in words.")

    @classmethod
    def of(cls, model: StoredModel | None, live: TransferProgress | None) -> "TransferView":
        """Return what is known; what was said a moment ago is newer than the report."""
        if live is not None:
            return cls(
                stored_bytes=live.stored_bytes,
                total_bytes=live.total_bytes,
                rate_bytes_s=live.rate_bytes_s,
                left_s=live.left_s if live.left_s >= 0 else None,
                origin=live.origin,
            )
        stored, total = (model.stored_bytes, model.total_bytes) if model is not None else (0, 0)
        return cls(stored_bytes=stored, total_bytes=total, rate_bytes_s=0.0, left_s=None, origin="")


class EngineOnNodeView(BaseModel):
    """One node and the engine ordered for it."""

    node_id: str
    hostname: str
    state: str = Field(
        description="`ordered` until the node has taken it up, then the state of its environment; `gone` when a "
        "removal is done with."
    )
    step: str
    detail: str
    environment_id: str = Field(description="Empty until the node has one.")
    version: str = Field(description="As the engine states it.")
    log_tail: list[str]


class FilesOnNodeView(TransferView):
    """One node and the files ordered for it."""

    node_id: str
    hostname: str
    state: str = Field(description="`ordered` until the node has taken it up, then the state of the files, or `gone`.")
    detail: str


class OrderView(BaseModel):
    """What every order has."""

    id: str
    nodes: SelectorView
    attempt: int = Field(description="Grows with every retry.")
    actor: str = Field(description="Who changed it last.")
    created_at: Timestamp
    changed_at: Timestamp


class EngineOrderView(OrderView):
    """One engine that nodes should have, or should have no more."""

    engine: EngineKind
    version: str
    variant: str
    method: InstallMethod
    path: str
    image: str
    is_removed: bool = Field(description="It goes when every node has reported that the engine is gone.")
    on_nodes: list[EngineOnNodeView] = Field(description="The nodes that it is for now.")

    @classmethod
    def of(
        cls,
        order: OrderedEngine,
        nodes: Sequence[Node],
        stores: Mapping[str, NodeStore],
        orders: Iterable[OrderedEngine],
    ) -> "EngineOrderView":
        """Return the view of an order, which is one of the orders there are."""
        twins = twins_of(order, orders)
        return cls(
            id=order.order_id,
            engine=order.engine,
            version=order.version,
            variant=order.variant,
            method=order.method,
            path=order.path,
            image=order.image,
            nodes=SelectorView.of(order.nodes),
            is_removed=order.is_removed,
            attempt=order.attempt,
            actor=order.actor,
            created_at=order.created_at,
            changed_at=order.changed_at,
            on_nodes=[_engine_on(order, node, stores.get(node.node_id), twins) for node in nodes_of(order, nodes)],
        )


class FileOrderView(OrderView):
    """A model's files that nodes should have, or should have no more."""

    name: str
    key: str = Field(description="Of the source: the same files have the same everywhere.")
    source: SourceView
    wish: FileWish = Field(description="`cancel` and `remove` until every node has done so; then the order goes.")
    on_nodes: list[FilesOnNodeView] = Field(description="The nodes that it is for now.")

    @classmethod
    def of(
        cls, order: OrderedFiles, nodes: Sequence[Node], stores: Mapping[str, NodeStore], live: Live
    ) -> "FileOrderView":
        """Return the view of an order."""
        return cls(
            id=order.order_id,
            name=order.name,
            key=order.key,
            source=SourceView.of(order.source),
            nodes=SelectorView.of(order.nodes),
            wish=order.wish,
            attempt=order.attempt,
            actor=order.actor,
            created_at=order.created_at,
            changed_at=order.changed_at,
            on_nodes=[_files_on(order, node, stores.get(node.node_id), live) for node in nodes_of(order, nodes)],
        )


def _engine_on(order: OrderedEngine, node: Node, store: NodeStore | None, twins: frozenset[str]) -> EngineOnNodeView:
    standing = engine_standing(order, node, store, twins)
    found = standing.environment
    return EngineOnNodeView(
        node_id=node.node_id,
        hostname=node.inventory.hostname,
        state=standing.state,
        step=found.step if found is not None else "",
        detail=standing.detail,
        environment_id=found.environment_id if found is not None else "",
        version=found.version if found is not None else "",
        log_tail=list(found.log_tail) if found is not None else [],
    )


def _files_on(order: OrderedFiles, node: Node, store: NodeStore | None, live: Live) -> FilesOnNodeView:
    standing = files_standing(order, node, store)
    transfer = TransferView.of(standing.model, live(node.node_id, order.key))
    return FilesOnNodeView(
        node_id=node.node_id,
        hostname=node.inventory.hostname,
        state=standing.state,
        detail=standing.detail,
        **transfer.model_dump(),
    )

"""Orders of administrators: which engine, or which model's files, on which nodes. One row of SQL each."""

from collections.abc import Mapping

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, ModelSource
from roundhouse_common.contracts.provisioning import FileWish, InstallMethod
from roundhouse_scheduler.domain.records import Node

__all__ = ["ENDING", "NodeSelector", "OrderedEngine", "OrderedFiles", "selects"]

ENDING = frozenset({FileWish.CANCEL, FileWish.REMOVE})
"""Wishes of an order that goes as soon as every node has done what they say."""


class NodeSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes an order is for: these, those with all of these labels, or all. Exactly one is set."""

    node_ids: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    is_all: bool = False

    @property
    def in_words(self) -> str:
        """For the timeline and for messages."""
        if self.is_all:
            return "all nodes"
        if self.labels:
            return "nodes with " + ", ".join(f"{key}={value}" for key, value in sorted(self.labels.items()))
        return ", ".join(self.node_ids)


def selects(selector: NodeSelector, node_id: str, labels: Mapping[str, str]) -> bool:
    """Return whether an order is for this node, whatever its admission."""
    if selector.is_all:
        return True
    if selector.labels:
        return all(labels.get(key) == value for key, value in selector.labels.items())
    return node_id in selector.node_ids


class OrderedEngine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine that some nodes should have, or should have no more."""

    order_id: str
    engine: EngineKind
    version: str = ""
    variant: str = ""
    method: InstallMethod = InstallMethod.ENVIRONMENT
    path: str = ""
    image: str = ""
    nodes: NodeSelector
    is_removed: bool = False
    """It goes as soon as every node has reported that it is gone."""
    gone_from: tuple[str, ...] = ()
    """Nodes that have done with the removal: they are told of it no more."""
    attempt: int = 1
    actor: str
    created_at: float
    changed_at: float
    row_version: int = 0

    @property
    def identity(self) -> tuple[str, ...]:
        """What is the same installation on a node."""
        return self.engine.value, self.version, self.variant, self.method.value, self.path, self.image

    @property
    def is_ending(self) -> bool:
        return self.is_removed

    @property
    def in_words(self) -> str:
        """For people, e.g. `vllm 0.32.0 (cpu)`."""
        where = self.path or self.image
        words = " ".join(part for part in (self.engine.value, self.version, f"from {where}" if where else "") if part)
        return f"{words} ({self.variant})" if self.variant else words

    def is_for(self, node: Node) -> bool:
        return selects(self.nodes, node.node_id, node.all_labels)


class OrderedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one source that some nodes should have, or should have no more."""

    order_id: str
    key: str
    """`source_key` of the source."""
    name: str
    source: ModelSource
    nodes: NodeSelector
    wish: FileWish = FileWish.FETCH
    gone_from: tuple[str, ...] = ()
    attempt: int = 1
    actor: str
    created_at: float
    changed_at: float
    row_version: int = 0

    @property
    def identity(self) -> tuple[str, ...]:
        """What is the same on a node."""
        return (self.key,)

    @property
    def is_ending(self) -> bool:
        return self.wish in ENDING

    @property
    def in_words(self) -> str:
        return f"the files of {self.name}"

    def is_for(self, node: Node) -> bool:
        return selects(self.nodes, node.node_id, node.all_labels)

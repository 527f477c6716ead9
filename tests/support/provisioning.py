"""Builders for what nodes keep ready: orders, and what nodes report."""

from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EnvironmentState,
    FilesState,
    InstallMethod,
    NodeStore,
    StoredModel,
)
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.domain.provisioning.orders import NodeSelector, OrderedEngine, OrderedFiles

__all__ = ["ALL", "QWEN", "a_store", "an_engine_order", "an_environment", "files_order", "kept"]

ALL = NodeSelector(is_all=True)
QWEN = ModelSource(kind=SourceKind.HUGGING_FACE, uri="Qwen/Qwen3-0.6B")


def an_engine_order(order_id: str = "eor_1", **changes: Any) -> OrderedEngine:
    base = OrderedEngine(
        order_id=order_id,
        engine=EngineKind.VLLM,
        version="0.32.0",
        nodes=ALL,
        actor="user:usr_admin",
        created_at=0.0,
        changed_at=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def files_order(order_id: str = "for_1", source: ModelSource = QWEN, **changes: Any) -> OrderedFiles:
    base = OrderedFiles(
        order_id=order_id,
        key=source_key(source),
        name="qwen",
        source=source,
        nodes=ALL,
        actor="user:usr_admin",
        created_at=0.0,
        changed_at=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def an_environment(order_id: str = "eor_1", **changes: Any) -> EngineEnvironment:
    base = EngineEnvironment(
        environment_id="vllm-0.32.0-cpu",
        engine="vllm",
        version="0.32.0",
        variant="cpu",
        method=InstallMethod.ENVIRONMENT,
        state=EnvironmentState.READY,
        order_id=order_id,
        attempt=1,
        since=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def kept(source: ModelSource = QWEN, state: FilesState = FilesState.READY, **changes: Any) -> StoredModel:
    """A model on a node."""
    base = StoredModel(key=source_key(source), name="qwen", source=source, state=state, since=0.0)
    return msgspec.structs.replace(base, **changes)


def a_store(node_id: str = "nod_1", *models: StoredModel, **changes: Any) -> NodeStore:
    base = NodeStore(
        node_id=node_id,
        incarnation="one",
        sequence=1,
        at=0.0,
        models=models,
        files_url=f"http://{node_id}:9",
        files_token=f"token-of-{node_id}",
    )
    return msgspec.structs.replace(base, **changes)

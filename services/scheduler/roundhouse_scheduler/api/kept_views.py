"""What nodes keep ready as REST shows it: engines, model files, and what a clean-up takes."""

from pydantic import BaseModel, Field

from roundhouse_common.contracts.node import LogChunk
from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EnvironmentState,
    FilesState,
    InstallMethod,
    StoreCleaned,
    StoredModel,
    TransferProgress,
)
from roundhouse_common.http import Timestamp
from roundhouse_scheduler.api.order_views import SourceView, TransferView
from roundhouse_scheduler.domain.records import Node

__all__ = ["CleanedView", "EngineView", "InstallationLogView", "ModelFilesView"]


class EngineView(BaseModel):
    """One engine on one node."""

    node_id: str
    hostname: str
    environment_id: str = Field(description="Unique on the node; its log is read by this name.")
    engine: str
    version: str = Field(description="As the engine states it; as ordered until it was asked.")
    variant: str
    method: InstallMethod
    state: EnvironmentState
    step: str = Field(description="What is being done now.")
    detail: str = Field(description="Why it failed, and what to do.")
    origin: str
    size_bytes: int
    since: Timestamp
    order_id: str | None = Field(description="Null for one that was found there.")
    log_tail: list[str] = Field(description="The decisive last lines of a failed installation.")

    @property
    def page_key(self) -> str:
        """What listings are ordered by."""
        return f"{self.node_id}/{self.environment_id}"

    @classmethod
    def of(cls, node: Node, found: EngineEnvironment) -> "EngineView":
        """Return the view of an environment."""
        return cls(
            node_id=node.node_id,
            hostname=node.inventory.hostname,
            environment_id=found.environment_id,
            engine=found.engine,
            version=found.version,
            variant=found.variant,
            method=found.method,
            state=found.state,
            step=found.step,
            detail=found.detail,
            origin=found.origin,
            size_bytes=found.size_bytes,
            since=found.since,
            order_id=found.order_id or None,
            log_tail=list(found.log_tail),
        )


class ModelFilesView(TransferView):
    """The files of one model on one node."""

    node_id: str
    hostname: str
    key: str
    name: str
    source: SourceView
    state: FilesState
    order_id: str | None = Field(description="Null when nobody ordered them.")
    revision: str = Field(description="The commit that was fetched.")
    file_count: int
    detail: str = Field(description="Why it failed or waits, and what to do.")
    since: Timestamp
    used_at: Timestamp | None = Field(description="When a replica last had them; null: never.")
    is_in_use: bool = Field(description="A replica or an order wants them: they are not cleaned up.")
    is_adopted: bool = Field(description="They were on the disk before and are not copied.")
    path: str

    @property
    def page_key(self) -> str:
        """What listings are ordered by."""
        return f"{self.node_id}/{self.key}"

    @classmethod
    def of_model(cls, node: Node, found: StoredModel, live: TransferProgress | None) -> "ModelFilesView":
        """Return the view of a model's files; live figures count while they are being fetched."""
        transfer = TransferView.of(found, live if found.state is FilesState.FETCHING else None)
        return cls(
            node_id=node.node_id,
            hostname=node.inventory.hostname,
            key=found.key,
            name=found.name,
            source=SourceView.of(found.source),
            state=found.state,
            order_id=found.order_id or None,
            revision=found.revision,
            file_count=found.file_count,
            detail=found.detail,
            since=found.since,
            used_at=found.used_at or None,
            is_in_use=found.is_in_use,
            is_adopted=found.is_adopted,
            path=found.path,
            **transfer.model_dump(),
        )


class CleanedModelView(BaseModel):
    """The files of one model that went, or would."""

    key: str
    name: str
    stored_bytes: int
    used_at: Timestamp | None
    path: str


class CleanedView(BaseModel):
    """What was deleted, or in a dry run would be."""

    models: list[CleanedModelView]
    freed_bytes: int
    error: str = Field(description="Why it could not be done, in words.")

    @classmethod
    def of(cls, answer: StoreCleaned) -> "CleanedView":
        """Return the view of a node's answer."""
        return cls(
            models=[
                CleanedModelView(
                    key=item.key,
                    name=item.name,
                    stored_bytes=item.stored_bytes,
                    used_at=item.used_at or None,
                    path=item.path,
                )
                for item in answer.models
            ],
            freed_bytes=answer.freed_bytes,
            error=answer.error,
        )


class InstallationLogView(BaseModel):
    """A range of what an installation wrote."""

    environment_id: str
    offset: int
    next_offset: int = Field(description="Send it as `offset` to go on.")
    text: str
    is_truncated: bool
    error: str = Field(description="Why there is no log, in words.")

    @classmethod
    def of(cls, chunk: LogChunk) -> "InstallationLogView":
        """Return the view of a chunk."""
        return cls(
            environment_id=chunk.replica_id,
            offset=chunk.offset,
            next_offset=chunk.next_offset,
            text=chunk.text,
            is_truncated=chunk.is_truncated,
            error=chunk.error,
        )

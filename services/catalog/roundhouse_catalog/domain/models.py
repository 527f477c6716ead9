"""Models: what can be deployed, where its files are, and what it is good for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.model_defaults import check_defaults, tidied
from roundhouse_catalog.domain.sources import REPOSITORIES, SourceDraft, check_source, is_commit, source_of
from roundhouse_common.contracts.catalog import REMOTE_SOURCES, ModelDefaults, ModelKind, ModelSource
from roundhouse_common.contracts.models import ModelFacts, ModelInspected
from roundhouse_common.model_sources import shown_uri
from roundhouse_common.runtime import ModelId, UnixTime

__all__ = [
    "MODEL_KINDS",
    "Model",
    "ModelDraft",
    "ModelPatch",
    "copy_model",
    "create_model",
    "known_kind",
    "learn",
    "revise_model",
]

MODEL_KINDS: Mapping[str, ModelKind] = {kind.value: kind for kind in ModelKind if kind is not ModelKind.UNKNOWN}

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
    resolved_revision: str = ""
    """The commit at which the source's branch stood when a node looked; empty until then. Versions are made of it."""
    total_bytes: int = 0
    """Of the files that nodes fetch; 0 when not known."""
    file_count: int = 0
    defaults: ModelDefaults | None = None
    trial_deployment_id: str = ""
    """The deployment that people may try it with; empty: none was named."""
    trial_name: str = ""
    """What they call it by: empty unless that deployment is to run, has this model and is open to all of the tenant."""

    @property
    def pinned_source(self) -> ModelSource:
        """Return the source as versions take it: of a repository one commit, so that all replicas have the same."""
        if not self.resolved_revision:
            return self.source
        return msgspec.structs.replace(self.source, revision=self.resolved_revision)

    @property
    def is_moving(self) -> bool:
        """Whether its files may change without anybody saying so: no node has looked where its branch stands."""
        is_settled = self.facts is not None or self.resolved_revision or is_commit(self.source.revision)
        return self.source.kind in REPOSITORIES and not is_settled

    @property
    def is_remote(self) -> bool:
        """Whether nodes have to fetch the files."""
        return self.source.kind in REMOTE_SOURCES

    @property
    def known_context_length(self) -> int:
        """Tokens: as stated, else as the files say; 0 when unknown."""
        return self.context_length or (self.facts.context_length if self.facts else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDraft:
    """A model as the caller wrote it, not yet checked."""

    name: str
    kind: str
    source: SourceDraft
    context_length: int = 0
    licence: str = ""
    tags: tuple[str, ...] = ()
    memory_bytes: int = 0
    is_published: bool = False
    defaults: ModelDefaults | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPatch:
    """The fields to change; None leaves a field as it is."""

    name: str | None = None
    kind: str | None = None
    source: SourceDraft | None = None
    context_length: int | None = None
    licence: str | None = None
    tags: tuple[str, ...] | None = None
    memory_bytes: int | None = None
    is_published: bool | None = None
    defaults: ModelDefaults | None = None
    trial_deployment_id: str | None = None
    """Checked by the caller, who knows the deployment; empty: none any more."""


def create_model(draft: ModelDraft, *, model_id: ModelId, tenant_id: str, now: UnixTime, address: str = "") -> Model:
    """Return the checked model. Raises InvalidInput with every fault.

    `address` is where nodes read the upload that its source names.
    """
    _check(draft)
    return Model(
        model_id=model_id,
        tenant_id=tenant_id,
        name=draft.name,
        kind=ModelKind(draft.kind),
        source=source_of(draft.source, address=address),
        context_length=draft.context_length,
        licence=draft.licence,
        tags=_distinct(draft.tags),
        memory_bytes=draft.memory_bytes,
        is_published=draft.is_published,
        generation=1,
        created_at=now,
        updated_at=now,
        defaults=tidied(draft.defaults),
    )


def copy_model(model: Model, name: str, *, model_id: ModelId, now: UnixTime) -> Model:
    """Return the same model under another name: the same files, what is known of them, and its defaults; no trial."""
    _check(replace(_draft_of(model), name=name))
    return replace(
        model,
        model_id=model_id,
        name=name,
        generation=1,
        created_at=now,
        updated_at=now,
        trial_deployment_id="",
        trial_name="",
    )


def revise_model(model: Model, patch: ModelPatch, *, now: UnixTime, address: str = "") -> Model:
    """Return the model with the changes and the next generation; the same model when nothing changes.

    Another source has other files: what was known of them is forgotten.
    """
    draft = _patched(model, patch)
    _check(draft)
    source = model.source if patch.source is None else source_of(patch.source, address=address)
    changed = replace(
        model if source == model.source else _forgotten(model),
        name=draft.name,
        kind=ModelKind(draft.kind),
        source=source,
        context_length=draft.context_length,
        licence=draft.licence,
        tags=_distinct(draft.tags),
        memory_bytes=draft.memory_bytes,
        is_published=draft.is_published,
        defaults=tidied(draft.defaults),
        trial_deployment_id=_pick(patch.trial_deployment_id, model.trial_deployment_id),
    )
    return model if changed == model else replace(changed, generation=model.generation + 1, updated_at=now)


def learn(model: Model, inspected: ModelInspected, *, now: UnixTime) -> Model:
    """Return the model with what a node read in its files; the same model when it was known, or nothing was read."""
    if inspected.facts is None:
        return model
    learnt = replace(
        model,
        facts=inspected.facts,
        resolved_revision=inspected.revision if model.source.kind in REPOSITORIES else "",
        total_bytes=inspected.total_bytes or model.total_bytes,
        file_count=inspected.file_count or model.file_count,
    )
    return model if learnt == model else replace(learnt, generation=model.generation + 1, updated_at=now)


def known_kind(kind: str) -> ModelKind:
    """Return the kind with this name. Raises InvalidInput naming those there are."""
    findings = Findings()
    findings.add("kind", shapes.choice_fault(kind, MODEL_KINDS))
    findings.refuse()
    return MODEL_KINDS[kind]


def _forgotten(model: Model) -> Model:
    return replace(model, facts=None, resolved_revision="", total_bytes=0, file_count=0)


def _draft_of(model: Model) -> ModelDraft:
    return _patched(model, ModelPatch())


def _patched(model: Model, patch: ModelPatch) -> ModelDraft:
    return ModelDraft(
        name=_pick(patch.name, model.name),
        kind=_pick(patch.kind, model.kind.value),
        source=_pick(patch.source, _source_draft(model.source)),
        context_length=_pick(patch.context_length, model.context_length),
        licence=_pick(patch.licence, model.licence),
        tags=_pick(patch.tags, model.tags),
        memory_bytes=_pick(patch.memory_bytes, model.memory_bytes),
        is_published=_pick(patch.is_published, model.is_published),
        defaults=model.defaults if patch.defaults is None else patch.defaults,
    )


def _source_draft(source: ModelSource) -> SourceDraft:
    return SourceDraft(
        kind=source.kind.value,
        uri=shown_uri(source),
        revision=source.revision,
        patterns=source.patterns,
        sha256=source.sha256,
    )


def _pick(new: T | None, old: T) -> T:
    return old if new is None else new


def _check(draft: ModelDraft) -> None:
    findings = Findings()
    findings.add("name", shapes.model_name_fault(draft.name))
    findings.add("kind", shapes.choice_fault(draft.kind, MODEL_KINDS))
    check_source(draft.source, findings)
    findings.add("context_length", shapes.range_fault(draft.context_length, 0, _MOST_CONTEXT_TOKENS, unit="tokens"))
    findings.add("licence", shapes.licence_fault(draft.licence))
    findings.add("memory_bytes", shapes.range_fault(draft.memory_bytes, 0, _MOST_MEMORY_BYTES, unit="bytes"))
    if len(draft.tags) > _MOST_TAGS:
        findings.add("tags", f"{len(draft.tags)} tags found; {_MOST_TAGS} are allowed")
    for index, tag in enumerate(draft.tags[:_MOST_TAGS]):
        findings.add(f"tags.{index}", shapes.tag_fault(tag))
    if draft.defaults is not None:
        check_defaults(draft.defaults, findings)
    findings.refuse()


def _distinct(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))

"""Versions: the immutable half of a deployment, i.e. which model runs on which engine with which resources."""

from dataclasses import dataclass

from roundhouse_catalog.domain.drafts import AlternativeDraft, ResourcesDraft, VersionDraft, VersionPatch
from roundhouse_catalog.domain.engines import check_engine_version, check_parameters, parse_engine
from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.memory import Memory, check_memory, memory_of
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.placement import (
    check_device_class,
    check_placement,
    check_resources,
    placement_draft,
    placement_of,
)
from roundhouse_catalog.domain.runnable import check_runnable
from roundhouse_catalog.domain.shapes import deployment_name_fault
from roundhouse_common.contracts.catalog import Alternative, EngineKind, Resources, VersionSpec
from roundhouse_common.runtime import UnixTime, VersionId

__all__ = [
    "ModelChoice",
    "UnknownModel",
    "Version",
    "apply_patch",
    "build_spec",
    "check_for_model",
    "check_version",
    "version_differences",
]

_MOST_ALTERNATIVES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version as it was made. Nothing in it ever changes."""

    spec: VersionSpec
    created_at: UnixTime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownModel:
    """The caller named a model that is not there, or that they may not see."""

    wanted: str
    known_names: tuple[str, ...]


ModelChoice = Model | UnknownModel


def apply_patch(active: VersionSpec, model: ModelChoice, patch: VersionPatch) -> VersionDraft:
    """Return the draft of the next version.

    Memory that was not stated anew is the new model's if the model changes, and reckoned anew if it was reckoned.
    """
    is_same_model = isinstance(model, Model) and model.model_id == active.model_id
    is_kept = is_same_model and active.memory_need is None
    resources, alternatives = patch.resources, patch.alternatives
    if resources is None:
        resources = _resources_draft(active.resources, is_memory_kept=is_kept)
    if alternatives is None:
        # Whether an alternative's memory was stated or reckoned is known for all of a version at once.
        alternatives = tuple(_alternative_draft(one, is_memory_kept=is_kept) for one in active.alternatives)
    return VersionDraft(
        engine=active.engine.value if patch.engine is None else patch.engine,
        parameters=dict(active.parameters) if patch.parameters is None else patch.parameters,
        resources=resources,
        placement=placement_draft(active.placement) if patch.placement is None else patch.placement,
        alternatives=alternatives,
        template=active.template,
        engine_version=_engine_version(active, patch),
        installs_engine=active.installs_engine if patch.installs_engine is None else patch.installs_engine,
    )


def check_version(draft: VersionDraft, findings: Findings) -> None:
    """Record every fault that shows without the model: shapes, ranges, names."""
    match parse_engine(draft.engine):
        case EngineKind() as engine:
            check_engine_version(engine, draft.engine_version, findings)
            check_parameters(engine, draft.parameters, findings)
            for index, one in enumerate(draft.alternatives[:_MOST_ALTERNATIVES]):
                check_parameters(engine, one.parameters, findings, path=f"alternatives.{index}.parameters")
        case fault:
            findings.add("engine", fault)
    check_resources("resources", draft.resources, findings)
    _check_alternatives(draft, findings)
    has_devices = any(way.resources.device_count for way in draft.ways)
    check_placement(draft.placement, draft.ways[0].resources, has_devices=has_devices, findings=findings)


def check_for_model(draft: VersionDraft, model: ModelChoice, findings: Findings, *, unread: str = "") -> None:
    """Record why this version could never run this model, as far as its facts are known.

    `unread` says why they are not, when its files could not be read.
    """
    if isinstance(model, UnknownModel):
        findings.add("model", _unknown_model(model))
        return
    if model.is_moving and unread:
        findings.add("model", _moving_model(model, unread))
    engine = parse_engine(draft.engine)
    if not isinstance(engine, EngineKind):
        return
    check_runnable(engine, draft, model, findings)
    check_memory(engine, draft, model, findings, unread=unread)


def build_spec(draft: VersionDraft, model: Model, *, version_id: VersionId, number: int) -> VersionSpec:
    """Return the spec of a draft that was found without fault. What the model is, is copied."""
    engine = EngineKind(draft.engine)
    ways = draft.ways
    memories = [memory_of(engine, way, model) for way in ways]
    of_alternatives = memories[-len(draft.alternatives) :] if draft.alternatives else []
    return VersionSpec(
        version_id=version_id,
        number=number,
        model_id=model.model_id,
        model_name=model.name,
        model_kind=model.kind,
        source=model.pinned_source,
        context_length=model.known_context_length,
        engine=engine,
        architecture=model.facts.architecture if model.facts is not None else "",
        parameters=draft.parameters,
        resources=_resources(ways[0].resources, memories[0]),
        placement=placement_of(draft.placement),
        alternatives=tuple(
            _alternative(one, memory) for one, memory in zip(draft.alternatives, of_alternatives, strict=True)
        ),
        template=draft.template,
        memory_need=memories[0].need,
        engine_version=draft.engine_version,
        installs_engine=draft.installs_engine,
        defaults=model.defaults,
    )


def version_differences(before: VersionSpec, after: VersionSpec) -> str:
    """Return what the later version changes, in words for the timeline."""
    told = [
        f"{name} {old} -> {new}"
        for name, old, new in (
            ("model", before.model_name, after.model_name),
            ("engine", before.engine.value, after.engine.value),
            ("engine version", before.engine_version or "any", after.engine_version or "any"),
        )
        if old != new
    ]
    told += [
        name
        for name, old, new in (
            ("model source", before.source, after.source),
            ("model defaults", before.defaults, after.defaults),
            ("parameters", before.parameters, after.parameters),
            ("resources", before.resources, after.resources),
            ("placement", before.placement, after.placement),
            ("alternatives", before.alternatives, after.alternatives),
            ("installs_engine", before.installs_engine, after.installs_engine),
        )
        if old != new
    ]
    return f"version {before.number} -> {after.number}: {', '.join(told) or 'the same again'}"


def _check_alternatives(draft: VersionDraft, findings: Findings) -> None:
    if len(draft.alternatives) > _MOST_ALTERNATIVES:
        findings.add("alternatives", f"{len(draft.alternatives)} found; {_MOST_ALTERNATIVES} are allowed")
        return
    names: set[str] = set()
    classes: dict[tuple[object, ...], str] = {}
    for index, one in enumerate(draft.alternatives):
        path = f"alternatives.{index}"
        findings.add(f"{path}.name", deployment_name_fault(one.name, what="an alternative's name"))
        if one.name in names:
            findings.add(f"{path}.name", f"{quoted(one.name)} found twice; every alternative has a name of its own")
        names.add(one.name)
        check_resources(f"{path}.resources", one.resources, findings)
        spanned = draft.ways[0].resources.node_count
        if one.resources.node_count >= 1 and one.resources.node_count != spanned:
            found = f"{one.resources.node_count} found; every way to run a version spans as many nodes: {spanned}"
            findings.add(f"{path}.resources.node_count", found)
        has_devices = one.resources.device_count > 0
        check_device_class(path, one.device_vendor, one.device_model, has_devices=has_devices, findings=findings)
        # The first that fits is taken: what claims the same on the same class after it is never looked at.
        claims = (one.device_vendor, one.device_model.casefold(), one.resources)
        if claims in classes:
            findings.add(
                path, f"the same devices and resources as in {quoted(classes[claims])}: it would never be taken"
            )
        classes.setdefault(claims, one.name)


def _resources(draft: ResourcesDraft, memory: Memory) -> Resources:
    return Resources(
        memory_bytes=memory.each_bytes,
        cpu_millis=draft.cpu_millis,
        device_count=draft.device_count,
        node_count=draft.node_count,
        is_exclusive=draft.is_exclusive,
    )


def _alternative(one: AlternativeDraft, memory: Memory) -> Alternative:
    return Alternative(
        name=one.name,
        device_vendor=one.device_vendor,
        device_model=one.device_model,
        resources=_resources(one.resources, memory),
        parameters=one.parameters,
        memory_need=memory.need,
    )


def _resources_draft(resources: Resources, *, is_memory_kept: bool) -> ResourcesDraft:
    return ResourcesDraft(
        memory_bytes=resources.memory_bytes if is_memory_kept else None,
        cpu_millis=resources.cpu_millis,
        device_count=resources.device_count,
        node_count=resources.node_count,
        is_exclusive=resources.is_exclusive,
    )


def _alternative_draft(one: Alternative, *, is_memory_kept: bool) -> AlternativeDraft:
    return AlternativeDraft(
        name=one.name,
        device_vendor=one.device_vendor,
        device_model=one.device_model,
        resources=_resources_draft(one.resources, is_memory_kept=is_memory_kept),
        parameters=one.parameters,
    )


def _engine_version(active: VersionSpec, patch: VersionPatch) -> str:
    """Another engine has other versions: one that was stated for the engine before says nothing of it."""
    if patch.engine_version is not None:
        return patch.engine_version
    return active.engine_version if patch.engine in {None, active.engine.value} else ""


def _moving_model(model: Model, unread: str) -> str:
    branch = quoted(model.source.revision) if model.source.revision else "the main branch"
    return (
        f"which commit {branch} of {quoted(model.source.uri)} stands at is not known, and replicas could get different "
        f"files ({unread}); try again when a node reaches it, or state the whole commit as source.revision of the model"
    )


def _unknown_model(model: UnknownModel) -> str:
    hint = did_you_mean(model.wanted, model.known_names)
    if not hint and model.known_names:
        hint = " GET /api/v1/models lists those there are."
    if not model.known_names:
        hint = " There are no models yet: add one with POST /api/v1/models."
    return f"there is no model with the id or name {quoted(model.wanted)}.{hint}"

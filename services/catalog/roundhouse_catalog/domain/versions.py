"""Versions: the immutable half of a deployment, i.e. which model runs on which engine with which resources."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.engines import ENGINES, check_parameters, parse_engine
from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.catalog import EngineKind, Placement, Resources, VersionSpec
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_common.runtime import UnixTime, VersionId

__all__ = [
    "ModelChoice",
    "ResourcesDraft",
    "UnknownModel",
    "Version",
    "VersionDraft",
    "VersionPatch",
    "apply_patch",
    "build_spec",
    "check_version",
    "version_differences",
]

_MOST_MEMORY_BYTES = 2**50
_MOST_CPU_MILLIS = 4_096_000
_MOST_DEVICES = 1024
_VENDORS = tuple(vendor.value for vendor in DeviceVendor if vendor is not DeviceVendor.UNKNOWN)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesDraft:
    """What one replica claims, as the caller wrote it."""

    memory_bytes: int | None = None
    """None: what the model says."""
    cpu_millis: int = 0
    device_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDraft:
    """A version as the caller wrote it, not yet checked; the model is found by the caller of the decision."""

    engine: str = EngineKind.LLAMA_CPP.value
    parameters: dict[str, str] = field(default_factory=dict)
    resources: ResourcesDraft = field(default_factory=ResourcesDraft)
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPatch:
    """What a new version changes; None keeps what the active version has."""

    engine: str | None = None
    parameters: dict[str, str] | None = None
    resources: ResourcesDraft | None = None
    placement: Placement | None = None


def apply_patch(active: VersionSpec, model: ModelChoice, patch: VersionPatch) -> VersionDraft:
    """Return the draft of the next version. Memory that was not stated anew is the new model's if the model changes."""
    resources = patch.resources
    if resources is None:
        is_same_model = isinstance(model, Model) and model.model_id == active.model_id
        resources = ResourcesDraft(
            memory_bytes=active.resources.memory_bytes if is_same_model else None,
            cpu_millis=active.resources.cpu_millis,
            device_count=active.resources.device_count,
        )
    return VersionDraft(
        engine=active.engine.value if patch.engine is None else patch.engine,
        parameters=dict(active.parameters) if patch.parameters is None else patch.parameters,
        resources=resources,
        placement=active.placement if patch.placement is None else patch.placement,
    )


def check_version(draft: VersionDraft, model: ModelChoice, findings: Findings) -> None:
    """Record every fault of the draft."""
    if isinstance(model, UnknownModel):
        findings.add("model", _unknown_model(model))
    match parse_engine(draft.engine):
        case EngineKind() as engine:
            if isinstance(model, Model):
                findings.add("engine", _kind_fault(engine, model))
            check_parameters(engine, draft.parameters, findings)
        case fault:
            findings.add("engine", fault)
    _check_resources(draft.resources, model, findings)
    _check_placement(draft, findings)


def build_spec(draft: VersionDraft, model: Model, *, version_id: VersionId, number: int) -> VersionSpec:
    """Return the spec of a draft that `check_version` found no fault in. The model's facts are copied."""
    memory_bytes = draft.resources.memory_bytes
    return VersionSpec(
        version_id=version_id,
        number=number,
        model_id=model.model_id,
        model_name=model.name,
        model_kind=model.kind,
        source=model.source,
        context_length=model.context_length,
        engine=EngineKind(draft.engine),
        parameters=draft.parameters,
        resources=Resources(
            memory_bytes=model.memory_bytes if memory_bytes is None else memory_bytes,
            cpu_millis=draft.resources.cpu_millis,
            device_count=draft.resources.device_count,
        ),
        placement=draft.placement,
    )


def version_differences(before: VersionSpec, after: VersionSpec) -> str:
    """Return what the later version changes, in words for the timeline."""
    parts: Iterable[tuple[str, object, object]] = (
        ("model", before.model_name, after.model_name),
        ("engine", before.engine.value, after.engine.value),
    )
    told = [f"{name} {old} -> {new}" for name, old, new in parts if old != new]
    told += [
        name
        for name, old, new in (
            ("model source", before.source, after.source),
            ("parameters", before.parameters, after.parameters),
            ("resources", before.resources, after.resources),
            ("placement", before.placement, after.placement),
        )
        if old != new
    ]
    return f"version {before.number} -> {after.number}: {', '.join(told) or 'the same again'}"


def _unknown_model(model: UnknownModel) -> str:
    hint = did_you_mean(model.wanted, model.known_names)
    if not hint and model.known_names:
        hint = " GET /api/v1/models lists those there are."
    if not model.known_names:
        hint = " There are no models yet: add one with POST /api/v1/models."
    return f"there is no model with the id or name {quoted(model.wanted)}.{hint}"


def _kind_fault(engine: EngineKind, model: Model) -> str | None:
    served = ENGINES[engine].model_kinds
    if model.kind in served:
        return None
    return (
        f"{engine} cannot serve {quoted(model.name)}, a model of the kind {model.kind}; "
        f"it serves {', '.join(sorted(served))}"
    )


def _check_resources(resources: ResourcesDraft, model: ModelChoice, findings: Findings) -> None:
    if resources.memory_bytes is not None:
        fault = shapes.range_fault(resources.memory_bytes, 1, _MOST_MEMORY_BYTES, unit="bytes")
        findings.add("resources.memory_bytes", fault)
    elif isinstance(model, Model) and model.memory_bytes == 0:
        findings.add(
            "resources.memory_bytes",
            f"the memory that {quoted(model.name)} needs is not known; state it here in bytes, "
            "or set memory_bytes of the model",
        )
    findings.add("resources.cpu_millis", shapes.range_fault(resources.cpu_millis, 0, _MOST_CPU_MILLIS))
    findings.add("resources.device_count", shapes.range_fault(resources.device_count, 0, _MOST_DEVICES))


def _check_placement(draft: VersionDraft, findings: Findings) -> None:
    placement = draft.placement
    findings.add("placement.region", shapes.region_fault(placement.region))
    for label, fault in shapes.label_faults(placement.node_labels):
        findings.add(f"placement.node_labels.{label}".removesuffix("."), fault)
    vendor = placement.device_vendor
    if vendor and vendor not in _VENDORS:
        findings.add(
            "placement.device_vendor", f'{quoted(vendor)} found; allowed are {", ".join(_VENDORS)}, or "" for any'
        )
    elif vendor and draft.resources.device_count == 0:
        findings.add(
            "placement.device_vendor",
            f"{quoted(vendor)} found, but resources.device_count is 0: state how many devices a replica takes",
        )

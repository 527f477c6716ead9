"""What can never run: refused at once with the values that could, instead of being found in an engine's log."""

from collections.abc import Mapping

from roundhouse_catalog.domain.drafts import ResourcesDraft, VersionDraft, Way
from roundhouse_catalog.domain.engines import ENGINES, SUGGESTED, parse_engine
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.models import ModelFacts, ModelFormat
from roundhouse_common.sizing import check_devices, check_limits, settings_of

__all__ = ["check_runnable", "depends_on_files"]

_TEMPLATE_FILE = "chat_template_file"


def check_runnable(engine: EngineKind, draft: VersionDraft, model: Model, findings: Findings) -> None:
    """Record every reason why the engine could not run the model so."""
    findings.add("engine", _kind_fault(engine, model))
    if model.facts is not None:
        findings.add("engine", _format_fault(engine, model.facts))
    findings.add("engine", _template_fault(engine, draft, model))
    findings.add("parameters.context", _context_fault(draft.parameters, model))
    for way in draft.ways:
        if way.path:
            findings.add(f"{way.path}parameters.context", _context_fault(way.stated, model))
        findings.add(f"{way.path}resources.node_count", _span_fault(engine, way.resources))
        findings.add(f"{way.path}resources.device_count", _shards_fault(engine, way, model))


def depends_on_files(draft: VersionDraft, model: Model) -> bool:
    """Whether only the model's files can say if this can run: how it is divided, and how long its context may be."""
    states_context = any("context" in way.parameters for way in draft.ways)
    return _divides_heads(draft) or (states_context and not model.known_context_length)


def _divides_heads(draft: VersionDraft) -> bool:
    engine = parse_engine(draft.engine)
    if not isinstance(engine, EngineKind) or not ENGINES[engine].shards_heads:
        return False
    return any(way.resources.device_count * way.resources.node_count > 1 for way in draft.ways)


def _kind_fault(engine: EngineKind, model: Model) -> str | None:
    served = ENGINES[engine].model_kinds
    if model.kind in served:
        return None
    return (
        f"{engine} cannot serve {quoted(model.name)}, a model of the kind {model.kind}; "
        f"it serves {', '.join(sorted(served))}"
    )


def _format_fault(engine: EngineKind, facts: ModelFacts) -> str | None:
    profile = ENGINES[engine]
    if facts.format is not ModelFormat.UNKNOWN and facts.format not in profile.formats:
        able = sorted(kind for kind, other in SUGGESTED.items() if facts.format in other.formats)
        return (
            f"{engine} reads {' and '.join(sorted(profile.formats))}, and the model's files are {facts.format}; "
            f"engines that read it: {', '.join(able)}"
        )
    if profile.unknown_quantizations and facts.quantization.startswith(profile.unknown_quantizations):
        able = sorted(
            kind
            for kind, other in SUGGESTED.items()
            if facts.format in other.formats
            and not (other.unknown_quantizations and facts.quantization.startswith(other.unknown_quantizations))
        )
        return (
            f"{engine} cannot run weights that are quantized as {facts.quantization}; "
            f"engines that can: {', '.join(able) or 'none'}"
        )
    return None


def _template_fault(engine: EngineKind, draft: VersionDraft, model: Model) -> str | None:
    is_held = model.kind in (ModelKind.CHAT, ModelKind.COMPLETION) and _TEMPLATE_FILE not in draft.parameters
    if not is_held or model.defaults is None or not model.defaults.chat_template:
        return None
    if _TEMPLATE_FILE in ENGINES[engine].table.parameters:
        return None
    able = sorted(kind for kind, other in ENGINES.items() if _TEMPLATE_FILE in other.table.parameters)
    return (
        f"{engine} knows no chat template but the one in the model's files, and {quoted(model.name)} was given one of "
        f"its own; engines that take it: {', '.join(able)}"
    )


def _context_fault(parameters: Mapping[str, str], model: Model) -> str | None:
    wanted, known = parameters.get("context", ""), model.known_context_length
    if not (wanted.isascii() and wanted.isdigit() and known and int(wanted) > known):
        return None
    return f"{quoted(wanted)} found; {quoted(model.name)} was made for {known} tokens: 1 to {known} is allowed"


def _span_fault(engine: EngineKind, resources: ResourcesDraft) -> str | None:
    if resources.node_count <= 1:
        return None
    if not ENGINES[engine].spans_nodes:
        able = sorted(kind for kind, profile in SUGGESTED.items() if profile.spans_nodes)
        return (
            f"{resources.node_count} found; a replica of {engine} runs on 1 node. "
            f"Engines that span nodes: {', '.join(able)}"
        )
    if resources.device_count == 0:
        return f"{resources.node_count} found, but device_count is 0: on the CPU a replica runs on 1 node"
    return None


def _shards_fault(engine: EngineKind, way: Way, model: Model) -> str | None:
    """Tensor parallelism gives every device the same part of each layer."""
    resources = way.resources
    if not ENGINES[engine].shards_heads or resources.device_count == 0:
        return None
    parameters = {**way.parameters, "context": "1"}  # how long it may be is another question
    try:
        settings = settings_of(engine, parameters, context_length=model.known_context_length, model_kind=model.kind)
    except ValueError:
        return None  # a parameter that is no number, which is a fault of its own
    if model.facts is None:
        return check_devices(settings, devices=resources.device_count, nodes=resources.node_count)
    unfit = check_limits(
        model.facts, engine=engine, settings=settings, devices=resources.device_count, nodes=resources.node_count
    )
    return None if unfit is None else str(unfit)

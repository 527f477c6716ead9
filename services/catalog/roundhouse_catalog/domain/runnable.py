"""What can never run: refused at once with the values that could, instead of being found in an engine's log."""

from collections.abc import Iterator, Mapping

from roundhouse_catalog.domain.drafts import ResourcesDraft, VersionDraft
from roundhouse_catalog.domain.engines import ENGINES
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.models import ModelFacts, ModelFormat

__all__ = ["check_runnable", "divides_heads"]

_MOST_SHARDS = 64


def check_runnable(engine: EngineKind, draft: VersionDraft, model: Model, findings: Findings) -> None:
    """Record every reason why the engine could not run the model so."""
    findings.add("engine", _kind_fault(engine, model))
    if model.facts is not None:
        findings.add("engine", _format_fault(engine, model.facts))
    for path, resources, parameters in _ways(draft):
        prefix = f"{path}." if path else ""
        findings.add(f"{prefix}parameters.context", _context_fault(parameters, model))
        findings.add(f"{prefix}resources.node_count", _span_fault(engine, resources))
        if model.facts is not None:
            findings.add(f"{prefix}resources.device_count", _heads_fault(engine, resources, model.facts))


def divides_heads(draft: VersionDraft) -> bool:
    """Whether it depends on the model's attention heads if this can run."""
    ways = (draft.resources, *(one.resources for one in draft.alternatives))
    profile = ENGINES.get(EngineKind(draft.engine))
    return profile is not None and profile.shards_heads and any(one.device_count * one.node_count > 1 for one in ways)


def _ways(draft: VersionDraft) -> Iterator[tuple[str, ResourcesDraft, Mapping[str, str]]]:
    """Yield the version itself and each of its alternatives, with the path of its fields."""
    yield "", draft.resources, draft.parameters
    for index, one in enumerate(draft.alternatives):
        # A fault of the version's own parameters is told once, for the version.
        yield f"alternatives.{index}", one.resources, one.parameters


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
        able = sorted(kind for kind, other in ENGINES.items() if facts.format in other.formats)
        return (
            f"{engine} reads {' and '.join(sorted(profile.formats))}, and the model's files are {facts.format}; "
            f"engines that read it: {', '.join(able)}"
        )
    if profile.unknown_quantizations and facts.quantization.startswith(profile.unknown_quantizations):
        able = sorted(
            kind
            for kind, other in ENGINES.items()
            if facts.format in other.formats
            and not (other.unknown_quantizations and facts.quantization.startswith(other.unknown_quantizations))
        )
        return (
            f"{engine} cannot run weights that are quantized as {facts.quantization}; "
            f"engines that can: {', '.join(able) or 'none'}"
        )
    return None


def _context_fault(parameters: Mapping[str, str], model: Model) -> str | None:
    wanted, known = parameters.get("context", ""), model.known_context_length
    if not (wanted.isascii() and wanted.isdigit() and known and int(wanted) > known):
        return None
    return f"{quoted(wanted)} found; {quoted(model.name)} was made for {known} tokens: 1 to {known} is allowed"


def _span_fault(engine: EngineKind, resources: ResourcesDraft) -> str | None:
    if resources.node_count <= 1:
        return None
    if not ENGINES[engine].spans_nodes:
        able = sorted(kind for kind, profile in ENGINES.items() if profile.spans_nodes)
        return (
            f"{resources.node_count} found; a replica of {engine} runs on 1 node. "
            f"Engines that span nodes: {', '.join(able)}"
        )
    if resources.device_count == 0:
        return f"{resources.node_count} found, but device_count is 0: on the CPU a replica runs on 1 node"
    return None


def _heads_fault(engine: EngineKind, resources: ResourcesDraft, facts: ModelFacts) -> str | None:
    """Tensor parallelism gives every device the same number of attention heads."""
    devices = resources.device_count * resources.node_count
    heads = facts.attention_heads
    if not ENGINES[engine].shards_heads or devices <= 1 or heads <= 0 or heads % devices == 0:
        return None
    valid = [str(count) for count in range(1, min(heads, _MOST_SHARDS) + 1) if heads % count == 0]
    over = f" x {resources.node_count} nodes" if resources.node_count > 1 else ""
    return (
        f"{resources.device_count} devices{over} found, but the model's {heads} attention heads "
        f"do not divide by {devices}; in all {', '.join(valid)} devices are allowed"
    )

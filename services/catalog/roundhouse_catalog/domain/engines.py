"""What each inference engine accepts, as far as it can be told without the engine: the node has the last word.

The node agent's driver renders these parameters to the engine's own. A test holds the two tables together.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.shapes import path_fault
from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.models import ModelFormat

__all__ = ["ENGINES", "EngineProfile", "Parameter", "check_parameters", "parse_engine"]

_MOST_UNKNOWN = 20
"""So many unknown parameters are explained one by one; more are no typing mistakes."""

_DECIMAL = re.compile(r"\d{1,4}(\.\d{1,6})?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Shape = Callable[[str], str | None]
"""What is wrong with a parameter's value in words, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One engine parameter, as users write it."""

    doc: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What one engine serves, how it uses several devices, and the parameters it takes."""

    model_kinds: frozenset[ModelKind]
    parameters: Mapping[str, Parameter]
    formats: frozenset[ModelFormat]
    """Of model files."""
    unknown_quantizations: tuple[str, ...] = ()
    """Beginnings of the quantizations that it cannot run although it reads the format."""
    shards_heads: bool = False
    """Every device of a replica takes as many attention heads as the others."""
    spans_nodes: bool = False


def _whole_number(least: int, most: int) -> Shape:
    def shape(value: str) -> str | None:
        if value.isascii() and value.isdigit() and len(value) <= 12 and least <= int(value) <= most:
            return None
        return f"{quoted(value)} found; a whole number from {least} to {most} is allowed"

    return shape


def _one_of(*choices: str) -> Shape:
    def shape(value: str) -> str | None:
        if value in choices:
            return None
        return f"{quoted(value)} found; allowed are {', '.join(choices)}"

    return shape


def _decimal(least: float, most: float) -> Shape:
    def shape(value: str) -> str | None:
        if _DECIMAL.fullmatch(value) and least <= float(value) <= most:
            return None
        return f"{quoted(value)} found; a number from {least:g} to {most:g} is allowed"

    return shape


def _word(value: str) -> str | None:
    if _WORD.fullmatch(value):
        return None
    return f"{quoted(value)} found; 1 to 64 letters, digits and ._- are allowed"


def _layers(value: str) -> str | None:
    if value == "auto" or _whole_number(0, 10_000)(value) is None:
        return None
    return f"{quoted(value)} found; a whole number from 0 to 10000, or auto, is allowed"


_CONTEXT = Parameter(doc="Tokens of context for each request.", shape=_whole_number(1, 10_000_000))
_FLAG = _one_of("true", "false")
_TEMPLATE_FILE = Parameter(
    doc="Absolute path on the node of a Jinja template in place of the model's own.", shape=path_fault
)

_SERVER_PARAMETERS: Mapping[str, Parameter] = {
    "context": _CONTEXT,
    "parallel": Parameter(doc="Requests answered at the same time.", shape=_whole_number(1, 4096)),
    "tensor_parallel": Parameter(
        doc="Devices that share each layer. Without it, those of one node.", shape=_whole_number(1, 1024)
    ),
    "pipeline_parallel": Parameter(
        doc="Stages that share the layers. Without it, one for each node.", shape=_whole_number(1, 64)
    ),
    "queue": Parameter(doc="Requests that may wait; more are refused.", shape=_whole_number(0, 1_000_000)),
    "batch": Parameter(doc="Tokens computed at once.", shape=_whole_number(1, 1_000_000)),
    "dtype": Parameter(doc="Number format of the weights.", shape=_one_of("auto", "bfloat16", "float16", "float32")),
    "memory_share": Parameter(
        doc="Share of each device's memory. Without it, what the need says.", shape=_decimal(0.05, 0.98)
    ),
    "prefix_cache": Parameter(doc="Whether the states of earlier prompts are kept.", shape=_FLAG),
    "eager": Parameter(doc="Start sooner and answer slower: no graphs are captured.", shape=_FLAG),
    "chat_template_file": _TEMPLATE_FILE,
    "tool_parser": Parameter(doc="How the model writes tool calls, by the engine's name for it.", shape=_word),
    "reasoning_parser": Parameter(doc="How the model writes its reasoning, by the engine's name for it.", shape=_word),
    "trust_remote_code": Parameter(doc="Whether code that comes with the model may run.", shape=_FLAG),
    "seed": Parameter(doc="Start of the random numbers.", shape=_whole_number(0, 2_147_483_647)),
}

ENGINES: Mapping[EngineKind, EngineProfile] = {
    EngineKind.LLAMA_CPP: EngineProfile(
        model_kinds=frozenset({ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK}),
        formats=frozenset({ModelFormat.GGUF}),
        parameters={
            "parallel": Parameter(doc="Requests answered at the same time.", shape=_whole_number(1, 256)),
            "context": _CONTEXT,
            "threads": Parameter(doc="CPU threads.", shape=_whole_number(1, 1024)),
            "batch": Parameter(doc="Tokens of a prompt computed at once.", shape=_whole_number(1, 1_000_000)),
            "gpu_layers": Parameter(doc="Layers put on the devices, or auto.", shape=_layers),
            "pooling": Parameter(
                doc="How token embeddings become one.", shape=_one_of("none", "mean", "cls", "last", "rank")
            ),
            "cache_type": Parameter(
                doc="Number format of the KV cache.",
                shape=_one_of("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"),
            ),
            "prompt_cache_mib": Parameter(
                doc="MiB for the states of earlier prompts; 0 keeps none.", shape=_whole_number(0, 1_048_576)
            ),
            "chat_template_file": _TEMPLATE_FILE,
        },
    ),
    EngineKind.VLLM: EngineProfile(
        model_kinds=frozenset({ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK}),
        formats=frozenset({ModelFormat.SAFETENSORS}),
        unknown_quantizations=("bitsandbytes", "squeezellm"),
        shards_heads=True,
        spans_nodes=True,
        parameters={
            **_SERVER_PARAMETERS,
            "cache_type": Parameter(
                doc="Number format of the KV cache.", shape=_one_of("bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2")
            ),
            "quantization": Parameter(
                doc="Method, where the files do not say it.",
                shape=_one_of(
                    "awq", "gptq", "fp8", "compressed-tensors", "torchao", "quark", "mxfp4", "modelopt", "inc"
                ),
            ),
        },
    ),
    EngineKind.SGLANG: EngineProfile(
        model_kinds=frozenset({ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK}),
        formats=frozenset({ModelFormat.SAFETENSORS, ModelFormat.GGUF}),
        shards_heads=True,
        spans_nodes=True,
        parameters={
            **_SERVER_PARAMETERS,
            "cache_type": Parameter(
                doc="Number format of the KV cache.", shape=_one_of("bfloat16", "fp8_e4m3", "fp8_e5m2")
            ),
            "quantization": Parameter(
                doc="Method, where the files do not say it.",
                shape=_one_of(
                    "awq", "gptq", "fp8", "compressed-tensors", "bitsandbytes", "gguf", "modelopt", "w8a8_int8"
                ),
            ),
        },
    ),
}


def parse_engine(name: str) -> EngineKind | str:
    """Return the engine, or what is wrong in words."""
    for engine in ENGINES:
        if engine.value == name:
            return engine
    return f"{quoted(name)} found; engines are {', '.join(sorted(ENGINES))}.{did_you_mean(name, ENGINES)}"


def check_parameters(
    engine: EngineKind, parameters: Mapping[str, str], findings: Findings, *, path: str = "parameters"
) -> None:
    """Record unknown parameters and values of the wrong shape, each under `<path>.<name>`."""
    known = ENGINES[engine].parameters
    if len(parameters) > len(known) + _MOST_UNKNOWN:
        findings.add(path, f"{len(parameters)} found; {engine} has {', '.join(sorted(known))}")
        return
    for name, value in parameters.items():
        parameter = known.get(name)
        if parameter is None:
            findings.add(
                f"{path}.{name}",
                f"{engine} has no parameter {quoted(name)}; it has {', '.join(sorted(known))}."
                f"{did_you_mean(name, known)}",
            )
        else:
            findings.add(f"{path}.{name}", parameter.shape(value))

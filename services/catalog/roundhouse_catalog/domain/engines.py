"""What each inference engine accepts, as far as it can be told without the engine: the node has the last word.

The node agent's driver renders these parameters to the engine's own. A test holds the two tables together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.shapes import path_fault
from roundhouse_common.contracts.catalog import EngineKind, ModelKind

__all__ = ["ENGINES", "EngineProfile", "Parameter", "check_parameters", "parse_engine"]

_MOST_UNKNOWN = 20
"""So many unknown parameters are explained one by one; more are no typing mistakes."""

Shape = Callable[[str], str | None]
"""What is wrong with a parameter's value in words, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One engine parameter, as users write it."""

    doc: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What one engine serves, and the parameters it takes."""

    model_kinds: frozenset[ModelKind]
    parameters: Mapping[str, Parameter]


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


def _layers(value: str) -> str | None:
    if value == "auto" or _whole_number(0, 10_000)(value) is None:
        return None
    return f"{quoted(value)} found; a whole number from 0 to 10000, or auto, is allowed"


ENGINES: Mapping[EngineKind, EngineProfile] = {
    EngineKind.LLAMA_CPP: EngineProfile(
        model_kinds=frozenset({ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK}),
        parameters={
            "parallel": Parameter(doc="Requests answered at the same time.", shape=_whole_number(1, 256)),
            "context": Parameter(doc="Tokens of context for each request.", shape=_whole_number(1, 10_000_000)),
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
            "chat_template_file": Parameter(
                doc="Absolute path on the node of a Jinja template in place of the model's own.", shape=path_fault
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


def check_parameters(engine: EngineKind, parameters: Mapping[str, str], findings: Findings) -> None:
    """Record unknown parameters and values of the wrong shape, each under `parameters.<name>`."""
    known = ENGINES[engine].parameters
    if len(parameters) > len(known) + _MOST_UNKNOWN:
        findings.add("parameters", f"{len(parameters)} found; {engine} has {', '.join(sorted(known))}")
        return
    for name, value in parameters.items():
        parameter = known.get(name)
        if parameter is None:
            findings.add(
                f"parameters.{name}",
                f"{engine} has no parameter {quoted(name)}; it has {', '.join(sorted(known))}."
                f"{did_you_mean(name, known)}",
            )
        else:
            findings.add(f"parameters.{name}", parameter.shape(value))

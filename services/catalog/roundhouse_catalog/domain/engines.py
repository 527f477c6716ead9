"""What each inference engine accepts, as far as it can be told without the engine: the node has the last word.

The node agent's driver renders these parameters to the engine's own; both must know the same names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_common.contracts.catalog import EngineKind, ModelKind

__all__ = ["ENGINES", "EngineProfile", "Parameter", "check_parameters", "parse_engine"]

_TEMPLATE_CHARACTERS = 65_536

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
        digits = value.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 12 and least <= int(value) <= most:
            return None
        return f"{quoted(value)} found; a whole number from {least} to {most} is allowed"

    return shape


def _one_of(*choices: str) -> Shape:
    def shape(value: str) -> str | None:
        if value in choices:
            return None
        return f"{quoted(value)} found; allowed are {', '.join(choices)}"

    return shape


def _template(value: str) -> str | None:
    if not value.strip():
        return "empty; state a Jinja template, or leave the parameter out to use the model's own"
    if "\0" in value:
        return "has a NUL character; state a Jinja template"
    if len(value) > _TEMPLATE_CHARACTERS:
        return f"{len(value)} characters found; a chat template has {_TEMPLATE_CHARACTERS} at most"
    return None


_FLAG = _one_of("true", "false")

ENGINES: Mapping[EngineKind, EngineProfile] = {
    EngineKind.LLAMA_CPP: EngineProfile(
        model_kinds=frozenset({ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK}),
        parameters={
            "parallel": Parameter(doc="Requests answered at the same time.", shape=_whole_number(1, 256)),
            "context": Parameter(
                doc="Tokens of context for each of the parallel requests.", shape=_whole_number(64, 16_777_216)
            ),
            "threads": Parameter(doc="CPU threads.", shape=_whole_number(1, 1024)),
            "gpu_layers": Parameter(doc="Layers put on devices; -1 puts all.", shape=_whole_number(-1, 10_000)),
            "embedding": Parameter(doc="Serve embeddings.", shape=_FLAG),
            "chat_template": Parameter(doc="A Jinja template in place of the model's own.", shape=_template),
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

"""Modelfiles, as Ollama reads them: text to instructions, and instructions to what a model is here.

Nothing is dropped in silence: what has no place in a model is refused, or comes back as a note that says where it goes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.go_templates import jinja_of
from roundhouse_catalog.domain.model_defaults import Sampled
from roundhouse_catalog.domain.shapes import licence_fault
from roundhouse_common.contracts.catalog import ModelDefaults

__all__ = ["Modelfile", "read_modelfile"]

_FIELD: Final = "modelfile"
_MOST_CHARACTERS: Final = 512 * 1024
_MOST_INSTRUCTIONS: Final = 500
_MOST_FAULTS: Final = 20
_NAMES: Final = ("FROM", "PARAMETER", "SYSTEM", "TEMPLATE", "LICENSE", "ADAPTER", "MESSAGE")
_OLLAMAS_OWN: Final = frozenset({"RENDERER", "PARSER", "REQUIRES"})
_INSTRUCTION: Final = re.compile(r"([A-Za-z]+)(?:\s+(.*))?\s*")
_KEYED: Final = frozenset({"PARAMETER", "MESSAGE"})
_KEY: Final = re.compile(r"(\S*)\s*(.*)")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")

_SAMPLING: Final[Mapping[str, tuple[str, Callable[[str], float | int]]]] = {
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "min_p": ("min_p", float),
    "top_k": ("top_k", int),
    "seed": ("seed", int),
    "presence_penalty": ("presence_penalty", float),
    "frequency_penalty": ("frequency_penalty", float),
    "repeat_penalty": ("repetition_penalty", float),
    "num_predict": ("max_tokens", int),
}
"""What Ollama calls them, what they are called here, and what they are."""
_ENDLESS: Final = {
    "num_predict": "there is no limit without it",
    "seed": "every answer has a seed of its own without it",
}
"""Of these a negative value means what leaving it out means."""
_OF_DEPLOYMENTS: Final = {"num_ctx": "context", "num_thread": "threads", "num_batch": "batch", "num_gpu": "gpu_layers"}
_OF_OLLAMA: Final = frozenset(
    {
        "num_keep",
        "typical_p",
        "tfs_z",
        "repeat_last_n",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "penalize_newline",
        "main_gpu",
        "low_vram",
        "f16_kv",
        "vocab_only",
        "use_mmap",
        "use_mlock",
        "numa",
        "draft_num_predict",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelfile:
    """What a Modelfile says of a model."""

    base: str
    """What FROM names: files, or a model."""
    defaults: ModelDefaults
    """Only what the Modelfile states."""
    licence: str = ""
    notes: tuple[str, ...] = ()
    """What was not taken, and where it is stated instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruction:
    line: int
    name: str
    key: str = ""
    """Of PARAMETER its name."""
    value: str


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was gathered so far."""

    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    stated: dict[str, str] = field(default_factory=dict)
    """The values of the instructions that come once."""
    parameters: dict[str, Sampled] = field(default_factory=dict)
    faults: int = 0

    def fault(self, line: int, message: str) -> None:
        self.faults += 1
        if self.faults <= _MOST_FAULTS:
            self.findings.add(_FIELD, f"line {line}: {message}")

    def note(self, line: int, message: str) -> None:
        self.notes.append(f"line {line}: {message}")


def read_modelfile(text: str) -> Modelfile:
    """Return what the text says. Raises InvalidInput with every fault and its line."""
    reading = _Reading()
    if len(text) > _MOST_CHARACTERS:
        reading.fault(1, f"{len(text)} characters found; {_MOST_CHARACTERS} are allowed")
        reading.findings.refuse()
    instructions = list(_instructions(_LINE_END.split(text.removeprefix("\ufeff")), reading))
    if len(instructions) > _MOST_INSTRUCTIONS:
        reading.fault(1, f"{len(instructions)} instructions found; {_MOST_INSTRUCTIONS} are allowed")
        reading.findings.refuse()
    for one in instructions:
        _take(one, reading)
    if "FROM" not in reading.stated and not reading.faults:
        reading.fault(1, "there is no FROM; state the files or the model that it is made of")
    reading.findings.refuse()
    return Modelfile(
        base=reading.stated["FROM"],
        defaults=ModelDefaults(
            system_message=reading.stated.get("SYSTEM", ""),
            parameters=reading.parameters,
            chat_template=reading.stated.get("TEMPLATE", ""),
        ),
        licence=reading.stated.get("LICENSE", ""),
        notes=tuple(reading.notes),
    )


def _instructions(lines: Sequence[str], reading: _Reading) -> Iterator[_Instruction]:
    """Cut the text into instructions. A value in quotes may go on over several lines."""
    at = 0
    while at < len(lines):
        number, line = at + 1, lines[at].lstrip()
        at += 1
        if not line or line.startswith("#"):
            continue
        found = _INSTRUCTION.fullmatch(line)
        if found is None:
            reading.fault(number, f"{quoted(line[:40])} is no instruction; there are {', '.join(_NAMES)}")
            continue
        name, key, value = found[1].upper(), "", found[2] or ""
        if name in _KEYED:
            key, value = _KEY.match(value).groups()  # type: ignore[union-attr]  # it matches every text
        while not _is_closed(value) and at < len(lines):
            value = f"{value}\n{lines[at]}"
            at += 1
        if not _is_closed(value):
            reading.fault(number, f"the quotation mark of {name} is never closed")
            return
        yield _Instruction(line=number, name=name, key=key, value=_unquoted(value.strip()))


def _is_closed(value: str) -> bool:
    value = value.rstrip()
    for mark in ('"""', '"'):
        if value.startswith(mark):
            return len(value) >= 2 * len(mark) and value.endswith(mark)
    return True


def _unquoted(value: str) -> str:
    for mark in ('"""', '"'):
        if value.startswith(mark):
            return value[len(mark) : -len(mark)]
    return value


def _take(one: _Instruction, reading: _Reading) -> None:
    match one.name:
        case "FROM" | "SYSTEM" | "TEMPLATE" | "LICENSE":
            _take_once(one, reading)
        case "PARAMETER":
            _take_parameter(one, reading)
        case "ADAPTER":
            reading.fault(
                one.line, "ADAPTER found; adapters are not supported yet: merge it into the weights, and use those"
            )
        case "MESSAGE":
            reading.fault(
                one.line, "MESSAGE found; a model keeps no example chat: write the example into SYSTEM instead"
            )
        case name if name in _OLLAMAS_OWN:
            reading.note(one.line, f"{name} was not taken: it is of Ollama's own engine")
        case name:
            hint = did_you_mean(name, _NAMES)
            reading.fault(one.line, f"{quoted(name)} is no instruction; there are {', '.join(_NAMES)}.{hint}")


def _take_once(one: _Instruction, reading: _Reading) -> None:
    if one.name == "LICENSE":
        if "LICENSE" in reading.stated or licence_fault(one.value) is not None:
            reading.note(one.line, "the text of LICENSE was not taken: `licence` of a model is one SPDX expression")
            return
    elif one.name in reading.stated:
        reading.fault(one.line, f"{one.name} is stated twice")
        return
    if not one.value.strip():
        reading.fault(one.line, f"{one.name} says nothing; leave it out")
        return
    value = one.value
    if one.name == "TEMPLATE":
        template = jinja_of(value)
        if template is None:
            reading.fault(one.line, _UNKNOWN_TEMPLATE)
            return
        if template != value:
            reading.note(one.line, "TEMPLATE was a known Go template; the Jinja template of the same models was taken")
        value = template
    reading.stated[one.name] = value


_UNKNOWN_TEMPLATE: Final = (
    "TEMPLATE is a Go template of Ollama, and none of those that are known here. Leave it out: the template in the "
    "model's files is used then; or state a Jinja chat template in its place"
)


def _take_parameter(one: _Instruction, reading: _Reading) -> None:
    name, value = one.key, one.value
    if not value.strip():
        reading.fault(one.line, f"PARAMETER {name} has no value")
    elif name == "stop":
        before = reading.parameters.get("stop", ())
        reading.parameters["stop"] = (*(before if isinstance(before, tuple) else ()), value)
    elif name in _SAMPLING:
        _take_sampling(one.line, name, value.strip(), reading)
    elif name in _OF_DEPLOYMENTS:
        told = f'state it of the deployment, as the engine parameter "{_OF_DEPLOYMENTS[name]}"'
        reading.note(one.line, f"{name} {value} was not taken: {told}")
    elif name in _OF_OLLAMA:
        reading.note(one.line, f"{name} was not taken: it is of Ollama's own engine")
    else:
        hint = did_you_mean(name, (*_SAMPLING, "stop", *_OF_DEPLOYMENTS))
        reading.fault(one.line, f"there is no parameter {quoted(name)}.{hint}")


def _take_sampling(line: int, theirs: str, value: str, reading: _Reading) -> None:
    ours, kind = _SAMPLING[theirs]
    try:
        number = kind(value)
    except ValueError:
        reading.fault(line, f"{theirs}: {quoted(value)} found; a {'whole ' if kind is int else ''}number is wanted")
        return
    if theirs in _ENDLESS and number < 0:
        reading.note(line, f"{theirs} {value} was not taken: {_ENDLESS[theirs]}")
    elif ours in reading.parameters:
        reading.fault(line, f"{theirs} is stated twice")
    else:
        reading.parameters[ours] = number

"""What a model's owner sets for its callers: a system message, sampling parameters, a chat template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_common.contracts.catalog import ModelDefaults

__all__ = ["SAMPLING", "Range", "Sampled", "check_defaults", "tidied"]

Sampled = float | int | str | tuple[str, ...]

_MOST_SYSTEM_CHARACTERS: Final = 65_536
_MOST_TEMPLATE_CHARACTERS: Final = 131_072
_MOST_STOPS: Final = 16
_MOST_STOP_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values that a sampling parameter may have, both ends included unless said otherwise."""

    least: float
    most: float
    is_whole: bool = False
    excludes_least: bool = False

    def fault(self, value: Sampled) -> str | None:
        """Return what is wrong with the value in words, or None."""
        wanted = f"a {'whole ' if self.is_whole else ''}number {self._bounds()} is wanted"
        if isinstance(value, str | tuple):
            return f"{quoted(value) if isinstance(value, str) else 'a list'} found; {wanted}"
        if self.is_whole and not isinstance(value, int):
            return f"{value} found; {wanted}"
        if self.least <= value <= self.most and not (self.excludes_least and value == self.least):
            return None
        return f"{value} found; {wanted}"

    def _bounds(self) -> str:
        return (
            f"above {self.least} and up to {self.most}" if self.excludes_least else f"from {self.least} to {self.most}"
        )


SAMPLING: Final[Mapping[str, Range]] = {
    "temperature": Range(least=0, most=2),
    "top_p": Range(least=0, most=1, excludes_least=True),
    "presence_penalty": Range(least=-2, most=2),
    "frequency_penalty": Range(least=-2, most=2),
    "max_tokens": Range(least=1, most=100_000_000, is_whole=True),
    "seed": Range(least=-(2**63), most=2**63 - 1, is_whole=True),
    "top_k": Range(least=-1, most=1_000_000, is_whole=True),
    "min_p": Range(least=0, most=1),
    "repetition_penalty": Range(least=0, most=10, excludes_least=True),
}
"""By their names in the OpenAI API; the last three are what most engines take beside it. `stop` is no number."""

_STOP: Final = "stop"


def check_defaults(defaults: ModelDefaults, findings: Findings) -> None:
    """Record every fault under `defaults.<field>`."""
    findings.add("defaults.system_message", _length_fault(defaults.system_message, _MOST_SYSTEM_CHARACTERS))
    findings.add("defaults.chat_template", _template_fault(defaults.chat_template))
    known = (*SAMPLING, _STOP)
    if len(defaults.parameters) > len(known):
        findings.add("defaults.parameters", f"{len(defaults.parameters)} found; there are {', '.join(known)}")
        return
    for name, value in defaults.parameters.items():
        field = f"defaults.parameters.{name}"
        if name == _STOP:
            findings.add(field, _stop_fault(value))
        elif name in SAMPLING:
            findings.add(field, SAMPLING[name].fault(value))
        else:
            findings.add(field, f"there is no such sampling parameter; there are {', '.join(known)}.{_hint(name)}")


def tidied(defaults: ModelDefaults | None) -> ModelDefaults | None:
    """Return the defaults in the form that is kept, or None when they set nothing."""
    if defaults is None or defaults == ModelDefaults():
        return None
    stop = defaults.parameters.get(_STOP)
    if not isinstance(stop, str):
        return defaults
    return msgspec.structs.replace(defaults, parameters={**defaults.parameters, _STOP: (stop,)})


def _hint(name: str) -> str:
    return did_you_mean(name, (*SAMPLING, _STOP))


def _length_fault(text: str, most: int) -> str | None:
    return None if len(text) <= most else f"{len(text)} characters found; {most} are allowed"


def _template_fault(template: str) -> str | None:
    """Only the shape: whether it is Jinja that renders, the engine says when it loads the model."""
    if template and not template.strip():
        return 'only blanks found; state a Jinja template, or "" for the one in the model\'s files'
    if template and "{{" not in template and "{%" not in template:
        return (
            f"{quoted(template[:60])} has neither {{{{ nor {{%: it is no Jinja template, and every chat would look the "
            "same to the model"
        )
    return _length_fault(template, _MOST_TEMPLATE_CHARACTERS)


def _stop_fault(value: Sampled) -> str | None:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, tuple):
        return f"{value} found; a text or a list of texts is wanted"
    if not 1 <= len(texts) <= _MOST_STOPS:
        return f"{len(texts)} found; 1 to {_MOST_STOPS} texts are allowed"
    for text in texts:
        if not 1 <= len(text) <= _MOST_STOP_CHARACTERS:
            return f"a text of {len(text)} characters found; 1 to {_MOST_STOP_CHARACTERS} are allowed"
    return None

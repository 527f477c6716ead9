"""One engine's parameters: the neutral name, what it may be, and the engine's flag for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from roundhouse_common.engine_parameters.shapes import FLAG, Shape
from roundhouse_common.words import did_you_mean, quoted

__all__ = ["EngineParameter", "EngineTable"]

_PLAUSIBLE: Final = re.compile(r"--[A-Za-z][A-Za-z0-9._-]{0,99}", re.ASCII)
_NUMBER: Final = re.compile(r"-\d+(\.\d+)?", re.ASCII)
_VALUE_CHARACTERS: Final = 4096
_LEAST_PREFIX: Final = 5
"""`--hos` is taken for `--host` by parsers that know abbreviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParameter:
    """One parameter, as users write it."""

    doc: str
    shape: Shape
    flag: str = ""
    """What a value follows; for a switch, what stands for true. Empty: the driver has another way to say it."""
    off: str = ""
    """For a switch: what stands for false."""
    aliases: tuple[str, ...] = ()
    """Other spellings that the engine knows."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The engine's words for ours, where they differ."""

    def arguments(self, value: str) -> tuple[str, ...]:
        """Return it as the engine wants it."""
        if self.shape is FLAG:
            switch = self.flag if value == "true" else self.off
            return (switch,) if switch else ()
        return (self.flag, self.values.get(value, value)) if self.flag else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTable:
    """All that may be stated for one engine."""

    parameters: Mapping[str, EngineParameter]
    owned: tuple[str, ...] = ()
    """Flags that Roundhouse sets itself; one that ends in `-` stands for all that begin so."""
    passes_flags: bool = False
    """Whether `--flag` parameters go to the engine as they are."""

    def arguments(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Return what is given as arguments: named parameters in the table's order, then the engine's own flags."""
        named = [
            words for name, one in self.parameters.items() if name in given for words in one.arguments(given[name])
        ]
        passed = [
            words
            for name, value in sorted(given.items())
            if name.startswith("--")
            for words in ((name, value) if value else (name,))
        ]
        return (*named, *passed)

    def fault(self, engine: str, name: str, value: str) -> str | None:
        """Return what is wrong with one parameter in words, or None."""
        if name.startswith("--") and self.passes_flags:
            return self._flag_fault(engine, name, value)
        parameter = self.parameters.get(name)
        if parameter is not None:
            return parameter.shape(value)
        more = "; its own flags can be stated with their dashes" if self.passes_flags else ""
        return (
            f"{engine} has no parameter {quoted(name)}; it has {', '.join(sorted(self.parameters))}{more}."
            f"{did_you_mean(name, self.parameters)}"
        )

    def _flag_fault(self, engine: str, name: str, value: str) -> str | None:
        if not _PLAUSIBLE.fullmatch(name):
            return f"{quoted(name)} is no flag: two dashes, a letter, then letters, digits and ._- are allowed"
        plain = name.replace("_", "-").lower()
        for owned in self.owned:
            if plain == owned or (owned.endswith("-") and plain.startswith(owned)) or _abbreviates(plain, owned):
                return f"{quoted(name)} is set by Roundhouse and cannot be stated"
        for known, parameter in self.parameters.items():
            if plain in (parameter.flag, parameter.off, *parameter.aliases):
                return f"{quoted(name)} is stated as {quoted(known)} for every engine"
        if len(value) > _VALUE_CHARACTERS or (value and not value.isprintable()):
            return f"{len(value)} characters found; a value has {_VALUE_CHARACTERS} printable ones at most"
        if value.startswith("-") and not _NUMBER.fullmatch(value):
            return (
                f"{quoted(value)} found; a value does not begin with a dash (leave it empty for a switch of {engine})"
            )
        return None


def _abbreviates(flag: str, owned: str) -> bool:
    return len(flag) >= _LEAST_PREFIX and owned.startswith(flag)

"""GGUF files and files in parts: which belong together, and how a person names one of several quantisations."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["ListedFile", "Quantisation", "part_names", "quantisations", "size_in_words"]

_PART: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf|\.safetensors)")
_LABEL: Final = re.compile(
    r"(?:^|[-._/])(?P<label>(?:UD-)?(?:I?Q\d[A-Z0-9_]*|TQ\d_\d|BF16|FP?16|FP?32|MXFP4(?:_MOE)?))(?=$|[-._/])",
    re.IGNORECASE,
)
_NO_MODEL: Final = re.compile(r"(^|[/._-])(mmproj|imatrix)([._-]|$)", re.IGNORECASE)
"""Projectors of vision models and the statistics a quantisation was made with."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a source."""

    path: str
    size: int
    """-1: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """One GGUF model: a file, or all parts of one."""

    label: str
    """e.g. `Q4_K_M`; empty when the name says none."""
    files: tuple[ListedFile, ...]
    pattern: str
    """Matches these files and no others."""

    @property
    def size(self) -> int:
        return sum(max(0, file.size) for file in self.files)


def part_names(path: str) -> tuple[str, ...] | None:
    """Return the paths of all parts when this is one part of a file, else None."""
    matched = _PART.fullmatch(path)
    if matched is None or not 1 <= int(matched["number"]) <= int(matched["count"]) <= 9999:
        return None
    count = int(matched["count"])
    return tuple(f"{matched['stem']}-{number:05d}-of-{count:05d}{matched['end']}" for number in range(1, count + 1))


def quantisations(listed: Sequence[ListedFile]) -> tuple[Quantisation, ...]:
    """Return the GGUF models among the files, smallest first; projectors and the like are none."""
    groups: dict[tuple[str, ...], list[ListedFile]] = {}
    for file in listed:
        if file.path.endswith(".gguf") and not _NO_MODEL.search(file.path):
            groups.setdefault(part_names(file.path) or (file.path,), []).append(file)
    found = [_quantisation(names, files, groups) for names, files in groups.items()]
    return tuple(sorted(found, key=lambda one: (one.size, one.pattern)))


def size_in_words(count: int) -> str:
    """Return a size for people, e.g. `4.9 GB`."""
    value, units = float(max(0, count)), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 99.5 else f"{value:.1f} {units[0]}"


def _quantisation(
    names: tuple[str, ...], files: Sequence[ListedFile], groups: Mapping[tuple[str, ...], Sequence[ListedFile]]
) -> Quantisation:
    stem = names[0].rsplit("/", 1)[-1].removesuffix(".gguf")
    stem = re.sub(r"-\d{5}-of-\d{5}$", "", stem)
    labels = _LABEL.findall(stem) or _LABEL.findall(names[0].rpartition("/")[0])
    label = labels[-1] if labels else ""
    end = "-*.gguf" if len(names) > 1 else ".gguf"
    others = {file.path for group, members in groups.items() if group != names for file in members}
    for pattern in (f"*{label}{end}", f"*{stem}{end}"):
        if label and not any(fnmatchcase(path, pattern) for path in others):
            break
    else:
        pattern = names[0]
    return Quantisation(label=label, files=tuple(files), pattern=pattern)

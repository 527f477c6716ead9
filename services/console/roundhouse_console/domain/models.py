"""Models as people see them in the marketplace: cards, what filters keep, what fits, which are akin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from roundhouse_console.domain.units import count

__all__ = [
    "KINDS",
    "SIZES",
    "SOURCES",
    "Uses",
    "Wanted",
    "akin",
    "context_of",
    "files_bytes",
    "fits",
    "is_wanted",
    "least_bytes",
    "parameters_text",
    "precision_of",
    "room_bytes",
    "uses_of",
]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

KINDS: Final[Mapping[str, str]] = {
    "chat": "forum",
    "completion": "notes",
    "embedding": "scatter_plot",
    "rerank": "sort",
    "image": "image",
    "speech": "record_voice_over",
    "transcription": "hearing",
}
"""What models do, with an icon each."""
SOURCES: Final[Mapping[str, str]] = {
    "hugging-face": "Hugging Face",
    "model-scope": "ModelScope",
    "http": "Web address",
    "path": "Path on the nodes",
    "python-package": "Python package",
    "upload": "Upload",
}
SIZES: Final[Mapping[str, tuple[float, float]]] = {
    "< 1 B": (1, 1e9),
    "1 – 8 B": (1e9, 8.5e9),
    "8 – 35 B": (8.5e9, 35e9),
    "35 – 100 B": (35e9, 100e9),
    "> 100 B": (100e9, float("inf")),
}
"""Numbers of parameters: from, and below which."""
_READY: Final = "ready"
_FAILED: Final = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person looks for; empty: anything."""

    words: str = ""
    kind: str = ""
    size: str = ""
    licence: str = ""
    tag: str = ""
    source: str = ""
    published: str = ""
    """`yes` or `no`."""
    must_fit: bool = False
    must_run: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """The deployments of one model that the person may see."""

    deployments: Sequence[Found]
    trial: str = ""
    """The name to call it by without deploying it; empty: there is none."""

    @property
    def running(self) -> Sequence[Found]:
        return [one for one in self.deployments if one["desired"] == "run"]


def uses_of(model: Found, deployments: Sequence[Found]) -> Uses:
    """Return who uses a model, by the versions that are wanted now."""
    own = [one for one in deployments if (one.get("active_version") or {}).get("model_id") == model["id"]]
    trial = model.get("trial")
    return Uses(sorted(own, key=lambda one: str(one["name"])), trial["name"] if trial else "")


def is_wanted(model: Found, wanted: Wanted, uses: Uses, room: int | None) -> bool:
    """Say whether a model is what a person looks for. `room`: of `room_bytes`, where it is known."""
    facts = model["facts"] or {}
    own = [model["name"], model["source"]["uri"], facts.get("architecture", ""), *model["tags"]]
    text = " ".join(own).lower()
    return (
        all(word in text for word in wanted.words.lower().split())
        and wanted.kind in ("", model["kind"])
        and wanted.licence in ("", model["licence"])
        and wanted.source in ("", model["source"]["kind"])
        and (not wanted.tag or wanted.tag in model["tags"])
        and (not wanted.size or _has_size(facts, wanted.size))
        and wanted.published in ("", "yes" if model["is_published"] else "no")
        and (not wanted.must_fit or fits(model, room) is True)
        and (not wanted.must_run or bool(uses.running) or bool(uses.trial))
    )


def _has_size(facts: Found, size: str) -> bool:
    least, most = SIZES[size]
    return least <= int(facts.get("parameter_count", 0)) < most


def files_bytes(model: Found) -> int:
    """Return the size of a model's files: what nodes fetch, else the tensors in it; 0 when not known."""
    return int(model["total_bytes"] or (model["facts"] or {}).get("weight_bytes", 0))


def least_bytes(model: Found) -> int:
    """Return what a replica needs at the least: as stated, else its weights; 0 when not known."""
    return int(model["memory_bytes"] or (model["facts"] or {}).get("weight_bytes", 0) or model["total_bytes"])


def room_bytes(nodes: Sequence[Found]) -> int:
    """Return the most free memory on one node: of the host, or of its devices together."""
    return max((_room_of(node) for node in nodes if node["condition"] == _READY), default=0)


def _room_of(node: Found) -> int:
    usable = [one for one in node["devices"] if one["health"] != _FAILED and not one["quarantine"]]
    free = (min(one["memory_free_bytes"], one["memory_total_bytes"] - one["claimed_memory_bytes"]) for one in usable)
    return max(int(node["memory_free_bytes"]), sum(max(0, int(one)) for one in free))


def fits(model: Found, room: int | None) -> bool | None:
    """Say whether what the model needs at the least is free on one node; None: not known."""
    need = least_bytes(model)
    return None if room is None or not need else need <= room


def akin(model: Found, others: Sequence[Found]) -> list[Found]:
    """Return the other variants of a model: of the same repository or place, or the same network in other formats."""
    return sorted(
        (one for one in others if one["id"] != model["id"] and _is_akin(model, one)), key=lambda one: str(one["name"])
    )


def _is_akin(one: Found, other: Found) -> bool:
    if _place(one["source"]) == _place(other["source"]):
        return True
    mine, theirs = _network(one["facts"]), _network(other["facts"])
    return mine is not None and mine == theirs


def _place(source: Found) -> tuple[str, str]:
    uri = str(source["uri"])
    if source["kind"] == "http":
        parts = urlsplit(uri)
        return parts.netloc, parts.path.rpartition("/")[0]
    return source["kind"], uri


def _network(facts: Found | None) -> tuple[Any, ...] | None:
    """Return what is the same for all quantizations of a model."""
    if not facts or not facts["parameter_count"] or not facts["layers"]:
        return None
    return (facts["architecture"].lower(), facts["layers"], facts["hidden_size"], facts["vocab_size"])


def precision_of(model: Found) -> str:
    """Return how the weights are stored, e.g. `Q4_K_M` or `bfloat16`; empty when not known."""
    facts = model["facts"] or {}
    return str(facts.get("quantization") or facts.get("dtype") or "")


def context_of(model: Found) -> int:
    """Return the tokens that the model was made for; 0 when not known."""
    return int(model["context_length"] or (model["facts"] or {}).get("context_length", 0))


def parameters_text(facts: Found | None) -> str:
    """Return the number of parameters as models are called by it, e.g. `135 M`, `7.6 B`; empty when not known."""
    number = (facts or {}).get("parameter_count", 0)
    if not number:
        return ""
    return count(number).replace(" G", " B") if number < 1e12 else f"{number / 1e12:.1f} T"

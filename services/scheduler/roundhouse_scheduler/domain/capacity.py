"""How many requests an engine takes at once, and how long each may be: what it was started with."""

from typing import NamedTuple

from roundhouse_common.contracts.catalog import EngineKind, VersionSpec
from roundhouse_common.sizing import settings_of

__all__ = ["Capacity", "capacity_of"]

_STARTED_WITH_BOTH = frozenset(
    {
        EngineKind.LLAMA_CPP,
        EngineKind.LLAMA_SERVER,
        EngineKind.VLLM,
        EngineKind.SGLANG,
        EngineKind.LMDEPLOY,
        EngineKind.MINDIE,
        EngineKind.OLLAMA,
    }
)
"""Engines that are given the defaults where nothing is stated; of the others only what is stated is known."""


class Capacity(NamedTuple):
    """0 stands for what is not known."""

    concurrency: int
    context_tokens: int


def capacity_of(version: VersionSpec) -> Capacity:
    """Return what an engine of this version was started with; of one with alternatives, give it as it was placed."""
    if (need := version.memory_need) is not None:
        known = Capacity(need.concurrency, need.context_tokens)
    else:
        try:
            settings = settings_of(
                version.engine,
                version.parameters,
                context_length=version.context_length,
                model_kind=version.model_kind,
            )
        except ValueError:
            return Capacity(0, 0)
        known = Capacity(settings.concurrency, settings.context_tokens)
    if version.engine in _STARTED_WITH_BOTH:
        return known
    stated = version.parameters
    return Capacity(
        known.concurrency if "parallel" in stated else 0, known.context_tokens if "context" in stated else 0
    )

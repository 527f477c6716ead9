"""What can run at all, and what would fit: for errors that a person can act on."""

from collections.abc import Callable
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed
from roundhouse_common.contracts.models import AttentionKind, ModelFacts
from roundhouse_common.sizing.need import memory_need
from roundhouse_common.sizing.outcome import Unfit
from roundhouse_common.sizing.settings import EngineSettings

__all__ = ["Fitting", "check_devices", "check_limits", "tensor_parallel_sizes", "what_fits"]

_MOST_DEVICES: Final = 64
_MOST_TOKENS: Final = 1 << 31


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """The largest that fits, each with the other as asked for; 0: not even 1 fits."""

    context_tokens: int
    concurrency: int


def tensor_parallel_sizes(facts: ModelFacts, most: int = _MOST_DEVICES) -> tuple[int, ...]:
    """Return the numbers of devices over which each layer can be divided; only 1 when the heads are not known."""
    return tuple(size for size in range(1, most + 1) if _indivisible(facts, size) is None)


def check_limits(
    facts: ModelFacts, *, engine: EngineKind, settings: EngineSettings, devices: int = 0, nodes: int = 1
) -> Unfit | None:
    """Return why this can never run, with the allowed values, or None."""
    reasons = []
    if facts.context_length and settings.context_tokens > facts.context_length:
        reasons.append(
            f"context {settings.context_tokens} found; the model was made for at most {facts.context_length} tokens"
        )
    if engine is not EngineKind.LLAMA_CPP and devices:
        tensor, pipeline = settings.tensor_parallel or devices, settings.pipeline_parallel or nodes
        fault = _indivisible(facts, tensor)
        if fault is not None:
            sizes = ", ".join(str(size) for size in tensor_parallel_sizes(facts))
            reasons.append(f"tensor parallel {tensor} found; {fault}; possible are {sizes}")
        if (fault := check_devices(settings, devices=devices, nodes=nodes)) is not None:
            reasons.append(fault)
        if facts.layers and pipeline > facts.layers:
            reasons.append(f"pipeline parallel {pipeline} found; the model has {facts.layers} layers")
    return Unfit(tuple(reasons)) if reasons else None


def check_devices(settings: EngineSettings, *, devices: int, nodes: int = 1) -> str | None:
    """Return why the engine would not use exactly the devices that it gets, or None. Needs no facts of the model."""
    tensor, pipeline = settings.tensor_parallel or devices, settings.pipeline_parallel or nodes
    if tensor * pipeline == devices * nodes:
        return None
    return (
        f"tensor parallel {tensor} x pipeline parallel {pipeline} uses {tensor * pipeline} devices;"
        f" {devices * nodes} are asked for"
    )


def what_fits(
    facts: ModelFacts,
    memory_bytes: int,
    *,
    engine: EngineKind,
    settings: EngineSettings,
    devices: int = 0,
    nodes: int = 1,
) -> Fitting:
    """Return the longest context and the highest concurrency for so much memory on each device (or of the host)."""

    def fits(tried: EngineSettings) -> bool:
        need = memory_need(facts, engine=engine, settings=tried, devices=devices, nodes=nodes)
        return isinstance(need, MemoryNeed) and need.total_bytes <= memory_bytes

    def with_context(tokens: int) -> bool:
        return fits(msgspec.structs.replace(settings, context_tokens=tokens))

    def with_concurrency(requests: int) -> bool:
        return fits(msgspec.structs.replace(settings, concurrency=requests))

    return Fitting(
        context_tokens=_largest(with_context, facts.context_length or _MOST_TOKENS),
        concurrency=_largest(with_concurrency, 65_536),
    )


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number from 1 to `most` that fits; what does not fit has none above it that does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _indivisible(facts: ModelFacts, size: int) -> str | None:
    """Return why no layer can be divided over `size` devices, or None."""
    if size == 1:
        return None
    if not facts.attention_heads:
        return "the number of attention heads is not known"
    if facts.attention_heads % size:
        return f"it must divide the {facts.attention_heads} attention heads"
    if any(group.attention is not AttentionKind.LATENT for group in facts.groups):
        kv_heads = facts.kv_heads or facts.attention_heads
        if kv_heads % size and size % kv_heads:
            return f"it must divide the {kv_heads} KV heads, or be a multiple of them"
    return _splits_group(facts, size)


def _splits_group(facts: ModelFacts, size: int) -> str | None:
    group = facts.quantization_group
    if group <= 0:
        return None
    for what, width in (
        ("intermediate size", facts.intermediate_size),
        ("experts' intermediate size", facts.expert_intermediate_size),
    ):
        if width and (width % size or (width // size) % group):
            return f"each part of the {what} {width} must be whole groups of {group} quantised weights"
    return None

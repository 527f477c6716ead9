"""What each engine's memory flag must be, so that it takes what it needs and leaves the rest to others."""

from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed
from roundhouse_common.sizing.engine_memory import context_bytes
from roundhouse_common.sizing.outcome import Unfit

__all__ = ["MemoryShare", "memory_share"]

_STEPS: Final = 10_000
"""Shares are given with four decimals: on a device of 80 GiB a step is 8 MiB."""


class MemoryShare(msgspec.Struct, frozen=True, kw_only=True):
    """One flag and its value; no flag for an engine that allocates exactly what it is asked for."""

    flag: str
    value: float


def memory_share(
    engine: EngineKind, need: MemoryNeed, *, device_total_bytes: int, device_free_bytes: int | None = None
) -> MemoryShare | Unfit:
    """Return the share on a device of this size, of which so much is free now (all of it when not given).

    - vLLM `--gpu-memory-utilization`: weights, activations, graphs and cache, of the device's total memory. What the
      process takes before vLLM counts is not in it.
    - SGLang `--mem-fraction-static`: weights and cache, of what is free when the process has begun.
    - LMDeploy `--cache-max-entry-count`: the cache, of what is free when the weights are loaded.

    Rounded up by less than one step, so the cache is never smaller than needed.
    """
    free = device_total_bytes if device_free_bytes is None else device_free_bytes
    if need.total_bytes > free:
        return Unfit((_no_room(need, device_total_bytes, free),))
    context = context_bytes(need.devices)
    match engine:
        case EngineKind.VLLM:
            flag, part, whole = "--gpu-memory-utilization", need.total_bytes - context, device_total_bytes
        case EngineKind.SGLANG:
            flag, part, whole = "--mem-fraction-static", need.weights_bytes + need.kv_cache_bytes, free - context
        case EngineKind.LMDEPLOY:
            flag, part, whole = "--cache-max-entry-count", need.kv_cache_bytes, free - context - need.weights_bytes
        case _:
            return MemoryShare(flag="", value=0.0)
    steps = -(-max(part, 1) * _STEPS // whole) if whole > 0 else _STEPS + 1
    if steps > _STEPS:
        return Unfit((_no_room(need, device_total_bytes, free),))
    return MemoryShare(flag=flag, value=steps / _STEPS)


def _no_room(need: MemoryNeed, total: int, free: int) -> str:
    return (
        f"it needs {_gib(need.total_bytes)} on each device (weights {_gib(need.weights_bytes)}, KV cache"
        f" {_gib(need.kv_cache_bytes)}, activations {_gib(need.activation_bytes)}, the engine"
        f" {_gib(need.overhead_bytes)}); the device has {_gib(total)}, of which {_gib(free)} are free"
    )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.2f} GiB"

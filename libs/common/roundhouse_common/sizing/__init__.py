"""How much memory a model needs, from its own files: never guessed.

Pure: the standard library, msgspec and the contracts. Reading files and directories is the node agent's work.

    from roundhouse_common.sizing import need_of_version, memory_need, settings_of, check_limits, what_fits
    from roundhouse_common.sizing import memory_share, MemoryNeed, Unknown, Unfit

    need_of_version(facts, *, engine, parameters, resources, context_length, model_kind) -> MemoryNeed | Unknown
        What the catalog asks: parameters as the user gave them, defaults as the engine will be started. The
        context length must be the one that `VersionSpec.context_length` gets (the model's, else that of its facts).
    settings_of(engine, parameters, *, context_length, model_kind) -> EngineSettings
        The defaults of every engine, for the catalog and for the node agent's drivers.
    memory_need(facts, *, engine, settings, devices=0, nodes=1) -> MemoryNeed | Unknown
        Bytes on each device; with 0 devices of host memory. `devices` are per node.
    check_limits(facts, *, engine, settings, devices=0, nodes=1) -> Unfit | None
        What can never run: context beyond the model's, a tensor parallel size that does not divide; the allowed values.
    what_fits(facts, memory_bytes, *, engine, settings, devices=0, nodes=1) -> Fitting(context_tokens, concurrency)
        For "it does not fit" messages.
    tensor_parallel_sizes(facts, most=64) -> tuple[int, ...]
    memory_share(engine, need, *, device_total_bytes, device_free_bytes=None) -> MemoryShare(flag, value) | Unfit

`Unknown` and `Unfit` carry `reasons`, sentences for people; `str()` joins them.
How the numbers come about: docs/explanations/memory.md.
"""

from roundhouse_common.contracts.catalog import MemoryNeed
from roundhouse_common.sizing.limits import Fitting, check_devices, check_limits, tensor_parallel_sizes, what_fits
from roundhouse_common.sizing.need import memory_need, need_of_version
from roundhouse_common.sizing.outcome import Unfit, Unknown
from roundhouse_common.sizing.settings import EngineSettings, settings_of
from roundhouse_common.sizing.share import MemoryShare, memory_share

__all__ = [
    "EngineSettings",
    "Fitting",
    "MemoryNeed",
    "MemoryShare",
    "Unfit",
    "Unknown",
    "check_devices",
    "check_limits",
    "memory_need",
    "memory_share",
    "need_of_version",
    "settings_of",
    "tensor_parallel_sizes",
    "what_fits",
]

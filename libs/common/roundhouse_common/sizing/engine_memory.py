"""What each engine takes beside weights and cache, and how it lays its cache out. Every number says where it is from.

Sources:
- [llm-d]: llm-d-benchmark, `config_explorer/empirical-vllm-memory-results.md`: vLLM's own log on an H100 of 79.18 GiB
  with up to 1024 sequences and 8192 tokens at once, for five models.
- [vllm]: `vllm/v1/kv_cache_interface.py`, `vllm/v1/worker/gpu_worker.py`.
- [sglang]: `python/sglang/srt/server_args.py`, the method that chooses `mem_fraction_static`.
- [llama.cpp]: `src/llama-kv-cache*.cpp`, `src/llama-context.cpp`, `ggml/src/ggml-common.h`.
- [measured]: with this product's runner, see docs/explanations/memory.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.sizing.kv_cache import CacheRules

__all__ = [
    "GRAPHS_BYTES",
    "LLAMA_CPP_CHECKPOINTS",
    "LLAMA_CPP_DEVICE_BYTES",
    "LLAMA_CPP_HOST_BYTES",
    "LLAMA_CPP_SLOT_BYTES",
    "LLAMA_CPP_SLOT_VOCAB_BYTES",
    "LLAMA_CPP_VOCAB_BYTES",
    "LMDEPLOY_MARGIN_BYTES",
    "RULES",
    "SAMPLER_BYTES",
    "SGLANG_GRAPH_BYTES",
    "SGLANG_META_BYTES",
    "SGLANG_PARALLEL_BYTES",
    "SGLANG_PREFILL_BYTES",
    "context_bytes",
    "non_torch_bytes",
]

_MIB: Final = 1024 * 1024

RULES: Final[Mapping[EngineKind, CacheRules]] = MappingProxyType(
    {
        # [llama.cpp] n_ctx_seq is padded to 256; a window's cache is padded(window + ubatch) for each sequence.
        EngineKind.LLAMA_CPP: CacheRules(
            block_tokens=256, latent_block_tokens=256, has_windows=True, is_window_per_request=True
        ),
        # [vllm] blocks of 16 tokens, 64 for latent attention; SlidingWindowSpec keeps window + batch.
        EngineKind.VLLM: CacheRules(block_tokens=16, latent_block_tokens=64, has_windows=True, has_aligned_pages=True),
        # [sglang] pages of 1 to 64 tokens by attention backend. Its pool for windows is a fixed ratio of the whole
        # pool and exists for few architectures: no saving is counted on.
        EngineKind.SGLANG: CacheRules(block_tokens=64, latent_block_tokens=64, has_windows=False, states_per_request=3),
        # `--cache-block-seq-len 64`; windows are masked, not freed.
        EngineKind.LMDEPLOY: CacheRules(block_tokens=64, latent_block_tokens=64, has_windows=False),
    }
)

SAMPLER_BYTES: Final = 39
"""Per request and vocabulary entry, vLLM: logits in 32 bits, sorted copies and indices of the sampler's warm-up.
[llm-d] (peak - batch x hidden x 2 B) / (1024 x vocabulary) is 38.3 to 38.6 for all five models."""

GRAPHS_BYTES: Final = 1126 * _MIB
"""CUDA graphs, vLLM. [llm-d] at most 1.03 GiB (gpt-oss-120b); 10 % above."""

SGLANG_META_BYTES: Final = 512 * _MIB
SGLANG_PREFILL_BYTES: Final = 3 * _MIB // 2
"""Per token computed at once (at least 2048 of them)."""
SGLANG_GRAPH_BYTES: Final = 2 * _MIB
"""Per request in its largest CUDA graph."""
SGLANG_PARALLEL_BYTES: Final = 1024 * _MIB // 8
"""Per device of the replica. [sglang] reserves 512 MiB + 1.5 MiB x chunk + 2 MiB x graph + tp x pp / 8 GiB."""

LMDEPLOY_MARGIN_BYTES: Final = 1024 * _MIB
"""A margin, not a measurement: nothing is published for it."""

LLAMA_CPP_DEVICE_BYTES: Final = 1024 * _MIB
"""CUDA context, cuBLAS workspace and dequantised tiles, per device: the margin that llama.cpp leaves by itself
(`fit_params_target`, 1 GiB)."""

LLAMA_CPP_HOST_BYTES: Final = 40 * _MIB
"""[measured] The runner, its guard and their libraries, on a host without devices: 25 to 38 MiB."""
LLAMA_CPP_VOCAB_BYTES: Final = 512
"""[measured] Per vocabulary entry, in the tokenizer's tables and in the file's own list: 480 to 500, for vocabularies
of 32,000, 49,152, 151,936 and 256,000."""
LLAMA_CPP_SLOT_BYTES: Final = _MIB // 4
LLAMA_CPP_SLOT_VOCAB_BYTES: Final = 16
"""[measured] Per request at the same time, and per vocabulary entry of its sampler: together 0.7 to 0.85 MiB for
49,152 entries under load."""
LLAMA_CPP_CHECKPOINTS: Final = 4
"""Copies of a request's windows and states that llama.cpp keeps to take a conversation up again. Its own default is
32, which [measured] grows with every turn; our runner asks for so many."""


def context_bytes(devices: int) -> int:
    """Return what a CUDA process takes on each device before the engine begins to count.

    [llm-d] 79.18 GiB less 78.57 GiB free with one device, less 77.64 GiB with two, which also talk to each other.
    """
    return 635 * _MIB if devices <= 1 else 1590 * _MIB


def non_torch_bytes(devices: int) -> int:
    """Return what vLLM takes outside of torch's allocator. [llm-d] 0.14 GiB with one device, 0.55 GiB with two."""
    return 154 * _MIB if devices <= 1 else 614 * _MIB

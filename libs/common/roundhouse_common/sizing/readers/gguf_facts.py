"""Facts of a model in GGUF files: the names of the metadata are in llama.cpp's `gguf-py/gguf/constants.py`."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from roundhouse_common.contracts.models import AttentionKind, LayerGroup, ModelFacts, ModelFormat
from roundhouse_common.sizing.readers.attention import MOST_LAYERS
from roundhouse_common.sizing.readers.ggml_types import FILE_TYPES
from roundhouse_common.sizing.readers.gguf import GgufHeader
from roundhouse_common.sizing.readers.safetensors import Tensor

__all__ = ["gguf_facts"]

_F32 = 4
_ENCODERS: Final = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"}
)
_WINDOW_PATTERNS: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "cohere2": 4,
    "llama4": 4,
    "gpt-oss": 2,
    "exaone4": 4,
    "olmo2": 4,
    "smallthinker": 4,
}
"""llama.cpp, `src/models`: every so many layers one is full. Of other architectures it uses no window."""
_UNCOMPUTED: Final = {
    "t5": "an encoder-decoder model keeps a cross-attention cache, which is not computed",
    "gemma3n": "its layers share their caches, which is not computed",
    "rwkv6": "the size of its state is not computed",
    "rwkv7": "the size of its state is not computed",
}


def gguf_facts(headers: Sequence[GgufHeader], *, missing_parts: Sequence[str] = ()) -> ModelFacts:
    """Return the facts of all parts of a model; the first has the metadata. Gaps say what could not be learnt."""
    first = headers[0]
    architecture = first.text("general.architecture")
    tensors = [tensor for header in headers for tensor in header.tensors]
    source = _Source(first, architecture)
    groups = () if source.gaps else _groups(source, architecture)
    gaps = source.gaps + [f"part {name} of the model is missing" for name in missing_parts]
    stated = first.number("split.tensors.count")
    if stated and not missing_parts and stated != len(tensors):
        gaps.append(f"the model's parts have {len(tensors)} tensors, and should have {stated}")
    embedding = _size(tensors, "token_embd.weight")
    return ModelFacts(
        format=ModelFormat.GGUF,
        architecture=architecture,
        weight_bytes=sum(tensor.size_bytes for tensor in tensors),
        parameter_count=sum(tensor.elements for tensor in tensors),
        quantization=_quantization(first, tensors),
        dtype="float16",
        context_length=source.number("context_length"),
        layers=source.number("block_count"),
        hidden_size=source.number("embedding_length"),
        intermediate_size=max(source.per_layer("feed_forward_length"), default=0),
        attention_heads=max(source.per_layer("attention.head_count"), default=0),
        kv_heads=max(source.kv_heads(), default=0),
        vocab_size=source.number("vocab_size") or first.array_lengths.get("tokenizer.ggml.tokens", 0),
        expert_count=source.number("expert_count"),
        experts_per_token=source.number("expert_used_count") + source.number("expert_shared_count"),
        expert_intermediate_size=source.number("expert_feed_forward_length"),
        attention_width=max(source.per_layer("attention.head_count"), default=0) * source.key_length(),
        groups=groups,
        embedding_bytes=embedding,
        output_bytes=_size(tensors, "output.weight"),
        gaps=tuple(gaps),
    )


class _Source:
    """Values of one architecture, `<architecture>.<name>`; some are one number, some one per layer."""

    def __init__(self, header: GgufHeader, architecture: str) -> None:
        self._header = header
        self._architecture = architecture
        self.gaps: list[str] = []
        if not architecture:
            self.gaps.append("the file does not say its architecture (general.architecture)")
        elif architecture in _UNCOMPUTED:
            self.gaps.append(_UNCOMPUTED[architecture])
        for name in ("block_count", "embedding_length"):
            if architecture and not self.number(name):
                self.gaps.append(f"the file does not say {architecture}.{name}")
        if self.number("block_count") > MOST_LAYERS:
            self.gaps.append(f"the file claims {self.number('block_count')} layers, which cannot be")

    def number(self, name: str) -> int:
        return self._header.number(f"{self._architecture}.{name}")

    def per_layer(self, name: str) -> tuple[int, ...]:
        """Return one number per layer; empty when the file does not say it."""
        value = self._header.metadata.get(f"{self._architecture}.{name}")
        layers = self.number("block_count")
        if isinstance(value, bool) or value is None or not 0 < layers <= MOST_LAYERS:
            return ()
        if isinstance(value, int):
            return (value,) * layers
        if isinstance(value, tuple) and len(value) >= layers and all(isinstance(item, int) for item in value):
            return tuple(int(item) for item in value[:layers])
        return ()

    def kv_heads(self) -> tuple[int, ...]:
        return self.per_layer("attention.head_count_kv") or self.per_layer("attention.head_count")

    def key_length(self) -> int:
        heads = max(self.per_layer("attention.head_count"), default=0)
        return self.number("attention.key_length") or (self.number("embedding_length") // heads if heads else 0)


def _groups(source: _Source, architecture: str) -> tuple[LayerGroup, ...]:
    layers = source.number("block_count")
    if architecture in _ENCODERS:
        return (LayerGroup(layers=layers, attention=AttentionKind.NONE),)
    rank = source.number("attention.kv_lora_rank")
    if rank:
        width = rank + source.number("rope.dimension_count")
        return (LayerGroup(layers=layers, attention=AttentionKind.LATENT, kv_heads=1, key_dim=width),)
    state = _state_bytes(source, architecture)
    heads = source.kv_heads()
    if not heads and not state:
        source.gaps.append(f"the file does not say {architecture}.attention.head_count")
        return ()
    key = source.key_length()
    value = source.number("attention.value_length") or key
    kinds = Counter(
        (kind, kv_heads, window)
        for layer in range(layers)
        for kind, kv_heads, window in _layer(source, architecture, layer, heads, has_state=state > 0)
    )
    return tuple(
        LayerGroup(layers=count, attention=kind, state_bytes=state)
        if kind is AttentionKind.RECURRENT
        else LayerGroup(layers=count, attention=kind, kv_heads=kv_heads, key_dim=key, value_dim=value, window=window)
        for (kind, kv_heads, window), count in sorted(kinds.items())
    )


def _layer(
    source: _Source, architecture: str, layer: int, heads: tuple[int, ...], *, has_state: bool
) -> list[tuple[AttentionKind, int, int]]:
    """Return what one layer keeps: of hybrids (Jamba, Granite) a layer without KV heads is recurrent."""
    if has_state:
        every = source.number("full_attention_interval")
        if every:  # Qwen3-Next
            is_full = (layer + 1) % every == 0
            return [(AttentionKind.FULL, heads[layer], 0)] if is_full else [(AttentionKind.RECURRENT, 0, 0)]
        if architecture == "falcon-h1":
            return [(AttentionKind.FULL, heads[layer], 0), (AttentionKind.RECURRENT, 0, 0)]
        if not heads or not heads[layer]:
            return [(AttentionKind.RECURRENT, 0, 0)]
        return [(AttentionKind.FULL, heads[layer], 0)]
    if not heads[layer]:
        return [(AttentionKind.NONE, 0, 0)]
    window = source.number("attention.sliding_window")
    pattern = _WINDOW_PATTERNS.get(architecture, 0)
    if not window or not pattern:
        return [(AttentionKind.FULL, heads[layer], 0)]
    stated = source.per_layer("attention.sliding_window_pattern")
    if stated and len(set(stated)) > 1:
        is_sliding = bool(stated[layer])
    else:
        every = stated[0] if stated and stated[0] > 1 else pattern
        is_sliding = (layer + 1) % every != 0
    return [(AttentionKind.SLIDING, heads[layer], window)] if is_sliding else [(AttentionKind.FULL, heads[layer], 0)]


def _state_bytes(source: _Source, architecture: str) -> int:
    """Return what a recurrent layer keeps per sequence, all in 32 bits (llama-hparams.cpp, n_embd_r and n_embd_s)."""
    inner, state = source.number("ssm.inner_size"), source.number("ssm.state_size")
    kernel, groups = source.number("ssm.conv_kernel"), source.number("ssm.group_count")
    if not (inner and state and kernel):
        if architecture == "lfm2":
            return source.number("embedding_length") * max(source.number("shortconv.l_cache") - 1, 0) * _F32
        return 0
    return ((kernel - 1) * (inner + 2 * groups * state) + inner * state) * _F32


def _quantization(header: GgufHeader, tensors: Sequence[Tensor]) -> str:
    """Return llama.cpp's name of the mixture; else the format that takes most."""
    named = FILE_TYPES.get(header.number("general.file_type"), "") if "general.file_type" in header.metadata else ""
    if not named and tensors:
        sizes: Counter[str] = Counter()
        for tensor in tensors:
            sizes[tensor.dtype] += tensor.size_bytes
        named = sizes.most_common(1)[0][0]
    return "" if named in ("F32", "F16", "BF16") else named


def _size(tensors: Sequence[Tensor], name: str) -> int:
    return next((tensor.size_bytes for tensor in tensors if tensor.name == name), 0)

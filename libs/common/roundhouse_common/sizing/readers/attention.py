"""From a config.json to the groups of layers that keep the past in the same way.

The rules are those of each architecture's own code in transformers (`models/*/modeling_*.py`); a model that says
`layer_types` needs none of them. What a config does not say is a gap, never a guess.
"""

from collections import Counter
from typing import Final

from roundhouse_common.contracts.models import AttentionKind, LayerGroup
from roundhouse_common.sizing.readers.fields import Fields
from roundhouse_common.sizing.readers.recurrent import state_bytes

__all__ = ["MOST_LAYERS", "Shape", "groups_of", "shape_of"]

MOST_LAYERS: Final = 65_536
"""More is a damaged file."""

_ENCODERS: Final = frozenset(
    {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "gte", "jina_bert"}
    | {"longformer", "modernbert", "mpnet", "new", "nomic_bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "xlnet"}
)
_UNCOMPUTED: Final = (
    "swa_num_key_value_heads",
    "swa_head_dim",
    "global_head_dim",
    "num_global_key_value_heads",
    "num_kv_shared_layers",
    "linear_attn_config",
)
"""Layers of one model with different heads, or that share their cache: no rule here covers them."""

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_KINDS: Final = {
    "full_attention": AttentionKind.FULL,
    "attention": AttentionKind.FULL,
    "global": AttentionKind.FULL,
    "sliding_attention": AttentionKind.SLIDING,
    "sliding": AttentionKind.SLIDING,
    "local": AttentionKind.SLIDING,
    "chunked_attention": AttentionKind.SLIDING,
    "linear_attention": AttentionKind.RECURRENT,
    "mamba": AttentionKind.RECURRENT,
    "mamba2": AttentionKind.RECURRENT,
    "conv": AttentionKind.RECURRENT,
    "hybrid": AttentionKind.RECURRENT,
    "mlp": AttentionKind.NONE,
    "moe": AttentionKind.NONE,
}


class Shape:
    """The numbers that nearly every config has."""

    def __init__(self, fields: Fields) -> None:
        self.layers = fields.number(*_LAYERS, wanted="how many layers there are")
        if self.layers > MOST_LAYERS:
            fields.gaps.append(f"config.json claims {self.layers} layers, which cannot be")
        self.hidden = fields.number(*_HIDDEN, wanted="the hidden size")
        self.heads = fields.number(*_HEADS)
        self.kv_heads = _kv_heads(fields, self.heads)
        self.head_dim = fields.number("head_dim", "kv_channels", "attention_head_dim", "d_kv")
        if not self.head_dim and self.heads:
            self.head_dim = self.hidden // self.heads


def shape_of(fields: Fields) -> Shape:
    """Return the numbers; what is missing is among the fields' gaps."""
    return Shape(fields)


def groups_of(fields: Fields, shape: Shape) -> tuple[LayerGroup, ...]:
    """Return the groups; empty, with the gaps in `fields.gaps`, when they cannot be told."""
    if fields.text("model_type") in _ENCODERS:
        return (LayerGroup(layers=shape.layers, attention=AttentionKind.NONE),)
    if fields.flag("is_encoder_decoder"):
        fields.gaps.append("an encoder-decoder model keeps a cross-attention cache, which is not computed")
    unknown = [name for name in _UNCOMPUTED if fields.raw(name) not in (None, 0)]
    if unknown:
        fields.gaps.append(f"config.json has {', '.join(unknown)}: its layers differ in a way that is not computed")
    if fields.gaps:
        return ()
    if fields.number("kv_lora_rank"):
        return _latent(fields, shape)
    kinds = _kinds(fields, shape.layers)
    if fields.gaps:
        return ()
    groups = tuple(_group(fields, shape, kind, count) for kind, count in sorted(Counter(kinds).items()))
    return () if fields.gaps else groups


def _kv_heads(fields: Fields, heads: int) -> int:
    """Return the KV heads: stated, one for all (multi-query), or as many as attention heads."""
    attention = fields.inner("attn_config")  # MPT, DBRX
    stated = attention.number("kv_n_heads") or fields.number("num_key_value_heads", "multi_query_group_num")
    if fields.text("model_type") in ("falcon", "RefinedWeb", "RefinedWebModel"):
        # Falcon: both names exist, and `multi_query` counts only for the first generation (modeling_falcon.py).
        if fields.flag("new_decoder_architecture") or fields.text("model_type") == "RefinedWeb":
            return fields.number("num_kv_heads", "n_head_kv") or heads
        return 1 if fields.flag("multi_query") else heads
    if stated:
        return stated
    if fields.flag("multi_query"):
        return 1
    return fields.number("num_kv_heads", "n_head_kv", "n_kv_heads") or heads


def _latent(fields: Fields, shape: Shape) -> tuple[LayerGroup, ...]:
    """Multi-head latent attention: one compressed vector and one rotary part per token (DeepSeek-V2, section 2.1)."""
    rotary = fields.number("qk_rope_head_dim", wanted="the rotary part of its latent attention")
    if fields.gaps:
        return ()
    width = fields.number("kv_lora_rank") + rotary
    latent = LayerGroup(layers=shape.layers, attention=AttentionKind.LATENT, kv_heads=1, key_dim=width)
    index = fields.number("index_head_dim")
    if not index:
        return (latent,)
    # DeepSeek-V3.2 keeps a key per token for its index, in 8 bits with a 4-byte scale whatever the cache's type is.
    return (latent, LayerGroup(layers=shape.layers, attention=AttentionKind.LATENT, kv_heads=1, key_dim=index + 4))


def _group(fields: Fields, shape: Shape, kind: AttentionKind, count: int) -> LayerGroup:
    if kind is AttentionKind.RECURRENT:
        return LayerGroup(layers=count, attention=kind, state_bytes=state_bytes(fields, shape.hidden, shape.heads))
    if kind is AttentionKind.NONE:
        return LayerGroup(layers=count, attention=kind)
    if not shape.heads:
        fields.gaps.append(f"config.json does not say how many attention heads there are ({' or '.join(_HEADS)})")
    elif not fields.has("head_dim", "kv_channels", "attention_head_dim", "d_kv") and shape.hidden % shape.heads:
        fields.gaps.append(
            f"hidden size {shape.hidden} is no multiple of {shape.heads} heads, and there is no head_dim"
        )
    window = 0
    if kind is AttentionKind.SLIDING:
        window = fields.number(
            "sliding_window", "attention_chunk_size", "sliding_window_size", "local_attention_window"
        )
        if not window:
            fields.gaps.append("config.json does not say how long the window of its sliding layers is (sliding_window)")
    return LayerGroup(
        layers=count,
        attention=kind,
        kv_heads=shape.kv_heads,
        key_dim=shape.head_dim,
        value_dim=fields.number("v_head_dim") or shape.head_dim,
        window=window,
    )


def _kinds(fields: Fields, layers: int) -> list[AttentionKind]:
    """Return the kind of every layer. Layers that have two (Falcon-H1) are there twice."""
    for name in ("layer_types", "layers_block_type", "block_types"):
        stated = fields.texts(name)
        if stated:
            return _stated(fields, name, stated, layers)
    model = fields.text("model_type")
    match model:
        case "mamba" | "mamba2" | "falcon_mamba":
            return [AttentionKind.RECURRENT] * layers
        case "falcon_h1":
            return [AttentionKind.FULL] * layers + [AttentionKind.RECURRENT] * layers
        case "nemotron_h":
            return _nemotron(fields)
        case "jamba":
            return _periodic(fields, layers, "attn_layer_period", "attn_layer_offset")
        case "bamba":
            full = set(fields.numbers("attn_layer_indices"))
            return [_full_if(layer in full) for layer in range(layers)]
        case "qwen3_next":
            every = fields.number("full_attention_interval", wanted="every how many layers attention is full")
            return [_full_if(every > 0 and (layer + 1) % every == 0) for layer in range(layers)]
        case "minimax_m1" | "minimax_text_01" | "minimax":
            return [_full_if(kind == 1) for kind in fields.numbers("attn_type_list")]
        case _:
            return _windows(fields, model, layers)


def _stated(fields: Fields, name: str, stated: tuple[str, ...], layers: int) -> list[AttentionKind]:
    unknown = sorted({kind for kind in stated if kind not in _KINDS})
    if unknown:
        fields.gaps.append(f"config.json: {name} has {', '.join(unknown)[:80]}, of which no cache size is known")
        return []
    if len(stated) < layers:
        fields.gaps.append(f"config.json: {name} names {len(stated)} layers of {layers}")
        return []
    return [_KINDS[kind] for kind in stated[:layers]]


def _windows(fields: Fields, model: str, layers: int) -> list[AttentionKind]:
    """Full attention, or a window in all or most layers."""
    is_off = fields.raw("use_sliding_window") is False
    if is_off or not fields.number("sliding_window", "attention_chunk_size"):
        return [AttentionKind.FULL] * layers
    no_rotary = fields.numbers("no_rope_layers")
    if model.startswith("llama4") and len(no_rotary) == layers:
        return [_sliding_if(rotary == 1) for rotary in no_rotary]  # full where there is no rotary part
    if fields.flag("use_sliding_window") and fields.number("max_window_layers"):
        first = fields.number("max_window_layers")  # Qwen2, Qwen3
        return [_sliding_if(layer >= first) for layer in range(layers)]
    pattern = fields.number("sliding_window_pattern", "_sliding_window_pattern") or _PATTERNS.get(model, 0)
    if pattern > 1:
        return [_sliding_if((layer + 1) % pattern != 0) for layer in range(layers)]
    return [AttentionKind.SLIDING] * layers


_PATTERNS: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3_text": 6,
    "cohere2": 4,
    "gpt_oss": 2,
    "llama4": 4,
    "llama4_text": 4,
}
"""Every so many layers one is full; configs before transformers 4.54 do not say it."""


def _periodic(fields: Fields, layers: int, period: str, offset: str) -> list[AttentionKind]:
    every = fields.number(period, wanted="every how many layers there is attention")
    first = fields.number(offset)
    return [_full_if(every > 0 and layer % every == first) for layer in range(layers)]


def _nemotron(fields: Fields) -> list[AttentionKind]:
    """One letter per layer: M is Mamba-2, * attention, - an MLP, E experts."""
    pattern = fields.text("hybrid_override_pattern")
    if not pattern or set(pattern) - set("M*-E|"):
        fields.gaps.append("config.json has no hybrid_override_pattern that can be read")
        return []
    kinds = {"M": AttentionKind.RECURRENT, "*": AttentionKind.FULL}
    return [kinds.get(letter, AttentionKind.NONE) for letter in pattern if letter != "|"]


def _full_if(condition: bool) -> AttentionKind:
    return AttentionKind.FULL if condition else AttentionKind.RECURRENT


def _sliding_if(condition: bool) -> AttentionKind:
    return AttentionKind.SLIDING if condition else AttentionKind.FULL

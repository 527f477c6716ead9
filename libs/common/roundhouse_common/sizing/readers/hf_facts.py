"""Facts of a model in the Hugging Face layout: config.json beside safetensors files."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from roundhouse_common.contracts.models import ModelFacts, ModelFormat
from roundhouse_common.sizing.readers.attention import Shape, groups_of, shape_of
from roundhouse_common.sizing.readers.fields import Fields
from roundhouse_common.sizing.readers.quantization import Quantization, quantization_of
from roundhouse_common.sizing.readers.safetensors import Tensor
from roundhouse_common.sizing.readers.strict_json import JsonObject, parse_object

__all__ = ["MAX_CONFIG_BYTES", "HfFiles", "hf_facts"]

MAX_CONFIG_BYTES: Final = 16 * 1024 * 1024

_REPLICATED: Final = re.compile(
    r"norm|\bln_|layernorm|rotary|position_embedding|\.gate\.(weight|e_score_correction_bias)$|router|g_idx$"
    r"|q_a_proj|kv_a_proj|indexer|^(model\.)?(visual|vision|audio|multi_modal_projector)"
)
"""What vLLM and SGLang keep whole on each device of a tensor parallel group; vision towers are counted so too."""
_KEY_VALUE: Final = re.compile(r"attn\.(k|v)_proj\.(weight|qweight|weight_packed)$|attention\.w[kv]\.weight$")
_EMBEDDING: Final = re.compile(r"(^|\.)(embed_tokens|word_embeddings|tok_embeddings|wte)\.weight$")
_OUTPUT: Final = re.compile(r"(^|\.)(lm_head|output|embed_out)\.weight$")
_PACKED: Final = re.compile(r"\.(qweight|weight_packed)$")
_SCALES: Final = re.compile(r"(scales?|scale_inv|zeros|zero_point|g_idx|weight_shape|weight_scale\w*|input_scale)$")


class HfFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a model's directory."""

    config: bytes
    """config.json"""
    quantization: bytes = b""
    """hf_quant_config.json, when there is one."""
    tensors: tuple[Tensor, ...] = ()
    missing_shards: tuple[str, ...] = ()
    """Named by the index, and not there."""
    faults: tuple[str, ...] = ()
    """Why weights could not be read."""


def hf_facts(files: HfFiles) -> ModelFacts:
    """Return the facts; what could not be learnt is among `gaps`. Raises Unreadable when config.json is no object."""
    config = parse_object(files.config, what="config.json", most_bytes=MAX_CONFIG_BYTES)
    beside: JsonObject = {}
    if files.quantization:
        beside = parse_object(files.quantization, what="hf_quant_config.json", most_bytes=MAX_CONFIG_BYTES)
    fields = Fields.of_text_model(config)
    quantization = quantization_of(fields, Fields(beside))
    shape = shape_of(fields)
    groups = groups_of(fields, shape)
    facts = _of_config(fields, shape, quantization)
    return msgspec.structs.replace(
        _with_tensors(facts, files.tensors, quantization),
        groups=groups,
        gaps=(*fields.gaps, *_weight_gaps(files)),
        architecture=_architecture(config, fields),
    )


def _of_config(fields: Fields, shape: Shape, quantization: Quantization) -> ModelFacts:
    ffn = fields.inner("ffn_config")  # DBRX
    experts = fields.number("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    chosen = fields.number("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k_experts")
    shared = fields.number("n_shared_experts")
    intermediate = fields.number("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim")
    return ModelFacts(
        format=ModelFormat.SAFETENSORS,
        architecture="",
        weight_bytes=0,
        quantization=quantization.name,
        dtype=fields.text("dtype", "torch_dtype"),
        context_length=fields.number(
            "max_position_embeddings", "max_sequence_length", "seq_length", "n_positions", "max_seq_len"
        ),
        layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=intermediate or ffn.number("ffn_hidden_size") or 4 * shape.hidden,
        attention_heads=shape.heads,
        kv_heads=shape.kv_heads,
        vocab_size=fields.number("vocab_size", "padded_vocab_size"),
        expert_count=experts or ffn.number("moe_num_experts"),
        experts_per_token=(chosen or ffn.number("moe_top_k")) + (shared if chosen else 0),
        expert_intermediate_size=(
            fields.number("moe_intermediate_size", "expert_ffn_hidden_size")
            or ((intermediate or ffn.number("ffn_hidden_size")) if experts or ffn.has("moe_num_experts") else 0)
        ),
        attention_width=shape.heads * shape.head_dim,
        kv_cache_dtype=quantization.kv_cache_dtype,
        quantization_group=quantization.group,
    )


def _with_tensors(facts: ModelFacts, tensors: Sequence[Tensor], quantization: Quantization) -> ModelFacts:
    return msgspec.structs.replace(
        facts,
        weight_bytes=_bytes(tensors),
        parameter_count=_parameters(tensors, quantization),
        embedding_bytes=_bytes(tensor for tensor in tensors if _EMBEDDING.search(tensor.name)),
        output_bytes=_bytes(tensor for tensor in tensors if _OUTPUT.search(tensor.name)),
        replicated_bytes=_bytes(tensor for tensor in tensors if _REPLICATED.search(tensor.name)),
        kv_projection_bytes=_bytes(tensor for tensor in tensors if _KEY_VALUE.search(tensor.name)),
        float32_bytes=0 if quantization.name else _bytes(tensor for tensor in tensors if tensor.dtype == "F32"),
    )


def _parameters(tensors: Iterable[Tensor], quantization: Quantization) -> int:
    """Return the model's parameters: packed weights hold several in one number, and scales are none."""
    if quantization.name and not quantization.bits:
        return 0
    count = 0
    for tensor in tensors:
        if _PACKED.search(tensor.name):
            count += tensor.size_bytes * 8 // quantization.bits if quantization.bits else 0
        elif not (quantization.name and _SCALES.search(tensor.name)):
            count += tensor.elements
    return count


def _weight_gaps(files: HfFiles) -> tuple[str, ...]:
    gaps = list(files.faults)
    if files.missing_shards:
        shown = ", ".join(files.missing_shards[:3])
        more = f" and {len(files.missing_shards) - 3} more" if len(files.missing_shards) > 3 else ""
        gaps.append(f"{len(files.missing_shards)} of the model's files are missing: {shown}{more}")
    if not files.tensors and not gaps:
        gaps.append("there are no safetensors files beside config.json")
    return tuple(gaps)


def _architecture(config: JsonObject, fields: Fields) -> str:
    named = Fields(config).texts("architectures")
    return named[0] if named else fields.text("model_type")


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size_bytes for tensor in tensors)

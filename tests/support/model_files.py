"""Models in the Hugging Face layout: published configurations, and weight files of the right sizes, all holes."""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.sizing.readers import HfFiles, Tensor, hf_facts

__all__ = ["a_config", "dense_tensors", "facts_of", "moe_tensors", "safetensors_header", "write_model"]

_CONFIGS = Path(__file__).parents[1] / "fixtures/models"
_BYTES = {"F32": 4, "BF16": 2, "F16": 2, "I32": 4, "F8_E4M3": 1, "U8": 1}
Shapes = Mapping[str, tuple[str, Sequence[int]]]


def a_config(name: str, **changes: Any) -> dict[str, Any]:
    """Return the memory-relevant values of a published config.json; None removes one."""
    config: dict[str, Any] = json.loads((_CONFIGS / f"{name}.json").read_text())
    return {key: value for key, value in {**config, **changes}.items() if value is not None}


def facts_of(name: str, shapes: Shapes | None = None, **changes: Any) -> ModelFacts:
    """Return the facts of a published model with these weights; without them one byte of weights, for its cache."""
    given = shapes or {"lm_head.weight": ("U8", [1])}
    tensors = tuple(_tensor(name, dtype, shape) for name, (dtype, shape) in given.items())
    return hf_facts(HfFiles(config=msgspec.json.encode(a_config(name, **changes)), tensors=tensors))


def dense_tensors(config: Mapping[str, Any], *, dtype: str = "BF16") -> Shapes:
    """Return names and shapes of a Llama-like model's tensors, as its modeling code declares them."""
    return dict(_dense(config, dtype))


def moe_tensors(config: Mapping[str, Any]) -> Shapes:
    """Return those of a Qwen3-MoE model: every layer has a router and `num_experts` small MLPs."""
    shapes = {name: shape for name, shape in _dense(config, "BF16") if ".mlp." not in name}
    hidden, width = config["hidden_size"], config["moe_intermediate_size"]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}.mlp"
        shapes[f"{prefix}.gate.weight"] = ("BF16", [config["num_experts"], hidden])
        for expert in range(config["num_experts"]):
            shapes[f"{prefix}.experts.{expert}.gate_proj.weight"] = ("BF16", [width, hidden])
            shapes[f"{prefix}.experts.{expert}.up_proj.weight"] = ("BF16", [width, hidden])
            shapes[f"{prefix}.experts.{expert}.down_proj.weight"] = ("BF16", [hidden, width])
    return shapes


def safetensors_header(shapes: Shapes) -> tuple[bytes, int]:
    """Return the length and the JSON that begin a file, and how many bytes of data follow."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in shapes.items():
        size = math.prod(shape) * _BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text, at


def write_model(directory: Path, config: Mapping[str, Any], shards: Sequence[Shapes]) -> Path:
    """Write a model whose tensors are holes: they take no room on the disk."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    names = names if len(shards) > 1 else ["model.safetensors"]
    for name, shapes in zip(names, shards, strict=True):
        header, data_bytes = safetensors_header(shapes)
        with (directory / name).open("wb") as file:
            file.write(header)
            file.truncate(len(header) + data_bytes)
    if len(shards) > 1:
        weight_map = {tensor: name for name, shapes in zip(names, shards, strict=True) for tensor in shapes}
        (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return directory


def _tensor(name: str, dtype: str, shape: Sequence[int]) -> Tensor:
    elements = math.prod(shape)
    return Tensor(name, dtype, elements, elements * _BYTES[dtype])


def _dense(config: Mapping[str, Any], dtype: str) -> Iterator[tuple[str, tuple[str, Sequence[int]]]]:
    config = config.get("text_config", config)
    family = config["model_type"]
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    head_dim = config.get("head_dim", hidden // config["num_attention_heads"])
    queries, keys = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    yield "model.embed_tokens.weight", (dtype, [config["vocab_size"], hidden])
    norms = ["input_layernorm", "post_attention_layernorm"]
    if family.startswith("gemma"):
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for name, rows, columns in (
            ("self_attn.q_proj", queries, hidden),
            ("self_attn.k_proj", keys, hidden),
            ("self_attn.v_proj", keys, hidden),
            ("self_attn.o_proj", hidden, queries),
            ("mlp.gate_proj", ffn, hidden),
            ("mlp.up_proj", ffn, hidden),
            ("mlp.down_proj", hidden, ffn),
        ):
            yield from _linear(config, f"{prefix}.{name}", rows, columns, dtype)
            if family == "qwen2" and name[-6:] in ("q_proj", "k_proj", "v_proj"):
                yield f"{prefix}.{name}.bias", (dtype, [rows])
        for norm in norms:
            yield f"{prefix}.{norm}.weight", (dtype, [hidden])
        if family in ("qwen3", "qwen3_moe", "gemma3_text"):
            yield f"{prefix}.self_attn.q_norm.weight", (dtype, [head_dim])
            yield f"{prefix}.self_attn.k_norm.weight", (dtype, [head_dim])
    yield "model.norm.weight", (dtype, [hidden])
    if not config.get("tie_word_embeddings", family.startswith("gemma")):
        yield "lm_head.weight", (dtype, [config["vocab_size"], hidden])


def _linear(
    config: Mapping[str, Any], name: str, rows: int, columns: int, dtype: str
) -> Iterator[tuple[str, tuple[str, Sequence[int]]]]:
    """Return one projection: plain, or as AutoGPTQ (packed along the input) or AutoAWQ (along the output) stores it."""
    quantization = config.get("quantization_config", {})
    packed = 32 // quantization.get("bits", 32)
    groups = columns // quantization.get("group_size", columns)
    match quantization.get("quant_method"):
        case "gptq":
            yield f"{name}.qweight", ("I32", [columns // packed, rows])
            yield f"{name}.qzeros", ("I32", [groups, rows // packed])
            yield f"{name}.scales", (dtype, [groups, rows])
            yield f"{name}.g_idx", ("I32", [columns])
        case "awq":
            yield f"{name}.qweight", ("I32", [columns, rows // packed])
            yield f"{name}.qzeros", ("I32", [groups, rows // packed])
            yield f"{name}.scales", (dtype, [groups, rows])
        case "compressed-tensors":
            yield f"{name}.weight", ("F8_E4M3", [rows, columns])
            yield f"{name}.weight_scale", (dtype, [rows, 1])
        case _:
            yield f"{name}.weight", (dtype, [rows, columns])

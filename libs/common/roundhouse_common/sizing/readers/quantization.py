"""How weights are quantised, from `quantization_config` in config.json or from hf_quant_config.json."""

import msgspec

from roundhouse_common.sizing.readers.fields import Fields

__all__ = ["Quantization", "quantization_of"]


class Quantization(msgspec.Struct, frozen=True, kw_only=True):
    """Empty and zero for plain weights."""

    name: str = ""
    bits: int = 0
    """Of a weight; 0 when the files do not say."""
    group: int = 0
    """Weights that share a scale along the divided side."""
    kv_cache_dtype: str = ""


def quantization_of(config: Fields, beside: Fields) -> Quantization:
    """Return what config.json says, else what hf_quant_config.json (`beside`) says."""
    if config.has("quantization_config"):
        return _of_config(config.inner("quantization_config"))
    if beside.has("quantization"):
        return _of_modelopt(beside.inner("quantization"))
    return Quantization()


def _of_config(found: Fields) -> Quantization:
    method = found.text("quant_method").lower()
    match method:
        case "gptq" | "awq" | "gptq_marlin" | "awq_marlin" | "auto-round" | "intel/auto-round":
            bits = found.number("bits", "w_bit")
            group = found.number("group_size", "q_group_size") if not _is_whole_row(found) else 0
            return Quantization(name=f"{method}-{bits}bit" if bits else method, bits=bits, group=group)
        case "fp8":
            blocks = found.numbers("weight_block_size")
            return Quantization(name="fp8", bits=8, group=blocks[0] if blocks else 0)
        case "compressed-tensors":
            return _of_compressed(found)
        case "bitsandbytes":
            bits = 4 if found.flag("load_in_4bit") else 8
            return Quantization(name=f"bitsandbytes-{bits}bit", bits=bits)
        case "modelopt" | "modelopt_fp4" | "modelopt_fp8":
            return _of_modelopt(found)
        case "mxfp4":
            return Quantization(name="mxfp4", bits=4, group=32)
        case _:
            return Quantization(name=method or "unknown")


def _is_whole_row(found: Fields) -> bool:
    """`group_size: -1` is one scale per row."""
    return -1 in (found.raw("group_size"), found.raw("q_group_size"))


def _of_compressed(found: Fields) -> Quantization:
    weights = found.first_of("config_groups").inner("weights")
    bits = weights.number("num_bits")
    cache = found.inner("kv_cache_scheme")
    kv_cache_dtype = "fp8" if cache.text("type") == "float" and cache.number("num_bits") == 8 else ""
    kind = "fp" if weights.text("type") == "float" else "int"
    name = f"compressed-tensors-{kind}{bits}" if bits else "compressed-tensors"
    group = weights.number("group_size") if weights.text("strategy") in ("group", "tensor_group") else 0
    blocks = weights.numbers("block_structure")
    return Quantization(
        name=name, bits=bits, group=group or (blocks[0] if blocks else 0), kv_cache_dtype=kv_cache_dtype
    )


def _of_modelopt(found: Fields) -> Quantization:
    algorithm = found.text("quant_algo").lower()
    bits = 4 if "4" in algorithm else 8 if "8" in algorithm else 0
    group = found.number("group_size") if bits == 4 else 0
    kv_cache_dtype = "fp8" if found.text("kv_cache_quant_algo").upper() == "FP8" else ""
    return Quantization(name=algorithm or "modelopt", bits=bits, group=group, kv_cache_dtype=kv_cache_dtype)

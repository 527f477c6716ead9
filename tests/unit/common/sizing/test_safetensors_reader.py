"""Headers and indexes of safetensors files, and configurations: nothing in them is believed."""

import io
import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.sizing.readers import (
    HfFiles,
    Tensor,
    Unreadable,
    bytes_by_dtype,
    hf_facts,
    parse_object,
    read_header,
    read_index,
)
from tests.support.model_files import a_config, facts_of, safetensors_header


def with_header(entries: object, *, data_bytes: int = 0) -> tuple[io.BytesIO, int]:
    text = json.dumps(entries).encode()
    return io.BytesIO(struct.pack("<Q", len(text)) + text), 8 + len(text) + data_bytes


def an_entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12], **changes}


def test_tensors_are_read_without_their_data() -> None:
    header, data_bytes = safetensors_header({"a.weight": ("BF16", [2, 3]), "b.qweight": ("I32", [4])})
    tensors = read_header(io.BytesIO(header), len(header) + data_bytes)
    assert tensors == (Tensor("a.weight", "BF16", 6, 12), Tensor("b.qweight", "I32", 4, 16))
    assert bytes_by_dtype(tensors) == {"BF16": 12, "I32": 16}


@pytest.mark.parametrize(
    ("entries", "data_bytes", "says"),
    [
        ({"a": an_entry()}, 11, "truncated: its tensors take 12 bytes and 11 are there"),
        ({"a": an_entry()}, 13, "1 bytes behind its last tensor"),
        ({"a": an_entry(data_offsets=[4, 16])}, 16, "gap or overlap"),
        ({"a": an_entry(), "b": an_entry()}, 12, "gap or overlap"),
        ({"a": an_entry(shape=[2, 4])}, 12, "do not agree"),
        ({"a": an_entry(shape=[-2, -3])}, 12, "no valid shape"),
        ({"a": an_entry(shape=[1 << 70])}, 12, "no valid shape"),
        ({"a": an_entry(shape="23")}, 12, "no valid shape"),
        ({"a": an_entry(dtype="BF17")}, 12, "unknown number format"),
        ({"a": an_entry(dtype=None)}, 12, "no dtype"),
        ({"a": an_entry(data_offsets=[12, 0])}, 12, "ends before it begins"),
        ({"a": an_entry(data_offsets=[0, True])}, 12, "data_offsets"),
        ({"a": 7}, 0, "not described"),
        ([1], 0, "not an object"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(entries: object, data_bytes: int, says: str) -> None:
    file, size = with_header(entries, data_bytes=data_bytes)
    with pytest.raises(Unreadable, match=says):
        read_header(file, size)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "ends after 0 bytes"),
        (struct.pack("<Q", 1 << 63) + b"{}", "claims a header of"),
        (struct.pack("<Q", 1000) + b"{}", "truncated"),
        (struct.pack("<Q", 2) + b"\xff\xfe", "not UTF-8"),
        (struct.pack("<Q", 2) + b"{]", "not JSON"),
        (struct.pack("<Q", 13) + b'{"a":1,"a":2}', "'a' is there twice"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "nested too deeply"),
        (struct.pack("<Q", 9) + b'{"a":NaN}', "'a' of the safetensors file is not described"),
    ],
)
def test_files_that_are_none_are_refused(text: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read_header(io.BytesIO(text), len(text))


def test_a_header_longer_than_the_file_is_never_allocated() -> None:
    file, _ = with_header({"a": an_entry()})
    with pytest.raises(Unreadable, match="truncated"):
        read_header(file, 20)
    assert file.tell() == 8


@pytest.mark.parametrize("shard", ["../secret", "/etc/passwd", "a/b", "..", "", 7, "x" * 300])
def test_an_index_names_files_beside_it_and_nothing_else(shard: object) -> None:
    with pytest.raises(Unreadable, match="no file name"):
        read_index(json.dumps({"weight_map": {"a": shard}}).encode())


def test_an_index_lists_its_shards_once() -> None:
    index = read_index(
        json.dumps({"metadata": {"total_size": 5.0}, "weight_map": {"a": "y", "b": "x", "c": "y"}}).encode()
    )
    assert (index.shards, index.total_bytes) == (("x", "y"), 5)


def test_an_object_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(Unreadable, match="at most 4 are read"):
        parse_object(b'{"a":1}', what="config.json", most_bytes=4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_hidden_layers": None}, "how many layers"),
        ({"hidden_size": None}, "hidden size"),
        ({"num_attention_heads": None}, "how many attention heads"),
        ({"num_hidden_layers": "32"}, "not a whole number"),
        ({"num_hidden_layers": -1}, "not a whole number"),
        ({"num_hidden_layers": True}, "not a whole number"),
        ({"num_hidden_layers": 10**9}, "cannot be"),
        ({"hidden_size": 4097}, "no multiple of 32 heads"),
        ({"layer_types": ["full_attention"]}, "names 1 layers of 32"),
        ({"layer_types": ["telepathy"] * 32}, "telepathy"),
        ({"layer_types": ["sliding_attention"] * 32}, "sliding_window"),
        ({"layer_types": ["linear_attention"] * 32}, "state of its recurrent layers"),
        ({"is_encoder_decoder": True}, "cross-attention"),
        ({"swa_num_key_value_heads": 4}, "swa_num_key_value_heads"),
        ({"kv_lora_rank": 512}, "rotary part"),
    ],
)
def test_what_a_configuration_does_not_say_is_a_gap(changes: dict[str, Any], says: str) -> None:
    facts = facts_of("llama-3.1-8b", **changes) if None not in changes.values() else without(changes)
    assert facts.groups == ()
    assert any(says in gap for gap in facts.gaps), facts.gaps


def without(changes: dict[str, Any]) -> Any:
    config = {key: value for key, value in a_config("llama-3.1-8b").items() if key not in changes}
    return hf_facts(HfFiles(config=msgspec.json.encode(config), tensors=(Tensor("a", "U8", 1, 1),)))


def test_an_unknown_architecture_with_the_usual_fields_is_computed() -> None:
    facts = facts_of("llama-3.1-8b", architectures=["NeverSeenForCausalLM"], model_type="never_seen")
    assert facts.architecture == "NeverSeenForCausalLM"
    assert facts.groups == facts_of("llama-3.1-8b").groups
    assert facts.gaps == ()


def test_missing_shards_are_named() -> None:
    config = msgspec.json.encode(a_config("llama-3.1-8b"))
    facts = hf_facts(HfFiles(config=config, missing_shards=("a", "b", "c", "d")))
    assert facts.gaps == ("4 of the model's files are missing: a, b, c and 1 more",)


@pytest.mark.parametrize(
    ("quantization", "name", "group", "kv_cache_dtype"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 128, ""),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "gptq-4bit", 0, ""),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes-4bit", 0, ""),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64}}
                },
                "kv_cache_scheme": {"num_bits": 8, "type": "float"},
            },
            "compressed-tensors-int4",
            64,
            "fp8",
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}, "nvfp4", 16, ""),
        ({"quant_method": 7}, "unknown", 0, ""),
    ],
)
def test_quantisation_is_read(quantization: dict[str, Any], name: str, group: int, kv_cache_dtype: str) -> None:
    facts = facts_of("llama-3.1-8b", quantization_config=quantization)
    assert (facts.quantization, facts.quantization_group, facts.kv_cache_dtype) == (name, group, kv_cache_dtype)


def test_hf_quant_config_counts_when_config_says_nothing() -> None:
    beside = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    config = msgspec.json.encode(a_config("llama-3.1-8b"))
    facts = hf_facts(HfFiles(config=config, quantization=msgspec.json.encode(beside)))
    assert (facts.quantization, facts.kv_cache_dtype) == ("fp8", "fp8")


_NAMES = sorted(
    {key for name in ("deepseek-v3", "qwen3-next-80b-a3b", "jamba-v0.1", "gpt-oss-20b") for key in a_config(name)}
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(["deepseek-v3", "qwen3-next-80b-a3b", "jamba-v0.1", "gpt-oss-20b"]), st.data())
def test_whatever_a_configuration_says_there_are_facts_or_gaps(name: str, data: st.DataObject) -> None:
    config = {**a_config(name), **data.draw(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4))}
    facts = hf_facts(HfFiles(config=json.dumps(config).encode(), tensors=(Tensor("a", "U8", 1, 1),)))
    assert facts.groups or facts.gaps

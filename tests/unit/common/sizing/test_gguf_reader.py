"""GGUF headers: what they tell, and that nothing in them is believed."""

import io
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.models import AttentionKind, LayerGroup
from roundhouse_common.sizing.readers import GgufHeader, Unreadable, gguf_facts, read_gguf, split_names
from tests.support.gguf_files import gguf_bytes

LLAMA_8B: dict[str, Any] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 32,
    "llama.context_length": 131072,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.vocab_size": 128256,
}


def header_of(metadata: dict[str, Any], tensors: dict[str, tuple[str, list[int]]] | None = None) -> GgufHeader:
    text = gguf_bytes(metadata, tensors or {})
    return read_gguf(io.BytesIO(text), 1 << 50)


def q4_k_m() -> dict[str, tuple[str, list[int]]]:
    """llama.cpp's mixture: the output, and half of the layers' ffn_down and attn_v, are Q6_K; everything else Q4_K.

    Half: the first and the last eighth of the layers, and every third between (`use_more_bits` in llama-quant.cpp).
    """
    tensors: dict[str, tuple[str, list[int]]] = {
        "token_embd.weight": ("Q4_K", [4096, 128256]),
        "output.weight": ("Q6_K", [4096, 128256]),
        "output_norm.weight": ("F32", [4096]),
        "rope_freqs.weight": ("F32", [64]),
    }
    for layer in range(32):
        more = "Q6_K" if layer < 4 or layer >= 28 or (layer - 4) % 3 == 2 else "Q4_K"
        shapes = {"attn_q": [4096, 4096], "attn_k": [4096, 1024], "attn_output": [4096, 4096]}
        shapes |= {"ffn_gate": [4096, 14336], "ffn_up": [4096, 14336]}
        tensors |= {f"blk.{layer}.{name}.weight": ("Q4_K", shape) for name, shape in shapes.items()}
        tensors[f"blk.{layer}.attn_v.weight"] = (more, [4096, 1024])
        tensors[f"blk.{layer}.ffn_down.weight"] = (more, [14336, 4096])
        tensors[f"blk.{layer}.attn_norm.weight"] = tensors[f"blk.{layer}.ffn_norm.weight"] = ("F32", [4096])
    return tensors


def test_a_q4_k_m_file_has_the_bytes_of_each_format() -> None:
    facts = gguf_facts([header_of(LLAMA_8B, q4_k_m())])
    # Q4_K: 144 bytes for 256 weights; Q6_K: 210. Of the layers' 6,979,321,856 weights 16 x (4,194,304 + 58,720,256) =
    # 1,006,632,960 are Q6_K (825,753,600 bytes) and 5,972,688,896 Q4_K (3,359,637,504). Tables of 525,336,576 weights:
    # 295,501,824 and 430,940,160 bytes. 65 norms of 4096 x 4 and 64 x 4 bytes. In all 4.91 GB; the file has 4.92.
    assert facts.weight_bytes == 825_753_600 + 3_359_637_504 + 295_501_824 + 430_940_160 + 65 * 16_384 + 256
    assert facts.quantization == "Q4_K_M"
    assert facts.gaps == ()
    assert (facts.embedding_bytes, facts.output_bytes) == (295_501_824, 430_940_160)
    assert facts.groups == (
        LayerGroup(layers=32, attention=AttentionKind.FULL, kv_heads=8, key_dim=128, value_dim=128),
    )


@pytest.mark.parametrize(
    ("architecture", "more", "sliding", "full"),
    [
        ("gemma3", {}, 20, 4),  # every sixth is full
        ("gemma2", {}, 12, 12),
        ("gpt-oss", {}, 12, 12),
        ("llama", {}, 0, 24),  # llama.cpp uses no window for Mistral's files, which say `llama`
        ("gemma3", {"gemma3.attention.sliding_window_pattern": [True] * 23 + [False]}, 23, 1),
    ],
)
def test_windows_are_those_that_llama_cpp_uses(
    architecture: str, more: dict[str, Any], sliding: int, full: int
) -> None:
    metadata = {key.replace("llama", architecture): value for key, value in LLAMA_8B.items()}
    metadata |= {"general.architecture": architecture, f"{architecture}.block_count": 24}
    metadata |= {f"{architecture}.attention.sliding_window": 1024, **more}
    layers = {group.attention: group.layers for group in gguf_facts([header_of(metadata)]).groups}
    assert layers.get(AttentionKind.SLIDING, 0) == sliding
    assert layers.get(AttentionKind.FULL, 0) == full


def test_heads_may_differ_from_layer_to_layer_and_layers_without_any_are_recurrent() -> None:
    metadata = {key.replace("llama", "jamba"): value for key, value in LLAMA_8B.items()}
    metadata |= {"general.architecture": "jamba", "jamba.block_count": 4, "jamba.attention.head_count_kv": [0, 8, 0, 4]}
    metadata |= {"jamba.ssm.inner_size": 8192, "jamba.ssm.state_size": 16, "jamba.ssm.conv_kernel": 4}
    groups = gguf_facts([header_of(metadata)]).groups
    state = (3 * 8192 + 16 * 8192) * 4  # the convolution's inputs and the state, both in 32 bits
    assert LayerGroup(layers=2, attention=AttentionKind.RECURRENT, state_bytes=state) in groups
    assert sorted(group.kv_heads for group in groups) == [0, 4, 8]


def test_latent_attention_keeps_one_vector() -> None:
    metadata = {key.replace("llama", "deepseek2"): value for key, value in LLAMA_8B.items()}
    metadata |= {"general.architecture": "deepseek2", "deepseek2.attention.kv_lora_rank": 512}
    metadata |= {"deepseek2.rope.dimension_count": 64}
    (group,) = gguf_facts([header_of(metadata)]).groups
    assert (group.attention, group.key_dim, group.value_dim) == (AttentionKind.LATENT, 576, 0)


def test_version_2_reads_like_version_3() -> None:
    text = gguf_bytes(LLAMA_8B, q4_k_m(), version=2)
    assert read_gguf(io.BytesIO(text), 1 << 50).tensors == header_of(LLAMA_8B, q4_k_m()).tensors


def test_vocabularies_are_skipped_and_counted() -> None:
    header = header_of({**LLAMA_8B, "tokenizer.ggml.tokens": ["a", "bb", "ccc"]})
    assert header.array_lengths == {"tokenizer.ggml.tokens": 3}


def test_parts_of_a_model_are_found_by_name() -> None:
    assert split_names("big-00002-of-00003.gguf") == (
        "big-00001-of-00003.gguf",
        "big-00002-of-00003.gguf",
        "big-00003-of-00003.gguf",
    )
    assert split_names("whole.gguf") is None
    with pytest.raises(Unreadable, match="part 4 of 3"):
        split_names("big-00004-of-00003.gguf")


def test_a_missing_part_is_a_gap() -> None:
    facts = gguf_facts([header_of({**LLAMA_8B, "split.tensors.count": 10})], missing_parts=["m-00002-of-00002.gguf"])
    assert facts.gaps == ("part m-00002-of-00002.gguf of the model is missing",)


@pytest.mark.parametrize("key", ["general.architecture", "llama.block_count", "llama.attention.head_count"])
def test_what_the_file_does_not_say_is_a_gap_in_words(key: str) -> None:
    without = {name: value for name, value in LLAMA_8B.items() if name != key and name != f"{key}_kv"}
    (gap,) = gguf_facts([header_of(without)]).gaps
    assert key.split(".", 1)[1].removeprefix("block_") in gap or "does not say" in gap


def damaged(at: int, layout: str, value: int) -> bytes:
    text = bytearray(gguf_bytes(LLAMA_8B, {"token_embd.weight": ("F16", [64, 64])}))
    struct.pack_into(layout, text, at, value)
    return bytes(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "truncated"),
        (b"GGML" + bytes(20), "no GGUF file"),
        (damaged(4, "<I", 1), "version 1"),
        (damaged(4, ">I", 3), "big-endian"),
        (damaged(8, "<Q", 1 << 62), "tensors"),
        (damaged(16, "<Q", 1 << 62), "entries"),
        (damaged(24, "<Q", 1 << 62), "text of"),
        (gguf_bytes(LLAMA_8B, {})[:-40], "truncated"),
    ],
)
def test_damage_is_told_in_words(text: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read_gguf(io.BytesIO(text), len(text))


def test_tensors_beyond_the_end_of_the_file_are_refused() -> None:
    text = gguf_bytes(LLAMA_8B, {"token_embd.weight": ("F16", [64, 64])})
    read_gguf(io.BytesIO(text), len(text) + 64 * 64 * 2)
    with pytest.raises(Unreadable, match=r"take 8192 bytes and 8191 are there"):
        read_gguf(io.BytesIO(text), len(text) + 64 * 64 * 2 - 1)


def test_the_same_key_twice_is_refused() -> None:
    entry = gguf_bytes({"a": 1}, {})[24:41]
    text = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + entry * 2
    with pytest.raises(Unreadable, match="twice"):
        read_gguf(io.BytesIO(text), len(text))


@settings(max_examples=300)
@given(st.data())
def test_whatever_the_bytes_are_the_reader_answers_or_refuses(data: st.DataObject) -> None:
    text = bytearray(gguf_bytes(LLAMA_8B, {"token_embd.weight": ("Q4_K", [256, 64])}))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        gguf_facts([read_gguf(io.BytesIO(bytes(text)), len(text) + 9216)])
    except Unreadable:
        return

"""Weights and KV caches of published models. Every expected number is worked out beside it, from the model's config.

Notation: h hidden, i intermediate, q = heads x head_dim, k = KV heads x head_dim, V vocabulary, L layers.
A Llama-like layer has hq + 2hk + qh (attention) + 3hi (MLP) + 2h (norms) parameters; with tables and the last norm:
L x layer + 2Vh + h.
"""

from collections.abc import Callable
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed
from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.sizing import EngineSettings, memory_need
from tests.support.model_files import Shapes, a_config, dense_tensors, facts_of, moe_tensors

Build = Callable[[dict[str, Any]], Shapes]


def need(facts: ModelFacts, *, context: int = 4096, concurrency: int = 1, devices: int = 1, **more: Any) -> MemoryNeed:
    engine = more.pop("engine", EngineKind.VLLM)
    nodes = more.pop("nodes", 1)
    settings = EngineSettings(context_tokens=context, concurrency=concurrency, **{"batch_tokens": 2048, **more})
    found = memory_need(facts, engine=engine, settings=settings, devices=devices, nodes=nodes)
    assert isinstance(found, MemoryNeed), found
    return found


def f16(config: dict[str, Any]) -> Shapes:
    return dense_tensors(config, dtype="F16")


@pytest.mark.parametrize(
    ("name", "build", "weight_bytes", "parameters"),
    [
        # q = 32 x 128 = 4096, k = 8 x 128 = 1024: a layer is 2 x 4096^2 + 2 x 4096 x 1024 + 3 x 4096 x 14336 + 2 x 4096
        # = 218,112,000; 32 of them + 2 x 128256 x 4096 + 4096 = 8,030,261,248 ("8.03B" on its page), 2 bytes each.
        ("llama-3.1-8b", dense_tensors, 16_060_522_496, 8_030_261_248),
        # q = 3584, k = 512, with biases q + 2k: 233,057,792 a layer; x 28 + 2 x 152064 x 3584 + 3584 = 7,615,616,512.
        ("qwen2.5-7b", dense_tensors, 15_231_233_024, 7_615_616_512),
        # h = q = 8192, k = 1024, i = 29568, biases: 877,684,736 a layer; x 80 + 2 x 152064 x 8192 + 8192.
        ("qwen2.5-72b", dense_tensors, 145_412_407_296, 72_706_203_648),
        # q = 4096, k = 512, h = 2048; 128 experts of 3 x 2048 x 768, a router of 128 x 2048, norms 2h + 2 x 128:
        # 623,120,640 a layer; x 48 + 2 x 151936 x 2048 + 2048 = 30,532,122,624. All experts are resident.
        ("qwen3-30b-a3b", moe_tensors, 61_064_245_248, 30_532_122_624),
        # As Llama-3.1-8B with V = 32000: 32 x 218,112,000 + 2 x 32000 x 4096 + 4096 = 7,241,732,096.
        ("mistral-7b-v0.1", dense_tensors, 14_483_464_192, 7_241_732_096),
        # q = 16 x 256 = 4096, k = 2048, four norms, one table for both ends: 198,195,200 a layer; x 42
        # + 256000 x 3584 + 3584 = 9,241,705,984.
        ("gemma-2-9b", dense_tensors, 18_483_411_968, 9_241_705_984),
        # h = 3840, q = 4096, k = 2048, i = 15360, four norms and two of 256: 224,143,872 a layer; x 48 + 262208 x 3840
        # + 3840 = 11,766,034,176 (the text model; the vision tower is another 0.4B).
        ("gemma-3-12b", dense_tensors, 23_532_068_352, 11_766_034_176),
    ],
)
def test_plain_weights_are_what_the_headers_say(name: str, build: Build, weight_bytes: int, parameters: int) -> None:
    facts = facts_of(name, build(a_config(name)))
    assert (facts.weight_bytes, facts.parameter_count) == (weight_bytes, parameters)
    assert need(facts).weights_bytes == weight_bytes


@pytest.mark.parametrize(
    ("name", "weight_bytes", "quantization"),
    [
        # AutoGPTQ, per projection of m inputs, n outputs: m n / 2 + (m / 128) (n / 2 zeros + 2 n scales) + 4 m index.
        # Summed over the seven projections with the 16-bit biases and norms 121,260,032 a layer; x 28 + 2 x 3584 +
        # 2 x 2 x 152064 x 3584 (both tables stay in 16 bits).
        ("qwen2.5-7b-gptq-int4", 5_575_277_568, "gptq-4bit"),
        # AutoAWQ: m n / 2 + (m / 128) (n / 2 + 2 n), that is 0.51953125 bytes a weight: 32 x 218,103,808 x 0.51953125
        # + 65 x 4096 x 2 norms + 2 x 2 x 128256 x 4096 tables = 5.73 GB.
        ("llama-3.1-8b-awq-int4", 5_727_854_592, "awq-4bit"),
    ],
)
def test_quantised_weights_are_counted_as_stored(name: str, weight_bytes: int, quantization: str) -> None:
    facts = facts_of(name, f16(a_config(name)))
    assert (facts.weight_bytes, facts.quantization, facts.quantization_group) == (weight_bytes, quantization, 128)


def test_packed_weights_are_counted_as_the_parameters_that_they_hold() -> None:
    facts = facts_of("llama-3.1-8b-awq-int4", f16(a_config("llama-3.1-8b-awq-int4")))
    assert facts.parameter_count == 8_030_261_248  # those of Llama-3.1-8B: scales and zero points are none


@pytest.mark.parametrize(
    ("name", "context", "concurrency", "kv_cache_bytes"),
    [
        # 2 (K and V) x 8 heads x 128 x 2 bytes = 4096 bytes per token and layer; x 32 layers = 128 KiB per token.
        ("llama-3.1-8b", 8192, 1, 8192 * 128 * 1024),
        ("llama-3.1-8b", 8192, 10, 10 * 8192 * 128 * 1024),
        # Blocks of 16 tokens: 100 tokens take 7 of them.
        ("llama-3.1-8b", 100, 3, 3 * 112 * 128 * 1024),
        # 2 x 4 x 128 x 2 = 2048 bytes x 28 layers = 57,344 per token. `use_sliding_window` is false: no window.
        ("qwen2.5-7b", 32768, 1, 32768 * 57_344),
        # 2 x 8 x 128 x 2 x 80 = 327,680.
        ("qwen2.5-72b", 32768, 1, 32768 * 327_680),
        # head_dim is 128, not 2048 / 32: 2 x 4 x 128 x 2 x 48 = 98,304.
        ("qwen3-30b-a3b", 40960, 1, 40960 * 98_304),
        # A window of 4096 in all 32 layers: 4096 + one more block + the batch of 2048 of the 32,768 tokens.
        ("mistral-7b-v0.1", 32768, 1, (4096 + 16 + 2048) * 131_072),
        # Shorter than the window: all of it.
        ("mistral-7b-v0.1", 2048, 1, 2048 * 131_072),
        # Every second of 42 layers has a window of 4096; 2 x 8 x 256 x 2 = 8192 bytes per token and layer.
        ("gemma-2-9b", 8192, 1, 21 * 8192 * 8192 + 21 * (4096 + 16 + 2048) * 8192),
        # 5 of 6 layers have a window of 1024: 40 of 48. 8192 bytes per token and layer. All four share one batch.
        ("gemma-3-12b", 32768, 4, 8 * 4 * 32768 * 8192 + 40 * (4 * (1024 + 16) + 2048) * 8192),
        # Latent attention: (512 + 64) x 2 = 1152 bytes per token and layer, 61 layers (DeepSeek-V3, section 2.1.1).
        ("deepseek-v3", 4096, 1, 4096 * 1152 * 61),
        # Multi-query: one head of 64 for 71 queries: 2 x 64 x 2 x 32 layers = 8192 bytes per token.
        ("falcon-7b", 2048, 1, 2048 * 8192),
        # Its second generation has 8 KV heads although `multi_query` is set: 2 x 8 x 64 x 2 x 60 = 122,880.
        ("falcon-40b", 2048, 1, 2048 * 122_880),
        # 12 of 24 layers keep 128 tokens; 2 x 8 x 64 x 2 = 2048 bytes per token and layer.
        ("gpt-oss-20b", 16384, 1, 12 * 16384 * 2048 + 12 * (128 + 16 + 2048) * 2048),
        # An encoder keeps nothing.
        ("bge-m3", 8192, 32, 0),
    ],
)
def test_caches_of_vllm(name: str, context: int, concurrency: int, kv_cache_bytes: int) -> None:
    assert need(facts_of(name), context=context, concurrency=concurrency).kv_cache_bytes == kv_cache_bytes


def test_recurrent_layers_keep_a_state_per_request() -> None:
    # Qwen3-Next: every fourth of 48 layers is full attention, 2 x 2 x 256 x 2 = 2048 bytes per token and layer.
    # The other 36 keep, per request: a 128 x 128 matrix for each of 32 value heads in 32 bits = 2,097,152 bytes, and
    # the last 3 inputs of a convolution over 2 x 16 x 128 + 32 x 128 = 8192 channels in 16 bits = 49,152 bytes.
    # SGLang keeps three states per request, and pages of 64 tokens.
    facts = facts_of("qwen3-next-80b-a3b")
    state = 2_097_152 + 49_152
    assert need(facts, context=8192, concurrency=2, engine=EngineKind.SGLANG).kv_cache_bytes == (
        12 * 2 * 8192 * 2048 + 36 * 2 * 3 * state
    )
    # vLLM gives attention and state pages of one size: 2,146,304 / 2048 = 1048 tokens, in blocks of 16: 1056. 8192
    # tokens are 8 such pages, and a state takes one.
    page = 1056 * 2048
    assert need(facts, context=8192, concurrency=2).kv_cache_bytes == 12 * 2 * 8 * page + 36 * 2 * page


def test_mamba_layers_of_jamba() -> None:
    # One of 8 layers has attention: 4 layers, 2 x 8 x 128 x 2 = 4096 bytes per token. The 28 others: 2 x 4096 = 8192
    # channels with a state of 16 numbers in 32 bits and 3 inputs in 16 bits: 524,288 + 49,152 bytes.
    found = need(facts_of("jamba-v0.1"), context=4096, engine=EngineKind.SGLANG).kv_cache_bytes
    assert found == 4 * 4096 * 4096 + 28 * 3 * (524_288 + 49_152)


def test_only_engines_that_free_what_left_the_window_are_counted_on_for_it() -> None:
    facts = facts_of("mistral-7b-v0.1")
    assert need(facts, context=32768, engine=EngineKind.SGLANG).kv_cache_bytes == 32768 * 131_072
    assert need(facts, context=32768, engine=EngineKind.LMDEPLOY).kv_cache_bytes == 32768 * 131_072


def test_a_cache_of_8_bits_is_half_as_large() -> None:
    # LMDeploy adds a scale and a zero point of 2 bytes each per head and token to keys and to values.
    facts = facts_of("llama-3.1-8b")
    assert need(facts, kv_cache_dtype="fp8").kv_cache_bytes == 4096 * 64 * 1024
    quantised = need(facts, kv_cache_dtype="int8", engine=EngineKind.LMDEPLOY).kv_cache_bytes
    assert quantised == 4096 * 32 * 8 * 2 * (128 + 4)


def test_more_devices_than_kv_heads_hold_copies_of_them() -> None:
    facts = facts_of("qwen2.5-7b")  # 4 KV heads: on 4 devices one each, and on 28 devices one each too
    per_head = 4096 * 2 * 128 * 2 * 28
    assert need(facts, devices=2).kv_cache_bytes == 2 * per_head
    assert need(facts, devices=4).kv_cache_bytes == per_head
    assert need(facts, devices=28).kv_cache_bytes == per_head


def test_a_latent_cache_is_whole_on_every_device() -> None:
    facts = facts_of("deepseek-v3")
    assert need(facts, devices=8).kv_cache_bytes == need(facts, devices=1).kv_cache_bytes


def test_norms_are_on_every_device_and_the_rest_is_divided() -> None:
    facts = facts_of("llama-3.1-8b", dense_tensors(a_config("llama-3.1-8b")))
    norms = 65 * 4096 * 2
    assert need(facts, devices=4).weights_bytes == (16_060_522_496 - norms) // 4 + norms


def test_pipeline_stages_hold_their_layers_and_one_table() -> None:
    # 80 layers of 877,684,736 parameters on 2 stages, and a table of 152064 x 8192 at either end (and the last norm).
    facts = facts_of("qwen2.5-72b", dense_tensors(a_config("qwen2.5-72b")))
    found = need(facts, devices=1, nodes=2)
    stage = (40 * 877_684_736 + 152_064 * 8192) * 2
    assert 0 <= found.weights_bytes - stage <= 8192 * 2
    assert found.kv_cache_bytes == 4096 * 327_680 // 2
    assert found.devices == 2


def test_weights_in_32_bits_are_loaded_in_16() -> None:
    # As google/gemma-2-9b is stored: torch_dtype float32. vLLM and SGLang compute in 16 bits.
    facts = facts_of("gemma-2-9b", dense_tensors(a_config("gemma-2-9b"), dtype="F32"))
    assert facts.weight_bytes == 2 * 18_483_411_968
    assert need(facts).weights_bytes == 18_483_411_968

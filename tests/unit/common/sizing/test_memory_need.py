"""Activations, overheads, memory shares and limits, against what engines published or logged of themselves."""

from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed, ModelKind, Resources
from roundhouse_common.contracts.models import AttentionKind, LayerGroup, ModelFacts, ModelFormat
from roundhouse_common.sizing import (
    EngineSettings,
    MemoryShare,
    Unfit,
    Unknown,
    check_limits,
    memory_need,
    memory_share,
    need_of_version,
    settings_of,
    tensor_parallel_sizes,
    what_fits,
)
from tests.support.model_files import a_config, dense_tensors, facts_of

GIB, MIB = 1024**3, 1024**2
SMOLLM2 = ModelFacts(
    format=ModelFormat.GGUF,
    architecture="llama",
    weight_bytes=96_576_768,
    context_length=8192,
    layers=30,
    hidden_size=576,
    intermediate_size=1536,
    attention_heads=9,
    kv_heads=3,
    vocab_size=49_152,
    attention_width=576,
    groups=(LayerGroup(layers=30, attention=AttentionKind.FULL, kv_heads=3, key_dim=64, value_dim=64),),
)


def settings(**changes: Any) -> EngineSettings:
    return EngineSettings(**{"context_tokens": 4096, "concurrency": 4, "batch_tokens": 512, **changes})


def need(facts: ModelFacts, engine: EngineKind = EngineKind.VLLM, *, devices: int = 1, **changes: Any) -> MemoryNeed:
    found = memory_need(facts, engine=engine, settings=settings(**changes), devices=devices)
    assert isinstance(found, MemoryNeed), found
    return found


@pytest.mark.parametrize(
    ("name", "devices", "peak_gib"),
    [
        # llm-d-benchmark, config_explorer/empirical-vllm-memory-results.md: "peak activation" that vLLM logged on an
        # H100 with up to 1024 sequences and 8192 tokens at once.
        ("llama-3.1-8b", 1, 4.76),
        ("llama-3.3-70b-fp8", 2, 4.84),
        ("qwen3-0.6b", 1, 5.56),
        ("qwen3-32b", 1, 5.64),
        ("gpt-oss-20b", 1, 7.38),
    ],
)
def test_activations_are_within_3_percent_above_what_vllm_logged(name: str, devices: int, peak_gib: float) -> None:
    found = need(facts_of(name), devices=devices, concurrency=1024, batch_tokens=8192).activation_bytes
    assert peak_gib * GIB <= found <= 1.03 * peak_gib * GIB


def test_with_few_requests_the_forward_pass_decides() -> None:
    # Llama-3.1-8B, 8192 tokens in 16 bits: 4 x 4096 + 3 x 14336 numbers a token; the sampler of 4 requests needs less.
    assert need(facts_of("llama-3.1-8b"), batch_tokens=8192).activation_bytes == 8192 * 2 * (4 * 4096 + 3 * 14336)


@pytest.mark.parametrize(
    ("changes", "cache_mib", "compute_mib"),
    [
        # What llama.cpp (xllamacpp 2026.10.11549) logs of the bundled model: "KV buffer size", "compute buffer size".
        ({"context_tokens": 2048}, 180.0, 16.64),
        ({"concurrency": 1}, 90.0, 18.64),
        ({}, 360.0, 18.64),
        ({"concurrency": 8}, 720.0, 18.64),
        ({"batch_tokens": 128}, 360.0, 4.66),
        ({"kv_cache_dtype": "q8_0"}, 191.25, 18.67),
        ({"context_tokens": 512, "concurrency": 2, "is_embedding": True}, 22.5, 102.14),
    ],
)
def test_buffers_are_those_that_llama_cpp_logs(changes: dict[str, Any], cache_mib: float, compute_mib: float) -> None:
    found = need(SMOLLM2, EngineKind.LLAMA_CPP, devices=0, **changes)
    outputs = found.concurrency * (49_152 + 576) * 4
    assert found.kv_cache_bytes == cache_mib * MIB
    assert (found.activation_bytes - outputs) / MIB == pytest.approx(compute_mib, abs=0.05)


def test_cache_types_of_llama_cpp_have_their_block_overhead() -> None:
    # 32 numbers take 64 bytes as f16, 34 as q8_0 (2 for the scale) and 18 as q4_0.
    whole = need(SMOLLM2, EngineKind.LLAMA_CPP, devices=0).kv_cache_bytes
    assert need(SMOLLM2, EngineKind.LLAMA_CPP, devices=0, kv_cache_dtype="q8_0").kv_cache_bytes == whole * 34 // 64
    assert need(SMOLLM2, EngineKind.LLAMA_CPP, devices=0, kv_cache_dtype="q4_0").kv_cache_bytes == whole * 18 // 64


def test_windows_of_llama_cpp_keep_window_and_batch_for_each_request_and_checkpoints() -> None:
    # Logged for a made-up Gemma-3 of 12 layers, 4 KV heads of 64, 2 requests of 16,384: 64 MiB for 2 layers of 16,384
    # cells, 30 MiB for 10 layers of 1536 = 1024 + 512 cells.
    sliding = LayerGroup(layers=10, attention=AttentionKind.SLIDING, kv_heads=4, key_dim=64, value_dim=64, window=1024)
    full = msgspec.structs.replace(sliding, layers=2, attention=AttentionKind.FULL, window=0)
    facts = msgspec.structs.replace(SMOLLM2, groups=(full, sliding))
    found = need(facts, EngineKind.LLAMA_CPP, devices=0, context_tokens=16_384, concurrency=2)
    assert found.kv_cache_bytes == 94 * MIB
    # A checkpoint is a copy of the windows: 10 layers x 1024 tokens x 1024 bytes = 10 MiB, 4 for each of 2 requests.
    without = msgspec.structs.replace(facts, groups=(full,))
    plain = need(without, EngineKind.LLAMA_CPP, devices=0, context_tokens=16_384, concurrency=2)
    assert found.overhead_bytes - plain.overhead_bytes == 80 * MIB


def test_sglang_reserves_by_its_own_rule() -> None:
    # server_args.py: 512 MiB + 1.5 MiB x chunk + 2 MiB x largest graph + devices / 8 GiB.
    found = need(facts_of("llama-3.1-8b"), EngineKind.SGLANG, batch_tokens=4096, concurrency=16)
    assert found.activation_bytes == 4096 * 3 * MIB // 2
    context = 635 * MIB
    assert found.overhead_bytes == context + 512 * MIB + 16 * 2 * MIB + GIB // 8


LLAMA = facts_of("llama-3.1-8b", dense_tensors(a_config("llama-3.1-8b")))


@pytest.mark.parametrize("total_gib", [24, 40, 80, 141])
@pytest.mark.parametrize("engine", [EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY])
def test_a_share_neither_undershoots_nor_takes_more_than_a_step_beyond(engine: EngineKind, total_gib: int) -> None:
    total = total_gib * GIB
    found = need(LLAMA, engine, context_tokens=2048, batch_tokens=2048)
    share = memory_share(engine, found, device_total_bytes=total)
    assert isinstance(share, MemoryShare), share
    context = 635 * MIB
    part, whole = {
        EngineKind.VLLM: (found.total_bytes - context, total),
        EngineKind.SGLANG: (found.weights_bytes + found.kv_cache_bytes, total - context),
        EngineKind.LMDEPLOY: (found.kv_cache_bytes, total - context - found.weights_bytes),
    }[engine]
    assert part <= share.value * whole <= part + whole / 10_000 + 1


def test_each_engine_has_its_own_flag() -> None:
    flags = [
        share.flag
        for engine in (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY, EngineKind.LLAMA_CPP)
        if isinstance(share := memory_share(engine, need(LLAMA), device_total_bytes=80 * GIB), MemoryShare)
    ]
    assert flags == ["--gpu-memory-utilization", "--mem-fraction-static", "--cache-max-entry-count", ""]


def test_what_does_not_fit_is_refused_with_figures() -> None:
    found = memory_share(EngineKind.VLLM, need(LLAMA), device_total_bytes=16 * GIB)
    assert isinstance(found, Unfit)
    assert "weights 14.96 GiB" in str(found)
    assert "the device has 16.00 GiB" in str(found)


def test_what_others_take_of_a_device_is_not_counted_on() -> None:
    found = memory_share(EngineKind.VLLM, need(LLAMA), device_total_bytes=80 * GIB, device_free_bytes=10 * GIB)
    assert isinstance(found, Unfit)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("llama-3.1-8b", (1, 2, 4, 8, 16, 32)),  # 32 heads, 8 KV heads: divisors of 8 and multiples up to 32
        ("qwen2.5-7b", (1, 2, 4, 28)),  # 28 heads and 4 KV heads: 7 and 14 divide the heads, but not with 4
        ("falcon-7b", (1,)),  # 71 heads
        # Groups of 128 along the MLP's 18,944 = 148 groups: 4 devices get 37 each, 28 devices none whole.
        ("qwen2.5-7b-gptq-int4", (1, 2, 4)),
        ("deepseek-v3", (1, 2, 4, 8, 16)),  # 128 heads; experts of 2048 = 16 blocks of 128
    ],
)
def test_tensor_parallel_sizes(name: str, sizes: tuple[int, ...]) -> None:
    assert tensor_parallel_sizes(facts_of(name)) == sizes


def test_experts_in_blocks_cannot_be_divided_below_a_block() -> None:
    fp8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    assert tensor_parallel_sizes(facts_of("qwen3-30b-a3b", quantization_config=fp8)) == (1, 2)  # 768 = 6 blocks


def test_what_can_never_run_is_refused_with_what_can() -> None:
    found = check_limits(
        LLAMA, engine=EngineKind.VLLM, settings=settings(context_tokens=200_000, tensor_parallel=3), devices=4
    )
    assert isinstance(found, Unfit)
    context, division, product = found.reasons
    assert "200000 found; the model was made for at most 131072" in context
    assert "must divide the 32 attention heads; possible are 1, 2, 4, 8, 16, 32" in division
    assert "uses 3 devices; 4 are asked for" in product
    assert check_limits(LLAMA, engine=EngineKind.VLLM, settings=settings(), devices=4) is None


def test_what_would_fit_is_the_largest_that_does() -> None:
    def fits(tokens: int, requests: int) -> bool:
        found = need(LLAMA, context_tokens=tokens, concurrency=requests, batch_tokens=2048)
        return found.total_bytes <= 24 * GIB

    asked = settings(batch_tokens=2048)
    best = what_fits(LLAMA, 24 * GIB, engine=EngineKind.VLLM, settings=asked, devices=1)
    assert fits(best.context_tokens, 4)
    assert not fits(best.context_tokens + 1, 4)
    assert fits(4096, best.concurrency)
    assert not fits(4096, best.concurrency + 1)


def test_nothing_fits_where_the_weights_do_not() -> None:
    best = what_fits(LLAMA, 8 * GIB, engine=EngineKind.VLLM, settings=settings(), devices=1)
    assert (best.context_tokens, best.concurrency) == (0, 0)


@pytest.mark.parametrize(
    ("facts", "engine", "devices", "changes", "says"),
    [
        (msgspec.structs.replace(LLAMA, gaps=("half of it is missing",)), EngineKind.VLLM, 1, {}, "half of it"),
        (msgspec.structs.replace(LLAMA, weight_bytes=0), EngineKind.VLLM, 1, {}, "size of the weights"),
        (msgspec.structs.replace(LLAMA, groups=()), EngineKind.VLLM, 1, {}, "keep the past"),
        (LLAMA, EngineKind.VLLM, 0, {}, "on a CPU was not measured"),
        (LLAMA, EngineKind.UNKNOWN, 1, {}, "not known"),
        (LLAMA, EngineKind.VLLM, 1, {"context_tokens": 0}, "context is 0"),
        (LLAMA, EngineKind.VLLM, 1, {"kv_cache_dtype": "turbo2"}, "type turbo2 is not known"),
    ],
)
def test_what_is_not_known_is_said_and_never_guessed(
    facts: ModelFacts, engine: EngineKind, devices: int, changes: dict[str, Any], says: str
) -> None:
    found = memory_need(facts, engine=engine, settings=settings(**changes), devices=devices)
    assert isinstance(found, Unknown)
    assert says in str(found)


def test_a_version_is_computed_with_what_its_engine_is_started_with() -> None:
    found = need_of_version(
        SMOLLM2,
        engine=EngineKind.LLAMA_CPP,
        parameters={"parallel": "2"},
        resources=Resources(memory_bytes=0),
        context_length=2048,
        model_kind=ModelKind.CHAT,
    )
    assert isinstance(found, MemoryNeed)
    assert (found.context_tokens, found.concurrency, found.devices) == (2048, 2, 0)


@pytest.mark.parametrize(
    ("parameters", "context_length", "kind", "context", "batch"),
    [
        ({}, 0, ModelKind.CHAT, 4096, 512),
        ({}, 2048, ModelKind.CHAT, 2048, 512),
        ({}, 131_072, ModelKind.CHAT, 4096, 512),
        ({"context": "9000", "batch": "2048"}, 131_072, ModelKind.CHAT, 9000, 512),
        ({"batch": "64"}, 2048, ModelKind.CHAT, 2048, 64),
        ({"context": "8192"}, 8192, ModelKind.EMBEDDING, 8192, 8192),  # one input is one batch
    ],
)
def test_defaults_of_llama_cpp(
    parameters: dict[str, str], context_length: int, kind: ModelKind, context: int, batch: int
) -> None:
    found = settings_of(EngineKind.LLAMA_CPP, parameters, context_length=context_length, model_kind=kind)
    assert (found.context_tokens, found.batch_tokens) == (context, batch)


def test_a_parameter_that_is_no_number_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="context is 'many'"):
        settings_of(EngineKind.LLAMA_CPP, {"context": "many"}, context_length=0, model_kind=ModelKind.CHAT)

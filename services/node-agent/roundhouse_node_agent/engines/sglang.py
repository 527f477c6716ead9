"""SGLang: its server module, with the key added inside the process, since it takes it only as an argument."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import (
    KEY_VARIABLE,
    OFFLINE,
    chat_template,
    package_version,
    share_flag,
    visible_devices,
    with_key,
)
from roundhouse_node_agent.engines.serving import TEXT_KINDS, VECTOR_KINDS, parameter_fault, stated_parameters
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Sglang"]

_KIND: Final = EngineKind.SGLANG
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset(
            {Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES, Feature.MESSAGES, Feature.TOKENIZE}
        ),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS, Feature.TOKENIZE}),
        ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS, Feature.TOKENIZE}),
        ModelKind.RERANK: frozenset({Feature.RERANK, Feature.SCORE, Feature.TOKENIZE}),
    }
)
_METRICS: Final = MetricNames(
    running="sglang:num_running_reqs",
    waiting="sglang:num_queue_reqs",
    kv_cache_usage="sglang:token_usage",
    input_tokens="sglang:prompt_tokens_total",
    cached_input_tokens="sglang:cached_tokens_total",
    output_tokens="sglang:generation_tokens_total",
)


class Sglang(StatedEngine):
    """Members of a gang beside the head answer a health path that says nothing, and ignore SIGTERM until it ends."""

    kind = _KIND.value
    features = _FEATURES
    metric_names = _METRICS

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "sglang")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, TEXT_KINDS | VECTOR_KINDS)

    def render(self, order: RenderOrder) -> Command:
        version = order.version
        argv = ["--model-path", order.model_path, "--served-model-name", order.served_name]
        argv += ["--host", order.host, "--port", str(order.port), "--enable-metrics"]
        if not order.devices:
            argv += ["--device", "cpu"]
        if version.model_kind in VECTOR_KINDS:
            argv.append("--is-embedding")
        argv += share_flag(_KIND, order, flag="--mem-fraction-static")
        if order.gang is not None:
            argv += ["--nnodes", str(order.gang.size), "--node-rank", str(order.gang.rank)]
            argv += ["--dist-init-addr", f"{order.gang.address}:{order.gang.port}"]
        template, files = chat_template(order)
        argv += TABLES[_KIND].arguments({**stated_parameters(_KIND, version), **template})
        return Command(
            argv=with_key(order, "--api-key", "sglang.launch_server", tuple(argv)),
            env={KEY_VARIABLE: order.api_key, **OFFLINE, **visible_devices(order)},
            files=files,
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/ready", metrics="/metrics") if rank == 0 else Probes(readiness="", metrics="")

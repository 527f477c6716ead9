"""llama.cpp's own `llama-server`, where a host has one: built for devices that our wheel does not know."""

from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Probes, RenderOrder
from roundhouse_node_agent.engines.llama_family import LLAMA_FEATURES, LLAMA_METRICS, LLAMA_RULES
from roundhouse_node_agent.engines.rendering import chat_template, visible_devices
from roundhouse_node_agent.engines.serving import TEXT_KINDS, VECTOR_KINDS, parameter_fault, settings_of_version
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["LlamaServer"]

_KIND: Final = EngineKind.LLAMA_SERVER
_ALL_LAYERS: Final = "999"


class LlamaServer(StatedEngine):
    """The same parameters as our runner, and any flag of the server besides."""

    kind = _KIND.value
    features = LLAMA_FEATURES
    metric_names = LLAMA_METRICS
    rules = LLAMA_RULES

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return (runtime.program, "--version")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, TEXT_KINDS | VECTOR_KINDS)

    def render(self, order: RenderOrder) -> Command:
        version = order.version
        settings = settings_of_version(_KIND, version)
        argv = [order.runtime.program_of("llama-server"), "--model", order.model_path, "--alias", order.served_name]
        argv += ["--host", order.host, "--port", str(order.port), "--metrics"]
        # llama.cpp divides its context between the slots.
        argv += ["--ctx-size", str(settings.context_tokens * settings.concurrency)]
        if settings.kv_cache_dtype:
            argv += ["--cache-type-k", settings.kv_cache_dtype, "--cache-type-v", settings.kv_cache_dtype]
        if version.model_kind is ModelKind.EMBEDDING:
            argv.append("--embeddings")
        if version.model_kind is ModelKind.RERANK:
            argv.append("--rerank")
        if settings.is_embedding:
            argv += ["--ubatch-size", str(settings.batch_tokens)]  # one input is one batch
        template, files = chat_template(order)
        given = {
            "parallel": str(settings.concurrency),
            "gpu_layers": _ALL_LAYERS if order.devices else "0",
            "prompt_cache_mib": "0",
            **({"batch": str(settings.batch_tokens)} if settings.is_embedding else {}),
            **version.parameters,
            **template,
        }
        argv += TABLES[_KIND].arguments(given)
        env = {"LLAMA_API_KEY": order.api_key, **visible_devices(order)}
        return Command(argv=tuple(argv), env=env, files=files)

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics")

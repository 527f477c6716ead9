"""MindIE on Ascend: it is told everything by a config.json, which is rendered here."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import share_flag, visible_devices
from roundhouse_node_agent.engines.serving import TEXT_KINDS, parallel_of, parameter_fault, settings_of_version
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Mindie"]

_KIND: Final = EngineKind.MINDIE
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT, Feature.COMPLETIONS}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
    }
)
_METRICS: Final = MetricNames(
    running="num_requests_running",
    waiting="num_requests_waiting",
    set_aside="num_requests_swapped",
    kv_cache_usage="npu_cache_usage_perc",
    input_tokens="prompt_tokens_total",
    output_tokens="generation_tokens_total",
)
"""As its manual (2.1) and its source have them; it brings them up to date every second."""
_CACHE_BLOCK_TOKENS: Final = 128
_MOST_LINKS: Final = 1000


class Mindie(StatedEngine):
    """One node. Its only way to know its callers is TLS with client certificates: nothing but routers may reach it."""

    kind = _KIND.value
    features = _FEATURES
    metric_names = _METRICS

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return ("/usr/bin/env", "test", "-x", runtime.program)

    def cannot_run(self, version: VersionSpec) -> str | None:
        if version.resources.device_count == 0:
            return "mindie needs Ascend devices; ask for at least one"
        if version.resources.node_count > 1:
            return f"mindie runs on one node here; {version.resources.node_count} are asked for"
        return parameter_fault(_KIND, version, TEXT_KINDS)

    def render(self, order: RenderOrder) -> Command:
        share = order.version.parameters.get("memory_share", "")
        if not share:
            share = next(iter(share_flag(_KIND, order, flag="")[1:]), "")
        env = {
            "MIES_CONFIG_JSON_PATH": f"{order.directory}/config.json",
            "MIES_SERVICE_MONITOR_MODE": "1",
            "MINDIE_LOG_TO_STDOUT": "1",
            **({"NPU_MEMORY_FRACTION": share} if share else {}),
            **visible_devices(order),
        }
        config = json.dumps(_config(order), indent=1)
        return Command(argv=(order.runtime.program_of("mindieservice_daemon"),), env=env, files={"config.json": config})

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/v2/health/ready", metrics="/metrics")


def _config(order: RenderOrder) -> dict[str, object]:
    return {
        "Version": "1.0.0",
        "ServerConfig": {
            "ipAddress": order.host,
            "managementIpAddress": order.host,
            "port": order.port,
            "managementPort": order.port,
            "metricsPort": order.port,
            "allowAllZeroIpListening": order.host == "0.0.0.0",
            "maxLinkNum": _MOST_LINKS,
            "httpsEnabled": False,
            "fullTextEnabled": False,
            "inferMode": "standard",
            "interCommTLSEnabled": False,
            "openAiSupport": "vllm",
        },
        "BackendConfig": {
            "backendName": "mindieservice_llm_engine",
            "modelInstanceNumber": 1,
            "npuDeviceIds": [list(range(_ascend_devices(order)))],
            "tokenizerProcessNumber": 8,
            "multiNodesInferEnabled": False,
            "interNodeTLSEnabled": False,
            "ModelDeployConfig": _model_config(order),
            "ScheduleConfig": _schedule_config(order),
        },
    }


def _model_config(order: RenderOrder) -> dict[str, object]:
    settings = settings_of_version(_KIND, order.version)
    tensor, _ = parallel_of(_KIND, order.version)
    given = order.version.parameters
    model: dict[str, object] = {
        "modelInstanceType": "Standard",
        "modelName": order.served_name,
        "modelWeightPath": order.model_path,
        "worldSize": tensor,
        "cpuMemSize": 0,
        "npuMemSize": -1,
        "backendType": "atb",
        "trustRemoteCode": given.get("trust_remote_code") == "true",
    }
    if given.get("prefix_cache") == "true":
        model["plugin_params"] = json.dumps({"plugin_type": "prefix_cache"})
    return {
        "maxSeqLen": settings.context_tokens,
        "maxInputTokenLen": settings.context_tokens,
        "truncation": False,
        "ModelConfig": [model],
    }


def _schedule_config(order: RenderOrder) -> dict[str, object]:
    settings = settings_of_version(_KIND, order.version)
    output = int(order.version.parameters.get("output_tokens", settings.context_tokens))
    return {
        "templateType": "Standard",
        "templateName": "Standard_LLM",
        "cacheBlockSize": _CACHE_BLOCK_TOKENS,
        "maxPrefillBatchSize": settings.concurrency,
        "maxPrefillTokens": max(settings.batch_tokens, settings.context_tokens),
        "maxBatchSize": settings.concurrency,
        "maxIterTimes": min(output, settings.context_tokens),
        "maxPreemptCount": 0,
        "supportSelectBatch": False,
        "maxQueueDelayMicroseconds": 5000,
        **({"enablePrefixCache": True} if order.version.parameters.get("prefix_cache") == "true" else {}),
    }


def _ascend_devices(order: RenderOrder) -> int:
    """Return how many it sees: its ids count within those that are visible."""
    return sum(device.vendor is DeviceVendor.ASCEND for device in order.devices)

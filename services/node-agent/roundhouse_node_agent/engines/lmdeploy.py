"""LMDeploy: `lmdeploy serve api_server`, with the key added inside the process."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import (
    KEY_VARIABLE,
    OFFLINE,
    package_version,
    share_flag,
    visible_devices,
    with_key,
)
from roundhouse_node_agent.engines.serving import TEXT_KINDS, parameter_fault, stated_parameters
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Lmdeploy"]

_KIND: Final = EngineKind.LMDEPLOY
_DEVICES: Final[Mapping[DeviceVendor, str]] = MappingProxyType(
    {DeviceVendor.ASCEND: "ascend", DeviceVendor.METAX: "maca", DeviceVendor.CAMBRICON: "camb"}
)
"""Its words for what is not CUDA; only its PyTorch engine runs there."""
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES, Feature.MESSAGES}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
    }
)
_METRICS: Final = MetricNames(
    running="lmdeploy:num_requests_running",
    waiting="lmdeploy:num_requests_waiting",
    kv_cache_usage="lmdeploy:gpu_cache_usage_perc",
    input_tokens="lmdeploy:prompt_tokens_total",
    output_tokens="lmdeploy:generation_tokens_total",
)


class Lmdeploy(StatedEngine):
    """One node and accelerators only: it has no CPU backend."""

    kind = _KIND.value
    features = _FEATURES
    metric_names = _METRICS

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "lmdeploy")

    def cannot_run(self, version: VersionSpec) -> str | None:
        if version.resources.device_count == 0:
            return "lmdeploy needs an accelerator; ask for at least one device"
        if version.resources.node_count > 1:
            return f"lmdeploy runs on one node here; {version.resources.node_count} are asked for"
        return parameter_fault(_KIND, version, TEXT_KINDS)

    def render(self, order: RenderOrder) -> Command:
        version = order.version
        argv = ["serve", "api_server", order.model_path, "--model-name", order.served_name]
        argv += ["--server-name", order.host, "--server-port", str(order.port)]
        argv += share_flag(_KIND, order, flag="--cache-max-entry-count")
        given = stated_parameters(_KIND, version)
        device = next((_DEVICES[one.vendor] for one in order.devices if one.vendor in _DEVICES), "")
        if device:
            argv += ["--device", device]
            given = {"backend": "pytorch", **given}
        argv += TABLES[_KIND].arguments(given)
        return Command(
            argv=with_key(order, "--api-keys", "lmdeploy.cli.entrypoint:run", tuple(argv)),
            env={KEY_VARIABLE: order.api_key, **OFFLINE, **visible_devices(order)},
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics")

"""LMDeploy: `lmdeploy serve api_server`, with the key added inside the process."""

import json
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
from roundhouse_node_agent.engines.serving import TEXT_KINDS, own_template, parameter_fault, stated_parameters
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Lmdeploy"]

_KIND: Final = EngineKind.LMDEPLOY
_DEVICES: Final[Mapping[DeviceVendor, str]] = MappingProxyType(
    {DeviceVendor.ASCEND: "ascend", DeviceVendor.METAX: "maca", DeviceVendor.CAMBRICON: "camb"}
)
"""Its words for what is not CUDA; only its PyTorch engine runs there."""
_TOKENIZER: Final = "tokenizer"
_TOKENIZER_FILES: Final = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
_TEMPLATE_CONFIG: Final = "chat_template.json"
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
    cached_input_tokens="lmdeploy:cached_tokens_total",
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
        files, links = _template(order)
        if files:
            argv += ["--chat-template", f"{order.directory}/{_TEMPLATE_CONFIG}"]
        return Command(
            argv=with_key(order, "--api-keys", "lmdeploy.cli.entrypoint:run", tuple(argv)),
            env={KEY_VARIABLE: order.api_key, **OFFLINE, **visible_devices(order)},
            files=files,
            links=links,
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics")


def _template(order: RenderOrder) -> tuple[dict[str, str], dict[str, str]]:
    """Return files and links that give the model another chat template.

    It takes no Jinja, only the name of a directory with a tokenizer: one with the model's own files and this template.
    Links to files that the model does not have lead nowhere and are not looked at.
    """
    text, stated = own_template(order.version), order.version.parameters.get("chat_template_file", "")
    if not text and not stated:
        return {}, {}
    place = f"{_TOKENIZER}/chat_template.jinja"
    config = {"model_name": "hf", "model_path": f"{order.directory}/{_TOKENIZER}"}
    files = {_TEMPLATE_CONFIG: json.dumps(config), **({} if stated else {place: text})}
    links = {f"{_TOKENIZER}/{name}": f"{order.model_path}/{name}" for name in _TOKENIZER_FILES}
    return files, {**links, **({place: stated} if stated else {})}

"""Hugging Face Transformers: `transformers serve` with one fixed model. It has no key and no metrics."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.rendering import OFFLINE, package_version, visible_devices
from roundhouse_node_agent.engines.serving import TEXT_KINDS, parameter_fault
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["TransformersServe"]

_KIND: Final = EngineKind.TRANSFORMERS
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
        ModelKind.TRANSCRIPTION: frozenset({Feature.TRANSCRIPTIONS}),
    }
)


class TransformersServe(StatedEngine):
    """It answers only to the path that it was started with: a link in the run's directory has the served name."""

    kind = _KIND.value
    features = _FEATURES

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "transformers")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, TEXT_KINDS | {ModelKind.TRANSCRIPTION})

    def render(self, order: RenderOrder) -> Command:
        argv = [order.runtime.program_of("transformers"), "serve", order.served_name]
        argv += ["--host", order.host, "--port", str(order.port)]
        argv += ["--device", "auto" if order.devices else "cpu"]
        argv += TABLES[_KIND].arguments(order.version.parameters)
        return Command(
            argv=tuple(argv),
            env={**OFFLINE, **visible_devices(order)},
            links={order.served_name: order.model_path},
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="")

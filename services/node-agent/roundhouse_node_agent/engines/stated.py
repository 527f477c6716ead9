"""What most drivers only state: endpoints by kind of model, names of metrics, and known failures."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from roundhouse_common.contracts.catalog import ModelKind, VersionSpec
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineSample
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, Rule, diagnose
from roundhouse_node_agent.engines.engine import Ending, Feature
from roundhouse_node_agent.engines.metric_names import MetricNames

__all__ = ["StatedEngine"]


class StatedEngine:
    """The part of `Engine` that follows from tables; a driver adds how it is found, started and probed."""

    features: ClassVar[Mapping[ModelKind, frozenset[Feature]]]
    metric_names: ClassVar[MetricNames | None] = None
    """None: it has no metrics."""
    rules: ClassVar[Sequence[Rule]] = COMMON_RULES

    def capabilities(self, version: VersionSpec) -> frozenset[Feature]:
        return self.features.get(version.model_kind, frozenset())

    def sample(self, metrics: Mapping[str, float], version: VersionSpec) -> EngineSample | None:
        return self.metric_names.sample(metrics) if self.metric_names is not None else None

    def diagnose(self, ending: Ending) -> Diagnosis:
        return diagnose(ending, self.rules)
